/**
 * Requests that nobody would send, many and from a seed: each gets an answer that says what is wrong, none a 500, and the
 * server goes on. SEED=n runs another set.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { app, type MakeStore, withApi } from './api-client.ts';
import { memoryStore } from './api-memory-store.ts';

const makeStore: MakeStore = async (kinds) => {
  const store = memoryStore(kinds);
  await store.write([{ verb: 'create', document: app('wiki') }], { user: 'root', via: 'api' });
  return { store, end: () => store.close() };
};

const SEED = Number(process.env['SEED'] ?? 1);
const REQUESTS = 1_500;

/** mulberry32. */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ODD = [
  '',
  '..',
  '.',
  '%2e%2e',
  '%2F',
  '%00',
  '%',
  '__proto__',
  'constructor',
  'toString',
  '*',
  '~',
  '😀',
  'a b',
  '-',
  'null',
];
const WORDS = [
  ...ODD,
  'wiki',
  'apps',
  'secrets',
  'sites',
  'history',
  'rollback',
  'exec',
  'apis',
  'holdfast.dev',
  'v1',
];
const NUMBERS = ['0', '1', '-1', '1e9', '9007199254740993', 'NaN'];
const PARAMETERS = [
  'limit',
  'labelSelector',
  'fieldSelector',
  'continue',
  'dryRun',
  'fieldManager',
  'showSecrets',
  'reason',
  'timestamps',
  'tailLines',
  'resourceVersion',
  'resourceVersionMatch',
  'deleteData',
  'container',
  'previous',
  'limitBytes',
  'stream',
];
const PLAIN = ['application/json', 'application/yaml'];
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];
const ODD_TYPES = [...PLAIN, ...PATCHES, 'application/vnd.kubernetes.protobuf', 'text/plain', 'a/b/c', ';'];
const APPS = '/apis/holdfast.dev/v1/apps';
const STARTS = ['/', '/holdfast/v1/', '/apis/holdfast.dev/v1/', `${APPS}/`, `${APPS}/wiki/`];
const PATHS = [
  APPS,
  `${APPS}/wiki`,
  `${APPS}/wiki`,
  `${APPS}/wiki`,
  `${APPS}/wiki/history`,
  `${APPS}/wiki/rollback`,
  `${APPS}/wiki/log`,
  '/apis/holdfast.dev/v1/secrets',
  '/holdfast/v1/apply',
  '/holdfast/v1/plan',
  '/api/v1/namespaces/default/pods',
  '/api/v1/namespaces/default/pods/wiki',
  '/api/v1/namespaces/default/pods/wiki/log',
  '/api/v1/namespaces/default/pods/wiki/exec',
  '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
  '/apis/authentication.k8s.io/v1/selfsubjectreviews',
];
const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

test(`${REQUESTS} odd requests of seed ${SEED} are all answered, and none with a 500`, () =>
  withApi(makeStore, async ({ call, store }) => {
    const roll = dice(SEED);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(roll() * items.length)] as T;
    const value = (depth: number): unknown => {
      const kind = roll();
      if (depth > 3 || kind < 0.4) return pick<unknown>([null, true, 0, -1, 1.5, '', 'wiki', 'App', ...ODD]);
      if (kind < 0.6) return Array.from({ length: Math.floor(roll() * 3) }, () => value(depth + 1));
      const names = [
        'kind',
        'apiVersion',
        'metadata',
        'spec',
        'name',
        'op',
        'path',
        'value',
        'to',
        'documents',
        'constructor',
        'labels',
      ];
      return Object.fromEntries(
        Array.from({ length: Math.floor(roll() * 4) }, () => [pick(names), value(depth + 1)]),
      );
    };
    const near = (): unknown => {
      if (roll() < 0.5) return value(0);
      const document: Record<string, unknown> = app(roll() < 0.7 ? 'wiki' : 'new');
      if (roll() < 0.7) document[pick(['kind', 'metadata', 'spec', 'status'])] = value(1);
      if (roll() < 0.3)
        return [
          {
            op: pick(['add', 'remove', 'move', 'test', 'odd']),
            path: `/${pick(['spec', 'metadata', 'status', '', ...ODD])}/${pick(['image', 'name', 'uid', 'labels', 'managedFields', 'resourceVersion', ...ODD])}`,
            value: value(1),
          },
        ];
      return roll() < 0.3
        ? {
            documents: roll() < 0.5 ? [document] : [document, value(0)],
            manager: pick(['cli', ...ODD]),
            to: 1,
          }
        : document;
    };
    for (let index = 0; index < REQUESTS; index++) {
      if (!store.get('App', 'wiki')) await call('POST', APPS, app('wiki'));
      const straight = roll() < 0.6;
      const odd = Array.from({ length: Math.floor(roll() * 3) }, () => pick(WORDS)).join('/');
      const path = straight ? pick(PATHS) : `${pick(STARTS)}${odd}`;
      const query = Array.from(
        { length: Math.floor(roll() * 3) },
        () =>
          `${pick(PARAMETERS)}=${pick([...ODD, ...NUMBERS, 'metadata.name!%3Dx', 'a=b', 'a in (b', '!', 'All'])}`,
      );
      const method = pick(METHODS);
      const url = `${path}?${query.join('&')}`.replaceAll(' ', '%20').replaceAll('😀', '%F0%9F%98%80');
      const body = method === 'GET' || method === 'HEAD' || roll() < 0.1 ? undefined : near();
      const fitting = method === 'PATCH' ? PATCHES : PLAIN;
      const type = roll() < 0.85 ? pick(fitting) : pick(ODD_TYPES);
      const answer = await call(method, url, body, { 'content-type': type });
      const words = `${method} ${url} ${JSON.stringify(body)} → ${answer.code} ${answer.text}`;
      assert.ok(answer.code < 500, words);
      if (answer.code >= 400 && method !== 'HEAD') assert.is(answer.body?.kind, 'Status', words);
    }
    assert.is((await call('GET', '/livez')).text, 'ok');
    assert.is(Object.getOwnPropertyNames(Object.prototype).length, 12);
  }));

test.run();
