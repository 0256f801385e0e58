import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { openStore } from '../../controller/store/open-store.ts';
import { kinds } from '../../resources/registry.ts';
import { validate } from '../../resources/validation.ts';
import { startApiServer } from '../support/api-server.ts';
import { app, withApi } from './api-client.ts';

const APPS = '/apis/holdfast.dev/v1/apps';
const MERGE = 'application/merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const APPLY = 'application/apply-patch+yaml';
const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;

interface Row {
  name: string;
  method: string;
  path?: string;
  body?: unknown;
  type?: string;
  code: number;
  reason: string;
  field?: string;
}

const rows: Row[] = [
  { name: 'malformed JSON', method: 'POST', body: '{"a":', code: 400, reason: 'BadRequest' },
  {
    name: 'a body that is too large',
    method: 'POST',
    body: `{"a":"${'x'.repeat(4_000_000)}"}`,
    code: 413,
    reason: 'RequestEntityTooLarge',
  },
  { name: 'deep nesting', method: 'POST', body: `{"spec":${deep}}`, code: 400, reason: 'BadRequest' },
  {
    name: 'a prototype name',
    method: 'POST',
    body: JSON.stringify(app('x')).replace('"image"', '"__proto__":{"a":1},"image"'),
    code: 400,
    reason: 'BadRequest',
  },
  {
    name: 'a content type that nobody knows',
    method: 'POST',
    body: '<app/>',
    type: 'application/xml',
    code: 415,
    reason: 'UnsupportedMediaType',
  },
  {
    name: 'a strategic merge patch',
    method: 'PATCH',
    path: '/wiki',
    body: {},
    type: 'application/strategic-merge-patch+json',
    code: 415,
    reason: 'UnsupportedMediaType',
  },
  {
    name: 'another kind than the path has',
    method: 'POST',
    body: { ...app('x'), kind: 'Secret' },
    code: 400,
    reason: 'BadRequest',
  },
  { name: 'a kind that is unknown', method: 'GET', path: '/../foos', code: 404, reason: 'NotFound' },
  {
    name: 'an unknown field',
    method: 'POST',
    body: app('x', { prot: 80 }),
    code: 422,
    reason: 'Invalid',
    field: 'spec.prot',
  },
  {
    name: 'a label selector that cannot be read',
    method: 'GET',
    path: '?labelSelector=a%20in%20(',
    code: 422,
    reason: 'Invalid',
    field: 'labelSelector',
  },
  {
    name: 'a field that cannot be selected by',
    method: 'GET',
    path: '?fieldSelector=spec.secret%3D1',
    code: 422,
    reason: 'Invalid',
    field: 'fieldSelector',
  },
  {
    name: 'a selector of a watch',
    method: 'GET',
    path: '?watch=1&labelSelector=%3D%3D',
    code: 422,
    reason: 'Invalid',
  },
  {
    name: 'a name with a slash in percent codes',
    method: 'GET',
    path: '/wi%2Fki',
    code: 404,
    reason: 'NotFound',
  },
  { name: 'a percent code that is none', method: 'GET', path: '/%zz', code: 400, reason: 'BadRequest' },
  {
    name: 'a name that can be none, applied',
    method: 'PATCH',
    path: '/Wi_ki?fieldManager=t',
    body: app('x'),
    type: APPLY,
    code: 422,
    reason: 'Invalid',
    field: 'metadata.name',
  },
  {
    name: 'an apply without a manager',
    method: 'PATCH',
    path: '/wiki',
    body: app('wiki'),
    type: APPLY,
    code: 422,
    reason: 'Invalid',
    field: 'fieldManager',
  },
  {
    name: 'a stale version',
    method: 'PUT',
    path: '/wiki',
    body: app('wiki', {}, { resourceVersion: '0' }),
    code: 409,
    reason: 'Conflict',
  },
  {
    name: 'a patch of uid',
    method: 'PATCH',
    path: '/wiki',
    body: { metadata: { uid: 'x' } },
    type: MERGE,
    code: 422,
    reason: 'Invalid',
    field: 'metadata.uid',
  },
  {
    name: 'a patch of status',
    method: 'PATCH',
    path: '/wiki',
    body: { status: { url: 'x' } },
    type: MERGE,
    code: 422,
    reason: 'Invalid',
    field: 'status',
  },
  {
    name: 'owners that are no list',
    method: 'PATCH',
    path: '/wiki',
    type: JSON_PATCH,
    body: [{ op: 'replace', path: '/metadata/managedFields', value: 'odd' }],
    code: 422,
    reason: 'Invalid',
  },
  {
    name: 'owners without an operation',
    method: 'PATCH',
    path: '/wiki',
    type: JSON_PATCH,
    body: [{ op: 'replace', path: '/metadata/managedFields', value: [{ manager: 'a', fieldsV1: {} }] }],
    code: 422,
    reason: 'Invalid',
  },
  {
    name: 'owners of fields that are no map',
    method: 'PATCH',
    path: '/wiki',
    type: JSON_PATCH,
    body: [
      {
        op: 'replace',
        path: '/metadata/managedFields',
        value: [{ manager: 'a', operation: 'Apply', fieldsV1: { 'f:spec': 1 } }],
      },
    ],
    code: 422,
    reason: 'Invalid',
  },
  {
    name: 'a JSON patch for another version',
    method: 'PATCH',
    path: '/wiki',
    type: JSON_PATCH,
    body: [{ op: 'replace', path: '/metadata/resourceVersion', value: '999999' }],
    code: 409,
    reason: 'Conflict',
  },
  {
    name: 'a JSON patch of name',
    method: 'PATCH',
    path: '/wiki',
    body: [{ op: 'replace', path: '/metadata/name', value: 'x' }],
    type: JSON_PATCH,
    code: 422,
    reason: 'Invalid',
    field: 'metadata.name',
  },
  {
    name: 'a JSON patch through a prototype',
    method: 'PATCH',
    path: '/wiki',
    body: [{ op: 'add', path: '/constructor/prototype/x', value: 1 }],
    type: JSON_PATCH,
    code: 400,
    reason: 'BadRequest',
  },
  {
    name: 'a write to status',
    method: 'PUT',
    path: '/wiki/status',
    body: app('wiki'),
    code: 405,
    reason: 'MethodNotAllowed',
  },
  {
    name: 'a dry run that is misspelt',
    method: 'POST',
    path: '?dryRun=all',
    body: app('x'),
    code: 400,
    reason: 'BadRequest',
  },
  {
    name: 'an option of delete that is misspelt',
    method: 'DELETE',
    path: '/wiki',
    body: { precondition: {} },
    code: 400,
    reason: 'BadRequest',
  },
  {
    name: 'a policy that there is not',
    method: 'DELETE',
    path: '/wiki',
    body: { propagationPolicy: 'Slow' },
    code: 422,
    reason: 'Invalid',
    field: 'propagationPolicy',
  },
  {
    name: 'a continue token that nobody gave',
    method: 'GET',
    path: '?limit=1&continue=x',
    code: 422,
    reason: 'Invalid',
  },
  { name: 'a limit that is no number', method: 'GET', path: '?limit=-1', code: 400, reason: 'BadRequest' },
];

const makeStore = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bad-'));
  const store = openStore({ folder, clock: systemClock, kinds, validate });
  await store.write([{ verb: 'create', document: app('wiki') }], { user: 'root', via: 'api' });
  return {
    store,
    async end() {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

test('bad input is answered with a Status that says what, and nothing is written', () =>
  withApi(
    makeStore,
    async ({ call, store }) => {
      const { version } = store;
      for (const { name, method, path = '', body, type = 'application/json', code, reason, field } of rows) {
        const url = path.startsWith('/../') ? APPS.replace('apps', path.slice(4)) : `${APPS}${path}`;
        const answer = await call(method, url, body, body === undefined ? {} : { 'content-type': type });
        assert.equal(
          [answer.code, answer.body?.kind, answer.body?.reason],
          [code, 'Status', reason],
          `${name}: ${answer.text.slice(0, 300)}`,
        );
        const causes: { field: string }[] = answer.body.details?.causes ?? [];
        if (field !== undefined)
          assert.ok(
            causes.some((cause) => cause.field === field),
            `${name}: ${answer.text}`,
          );
        assert.is(store.version, version, name);
      }
    },
    { kinds },
  ));

const SEED = Number(process.env['SEED'] ?? 1);

test(`odd selectors and patches of seed ${SEED} are answered, none with a 500, and leave the document valid`, () =>
  withApi(
    makeStore,
    async ({ call, store }) => {
      let state = SEED;
      const roll = (below: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % below;
      };
      const pick = <T>(items: readonly T[]): T => items[roll(items.length)] as T;
      const signs = [
        'a',
        'in',
        'notin',
        ' ',
        '(',
        ')',
        ',',
        '=',
        '==',
        '!=',
        '!',
        '/',
        '.',
        '-',
        '\\',
        'é',
        '\0',
        'metadata.name',
      ];
      const selector = () => Array.from({ length: roll(9) }, () => pick(signs)).join('');
      const values = [null, true, 0, 1e308, '', 'x', [], {}, [[]], { a: { b: [null] } }, '(hidden)'];
      const steps = [
        'spec',
        'metadata',
        'status',
        'labels',
        'env',
        'image',
        '-',
        '0',
        '',
        '~',
        '~2',
        '__proto__',
        'constructor',
        'uid',
        'annotations',
      ];
      const pointer = () => Array.from({ length: roll(5) }, () => `/${pick(steps)}`).join('');
      const operation = () => ({
        op: pick(['add', 'remove', 'replace', 'move', 'copy', 'test', 'x']),
        path: pointer(),
        from: pointer(),
        value: pick(values),
      });
      const merge = (depth: number): unknown =>
        depth > 3 || roll(3) === 0
          ? pick(values)
          : Object.fromEntries(Array.from({ length: roll(3) }, () => [pick(steps), merge(depth + 1)]));
      for (let index = 0; index < 600; index++) {
        const query = `${pick(['labelSelector', 'fieldSelector'])}=${encodeURIComponent(selector())}`;
        const listed = await call('GET', `${APPS}?${query}`);
        const patches: [string, unknown][] = [
          [JSON_PATCH, Array.from({ length: roll(4) }, operation)],
          [MERGE, merge(0)],
          [APPLY, { ...app('wiki'), [pick(steps)]: merge(0) }],
        ];
        const [type, body] = pick(patches);
        const patched = await call('PATCH', `${APPS}/wiki?fieldManager=fuzz`, body, { 'content-type': type });
        for (const answer of [listed, patched]) {
          const words = `${query} ${type} ${JSON.stringify(body)} → ${answer.code} ${answer.text}`;
          assert.ok(answer.code < 500, words);
          if (answer.code >= 400) assert.is(answer.body?.kind, 'Status', words);
        }
        const { apiVersion, kind, metadata, spec } = store.get('App', 'wiki') ?? {};
        const { name, labels, annotations } = metadata ?? {};
        const wanted = {
          apiVersion,
          kind,
          metadata: { name, ...(labels && { labels }), ...(annotations && { annotations }) },
          spec,
        };
        assert.equal(validate(wanted), []);
      }
      assert.is(Object.getOwnPropertyNames(Object.prototype).length, 12);
    },
    { kinds },
  ));

test('watches beyond the limit are refused, and those that are open go on', () =>
  withApi(
    makeStore,
    async ({ stream, call }) => {
      const open = [await stream(`${APPS}?watch=1`), await stream(`${APPS}?watch=1`)];
      const refused = await stream(`${APPS}?watch=1`);
      assert.is(refused.code, 429);
      assert.equal(
        open.map(({ code }) => code),
        [200, 200],
      );
      assert.match((await call('GET', '/metrics')).text, 'holdfast_api_requests_total{method="GET"');
    },
    { kinds, limits: { streams: 2 } },
  ));

test('metrics are counted over all listeners, and only for a token of all kinds', async () => {
  const server = await startApiServer({
    metrics: () => [
      {
        name: 'holdfast_queue_depth',
        help: 'x',
        type: 'gauge',
        samples: [{ labels: { kind: 'A"' }, value: 2 }],
      },
    ],
  });
  try {
    await server.holdfast('get', 'apps');
    const client = await metricsText(server.folder);
    assert.match(client, 'holdfast_queue_depth{kind="A\\""} 2');
    assert.match(client, /holdfast_api_requests_total\{method="GET",kind="App",code="200"\} 1/);
    assert.match(client, 'holdfast_api_request_duration_seconds_bucket{method="GET",le="+Inf"}');
  } finally {
    await server.close();
  }
});

async function metricsText(folder: string): Promise<string> {
  const { get } = await import('node:http');
  return new Promise((resolve, reject) => {
    get({ socketPath: join(folder, 'run', 'api.sock'), path: '/metrics', agent: false }, (message) => {
      let text = '';
      message.on('data', (chunk) => {
        text += String(chunk);
      });
      message.on('end', () => resolve(text));
    }).once('error', reject);
  });
}

test.run();
