/**
 * What the API promises, against any Store: one call per store in a test file of its own.
 */
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Manifest } from '../../resources/document.ts';
import { app, eventually, type MakeStore, secret, type TestApi, withApi } from './api-client.ts';

const APPS = '/apis/holdfast.dev/v1/apps';
const SECRETS = '/apis/holdfast.dev/v1/secrets';
const JSON_PATCH = { 'content-type': 'application/json-patch+json' };
const MERGE_PATCH = { 'content-type': 'application/merge-patch+json' };
const APPLY_PATCH = { 'content-type': 'application/apply-patch+yaml' };

export function apiSuite(name: string, makeStore: MakeStore): void {
  const test = suite(`API on ${name}`);
  const api = (title: string, run: (api: TestApi) => Promise<void>) =>
    test(title, () => withApi(makeStore, run));
  documents(api);
  refusals(test, makeStore);
  deletions(api);
  secrets(api);
  revisions(api);
  operations(api);
  watches(api, test, makeStore);
  test.run();
}

type Case = (title: string, run: (api: TestApi) => Promise<void>) => void;

async function write(api: TestApi, ...documents: unknown[]): Promise<void> {
  for (const document of documents) {
    await api.store.write([{ verb: 'create', document: document as Manifest }], { user: 'root', via: 'api' });
  }
}

function documents(api: Case): void {
  api('a document is created with 201, read, replaced, and listed', async ({ call }) => {
    const created = await call('POST', APPS, app('wiki'));
    assert.is(created.code, 201);
    assert.is(created.body.metadata.generation, 1);
    const read = await call('GET', `${APPS}/wiki`);
    assert.equal(read.body, created.body);
    const replaced = await call('PUT', `${APPS}/wiki`, app('wiki', { image: 'nginx:1.28' }));
    assert.is(replaced.code, 200);
    assert.is(replaced.body.metadata.generation, 2);
    const list = await call('GET', APPS);
    assert.is(list.body.kind, 'AppList');
    assert.is(list.body.apiVersion, 'holdfast.dev/v1');
    assert.is(list.body.metadata.resourceVersion, replaced.body.metadata.resourceVersion);
    assert.equal(list.body.items, [replaced.body]);
  });

  api('a body may be YAML', async ({ call }) => {
    const text =
      'apiVersion: holdfast.dev/v1\nkind: App\nmetadata: {name: wiki}\nspec: {image: nginx, port: 80, location: w, domain: localhost}\n';
    const created = await call('POST', APPS, text, { 'content-type': 'application/yaml; charset=utf-8' });
    assert.is(created.code, 201);
    assert.is(created.body.spec.image, 'nginx');
  });

  api('a list comes in pages that miss nothing', async (context) => {
    await write(context, app('a'), app('b'), app('c'));
    const first = (await context.call('GET', `${APPS}?limit=2`)).body;
    assert.is(first.items.length, 2);
    assert.is(first.metadata.remainingItemCount, 1);
    const next = `${APPS}?limit=2&continue=${encodeURIComponent(first.metadata.continue)}`;
    const second = (await context.call('GET', next)).body;
    assert.equal(
      second.items.map((item: Manifest) => item.metadata.name),
      ['c'],
    );
    assert.not('continue' in second.metadata);
  });

  api('selectors choose by label and by name', async (context) => {
    await write(context, app('a', {}, { labels: { tier: 'web' } }), app('b'), app('c'));
    const names = async (query: string) =>
      (await context.call('GET', `${APPS}?${query}`)).body.items.map((item: Manifest) => item.metadata.name);
    assert.equal(await names('labelSelector=tier%3Dweb'), ['a']);
    assert.equal(await names('fieldSelector=metadata.name!%3Da'), ['b', 'c']);
  });

  api('three kinds of patch change what they name', async ({ call }) => {
    const applied = await call('PATCH', `${APPS}/wiki?fieldManager=me`, app('wiki'), APPLY_PATCH);
    assert.is(applied.code, 201);
    const again = await call('PATCH', `${APPS}/wiki?fieldManager=me`, app('wiki'), APPLY_PATCH);
    assert.is(again.code, 200);
    assert.is(again.body.metadata.resourceVersion, applied.body.metadata.resourceVersion);
    const json = [{ op: 'replace', path: '/spec/image', value: 'nginx:2' }];
    const first = await call('PATCH', `${APPS}/wiki`, json, JSON_PATCH);
    assert.is(first.code, 200);
    assert.is(first.body.spec.image, 'nginx:2');
    const merge = { metadata: { labels: { a: 'b' } }, spec: { image: 'nginx:3' } };
    const second = await call('PATCH', `${APPS}/wiki`, merge, MERGE_PATCH);
    assert.is(second.body.spec.image, 'nginx:3');
    assert.equal(second.body.metadata.labels, { a: 'b' });
    assert.is(second.body.spec.port, 80);
  });

  api('a dry run answers what would be and stores nothing', async (context) => {
    await write(context, app('wiki'));
    const { version } = context.store;
    const { call } = context;
    const spec = { image: 'nginx:9' };
    assert.is((await call('POST', `${APPS}?dryRun=All`, app('new'))).code, 201);
    const updated = await call('PUT', `${APPS}/wiki?dryRun=All`, app('wiki', spec));
    assert.is(updated.body.spec.image, 'nginx:9');
    assert.is((await call('PATCH', `${APPS}/wiki?dryRun=All`, { spec }, MERGE_PATCH)).code, 200);
    assert.is((await call('DELETE', `${APPS}/wiki?dryRun=All`)).code, 200);
    assert.is((await call('DELETE', `${APPS}/wiki`, { kind: 'DeleteOptions', dryRun: ['All'] })).code, 200);
    const documents = [app('other')];
    assert.is(
      (await call('POST', '/holdfast/v1/apply', { documents, manager: 'cli', dryRun: true })).code,
      200,
    );
    assert.is(context.store.version, version);
    assert.is(context.store.list('App').items.length, 1);
  });
}

interface Refusal {
  name: string;
  call: [method: string, url: string, body?: unknown, headers?: Record<string, string>];
  code: number;
  reason: string;
  message?: RegExp;
}

const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
const proto = (text: string) => JSON.stringify(app('evil')).replace('"spec":{', `"spec":{${text},`);
const alias = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`;
const invalid = [422, 'Invalid'] as const;
const bad = [400, 'BadRequest'] as const;
const missing = [404, 'NotFound'] as const;

function row(
  name: string,
  [code, reason]: readonly [number, string],
  call: Refusal['call'],
  message?: RegExp,
): Refusal {
  return { name, call, code, reason, ...(message && { message }) };
}

/** `wiki` exists; `gone` does not. */
const refused: Refusal[] = [
  row('an unknown path', missing, ['GET', '/nowhere']),
  row('an unknown kind', missing, ['GET', '/apis/holdfast.dev/v1/pods']),
  row('a prototype name as a kind', missing, ['GET', '/apis/holdfast.dev/v1/__proto__']),
  row('a prototype name as a name', missing, ['GET', `${APPS}/__proto__`]),
  row('another version', missing, ['GET', '/apis/holdfast.dev/v2/apps']),
  row('a name that is not there', missing, ['GET', `${APPS}/gone`], /apps.holdfast.dev "gone" not found/),
  row('a name with an encoded slash', missing, ['GET', `${APPS}/a%2Fb`]),
  row('a name that climbs', missing, ['DELETE', `${APPS}/..%2Fwiki`]),
  row('a name with a zero byte', missing, ['GET', `${APPS}/wiki%00`]),
  row('a broken percent code', bad, ['GET', `${APPS}/%zz`]),
  row('a name too long', missing, ['GET', `${APPS}/${'a'.repeat(900)}`]),
  row('a method that the path does not have', [405, 'MethodNotAllowed'], ['PUT', APPS, app('wiki')]),
  row('a write to discovery', [405, 'MethodNotAllowed'], ['POST', '/apis', {}]),
  row('malformed JSON', bad, ['POST', APPS, '{"kind":'], /not JSON/),
  row('malformed YAML', bad, ['POST', APPS, 'a: [', { 'content-type': 'application/yaml' }], /not YAML/),
  row('two YAML documents', bad, ['POST', APPS, 'a: 1\n---\nb: 2', { 'content-type': 'text/yaml' }], /one/),
  row('YAML that unfolds without end', bad, ['POST', APPS, alias, { 'content-type': 'text/yaml' }], /alias/),
  row('bytes that are no text', bad, ['POST', APPS, '\u{d800}', { 'content-type': 'application/json' }]),
  row('an empty body', bad, ['POST', APPS, '', { 'content-type': 'application/json' }]),
  row('a list as a body', bad, ['POST', APPS, []]),
  row('a bottomless body', bad, ['POST', APPS, deep], /nested deeper than 64/),
  row('a __proto__ field', bad, ['POST', APPS, proto('"__proto__":{"x":1}')], /__proto__/),
  row('a constructor object', bad, ['POST', APPS, proto('"constructor":{"prototype":{}}')]),
  row('a __proto__ field in YAML', bad, [
    'POST',
    APPS,
    'spec: {__proto__: {x: 1}}',
    { 'content-type': 'text/yaml' },
  ]),
  row('a form', [415, 'UnsupportedMediaType'], ['POST', APPS, 'a=b', { 'content-type': 'text/plain' }]),
  row(
    'a body of 4 MiB',
    [413, 'RequestEntityTooLarge'],
    ['POST', APPS, app('a', { image: 'x'.repeat(4 << 20) })],
  ),
  row(
    'a document without kind',
    bad,
    ['POST', APPS, { metadata: { name: 'a' } }],
    /takes holdfast.dev\/v1 App/,
  ),
  row('a document of another kind', bad, ['POST', APPS, secret('a', {})]),
  row('a document without a name', invalid, ['POST', APPS, { ...app('a'), metadata: {} }]),
  row('a name that differs from the path', bad, ['PUT', `${APPS}/wiki`, app('other')], /does not match/),
  row('a field of the wrong type', invalid, ['POST', APPS, app('a', { image: 5 })]),
  row('a name that is taken', [409, 'AlreadyExists'], ['POST', APPS, app('wiki')]),
  row('an update of what is not there', missing, ['PUT', `${APPS}/gone`, app('gone')]),
  row(
    'a stale version',
    [409, 'Conflict'],
    ['PUT', `${APPS}/wiki`, app('wiki', {}, { resourceVersion: '999' })],
  ),
  row(
    'a stale merge patch',
    [409, 'Conflict'],
    ['PATCH', `${APPS}/wiki`, { metadata: { resourceVersion: '999' }, spec: { port: 81 } }, MERGE_PATCH],
  ),
  row('a patch of what is not there', missing, ['PATCH', `${APPS}/gone`, {}, MERGE_PATCH]),
  row(
    'a strategic merge patch',
    [415, 'UnsupportedMediaType'],
    ['PATCH', `${APPS}/wiki`, {}, { 'content-type': 'application/strategic-merge-patch+json' }],
    /apply-patch\+yaml/,
  ),
  row('a patch as plain JSON', [415, 'UnsupportedMediaType'], ['PATCH', `${APPS}/wiki`, {}]),
  row('a JSON patch that is no list', bad, ['PATCH', `${APPS}/wiki`, {}, JSON_PATCH], /list of operations/),
  row('a JSON patch without a path', bad, ['PATCH', `${APPS}/wiki`, [{ op: 'remove' }], JSON_PATCH]),
  row(
    'a JSON patch into a prototype',
    bad,
    ['PATCH', `${APPS}/wiki`, [{ op: 'add', path: '/spec/__proto__/x', value: 1 }], JSON_PATCH],
    /__proto__/,
  ),
  row('a JSON patch through a constructor', bad, [
    'PATCH',
    `${APPS}/wiki`,
    [{ op: 'add', path: '/spec/constructor/x', value: 1 }],
    JSON_PATCH,
  ]),
  row('a JSON patch that copies from a prototype', bad, [
    'PATCH',
    `${APPS}/wiki`,
    [{ op: 'copy', from: '/__proto__/x', path: '/spec/x' }],
    JSON_PATCH,
  ]),
  row(
    'an apply without a manager',
    invalid,
    ['PATCH', `${APPS}/wiki`, app('wiki'), APPLY_PATCH],
    /fieldManager/,
  ),
  row('an apply of a bad name', invalid, ['PATCH', `${APPS}/Wiki?fieldManager=me`, app('Wiki'), APPLY_PATCH]),
  row('an unknown dry run', bad, ['DELETE', `${APPS}/wiki?dryRun=yes`], /dryRun/),
  row('an unknown dry run in the body', bad, ['DELETE', `${APPS}/wiki`, { dryRun: ['some'] }], /dryRun/),
  row(
    'a misspelt option of a deletion',
    bad,
    ['DELETE', `${APPS}/wiki`, { precondition: {} }],
    /precondition/,
  ),
  row(
    'a deletion meant for another document',
    [409, 'Conflict'],
    ['DELETE', `${APPS}/wiki`, { preconditions: { uid: 'other' } }],
  ),
  row(
    'a deletion meant for another version',
    [409, 'Conflict'],
    ['DELETE', `${APPS}/wiki`, { preconditions: { resourceVersion: '999' } }],
  ),
  row('a deletion of what is not there', missing, ['DELETE', `${APPS}/gone`]),
  row('a deletion of everything', bad, ['DELETE', APPS], /takes a labelSelector/),
  row('a limit that is no number', bad, ['GET', `${APPS}?limit=-1`]),
  row('a parameter given twice', bad, ['GET', `${APPS}?limit=1&limit=2`]),
  row('a watch from no version', bad, ['GET', `${APPS}?watch=1&resourceVersion=abc`]),
  row('a flag that is no flag', bad, ['GET', `${APPS}?watch=maybe`]),
  row('a login name with a line break', bad, ['POST', APPS, app('a'), { 'x-holdfast-user': 'a b' }]),
  row('an exec without an upgrade', bad, ['GET', `${APPS}/wiki/exec?command=sh`], /Upgrade/),
  row('a log of what is not there', missing, ['GET', `${APPS}/gone/log`]),
  row('a log since no time', bad, ['GET', `${APPS}/wiki/log?sinceTime=yesterday`]),
  row('a history of what is not there', missing, ['GET', `${APPS}/gone/history`]),
  row('a rollback to nowhere', bad, ['POST', `${APPS}/wiki/rollback`, {}]),
  row(
    'an apply with a misspelt dry run',
    bad,
    ['POST', '/holdfast/v1/apply', { documents: [app('a')], manager: 'cli', dryrun: true }],
    /"dryrun" is not known/,
  ),
  row('an apply without a manager', bad, ['POST', '/holdfast/v1/apply', { documents: [app('a')] }]),
  row('a plan that deletes an unknown kind', bad, [
    'POST',
    '/holdfast/v1/plan',
    { delete: [{ kind: 'Pod', name: 'a' }] },
  ]),
];

function refusals(test: Test, makeStore: MakeStore): void {
  test('what cannot be is refused with a Status, and nothing is written', () =>
    withApi(makeStore, async (context) => {
      await write(context, app('wiki'));
      const { version } = context.store;
      for (const { name, call, code, reason, message } of refused) {
        const answer = await context.call(...call);
        assert.is(answer.code, code, `${name}: ${answer.text}`);
        assert.is(answer.body.kind, 'Status', name);
        assert.is(answer.body.status, 'Failure', name);
        assert.is(answer.body.code, code, name);
        assert.is(answer.body.reason, reason, name);
        assert.ok(answer.body.message, name);
        if (message) assert.match(answer.body.message, message, name);
        assert.is(context.store.version, version, `${name} wrote something`);
      }
    }));

  test('a refused document names its fields', () =>
    withApi(makeStore, async ({ call }) => {
      const { body } = await call('POST', APPS, app('a', { image: 5 }));
      assert.is(body.details.name, 'a');
      assert.is(body.details.group, 'holdfast.dev');
      assert.is(body.details.kind, 'apps');
      assert.is(body.details.causes[0].field, 'spec.image');
    }));

  test('a path that has not the method says which it has', () =>
    withApi(makeStore, async ({ call }) => {
      assert.is((await call('PUT', APPS, app('a'))).headers['allow'], 'GET, POST, DELETE');
    }));
}

function deletions(api: Case): void {
  api('a deletion answers Success and the document is gone', async (context) => {
    await write(context, app('wiki'));
    const { uid } = context.store.get('App', 'wiki')?.metadata ?? {};
    const options = { kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions: { uid } };
    const answer = await context.call('DELETE', `${APPS}/wiki`, options);
    assert.is(answer.code, 200);
    assert.is(answer.body.status, 'Success');
    assert.equal(answer.body.details, { name: 'wiki', group: 'holdfast.dev', kind: 'apps', uid });
    assert.is(context.store.get('App', 'wiki'), undefined);
  });

  api('a deletion that waits for finalizers answers the document', async (context) => {
    await write(context, app('wiki'));
    const { uid = '' } = context.store.get('App', 'wiki')?.metadata ?? {};
    const reference = { kind: 'App', name: 'wiki' };
    await context.store.write([{ verb: 'finalizers', reference, uid, add: ['holdfast.dev/app'] }], {
      user: 'holdfast',
      via: 'controller',
    });
    const answer = await context.call('DELETE', `${APPS}/wiki`);
    assert.is(answer.code, 200);
    assert.is(answer.body.kind, 'App');
    assert.ok(answer.body.metadata.deletionTimestamp);
  });

  api('a collection is deleted as far as its selector goes', async (context) => {
    await write(context, app('a', {}, { labels: { tier: 'web' } }), app('b'));
    const answer = await context.call('DELETE', `${APPS}?labelSelector=tier%3Dweb`);
    assert.is(answer.code, 200);
    assert.is(answer.body.items.length, 1);
    assert.equal(
      context.store.list('App').items.map((item) => item.metadata.name),
      ['b'],
    );
  });
}

function secrets(api: Case): void {
  api('values of a Secret are hidden at every door unless asked for', async (context) => {
    const { call } = context;
    const document = secret('key', { password: 'hunter2' });
    const answers = [
      await call('POST', SECRETS, document),
      await call('GET', `${SECRETS}/key`),
      await call('GET', SECRETS),
      await call('PATCH', `${SECRETS}/key`, { metadata: { labels: { a: 'b' } } }, MERGE_PATCH),
      await call('PUT', `${SECRETS}/key`, secret('key', { password: 'hunter2', other: 'hunter22' })),
      await call('GET', `${SECRETS}/key/history`),
      await call('POST', `${SECRETS}/key/rollback`, { to: 1 }),
      await call('POST', '/holdfast/v1/apply', { documents: [document], manager: 'cli' }),
    ];
    const stream = await context.stream(`${SECRETS}?watch=1`);
    await eventually(() => stream.lines.length === 1);
    for (const [index, { text }] of [...answers, { text: stream.lines.join() }].entries()) {
      assert.match(text, '(hidden)', `door ${index}`);
      assert.not.match(text, 'hunter2', `door ${index}`);
    }
    const open = await call('GET', `${SECRETS}/key?showSecrets=true`);
    assert.is(open.body.spec.stringData.password, 'hunter2');
    assert.match((await call('GET', `${SECRETS}/key/history?showSecrets=true`)).text, 'hunter2');
    const openStream = await context.stream(`${SECRETS}?watch=1&showSecrets=true`);
    await eventually(() => openStream.lines.length === 1);
    assert.match(openStream.lines[0] ?? '', 'hunter2');
  });
}

function revisions(api: Case): void {
  api('a rollback brings an older spec back as a new generation, with its reason', async (context) => {
    const { call } = context;
    await call('POST', `${APPS}?reason=begin`, app('wiki', { image: 'nginx:1' }), {
      'x-holdfast-user': 'ada',
    });
    const labelled = app('wiki', { image: 'nginx:2' }, { labels: { a: 'b' } });
    await call('PUT', `${APPS}/wiki`, labelled, { 'x-holdfast-via': 'cli' });
    const dry = await call('POST', `${APPS}/wiki/rollback`, { to: 1, dryRun: true });
    assert.is(dry.body.spec.image, 'nginx:1');
    assert.is(context.store.get('App', 'wiki')?.metadata.generation, 2);
    const rolled = await call('POST', `${APPS}/wiki/rollback`, { to: 1 });
    assert.is(rolled.code, 200);
    assert.is(rolled.body.spec.image, 'nginx:1');
    assert.is(rolled.body.metadata.generation, 3);
    assert.equal(rolled.body.metadata.labels, { a: 'b' });
    const { items } = (await call('GET', `${APPS}/wiki/history`)).body;
    assert.equal(
      items.map((item: { generation: number; author: unknown }) => [item.generation, item.author]).sort(),
      [
        [1, { user: 'ada', via: 'api', reason: 'begin' }],
        [2, { user: 'root', via: 'cli' }],
        [3, { user: 'root', via: 'api', reason: 'rollback to generation 1' }],
      ],
    );
  });

  api('a rollback to what is not kept names what is', async ({ call }) => {
    await call('POST', APPS, app('wiki'));
    const answer = await call('POST', `${APPS}/wiki/rollback`, { to: 9 });
    assert.is(answer.code, 404);
    assert.match(answer.body.message, /generation 9 of app\/wiki is not kept; generations 1 to 1 are kept/);
  });
}

function operations(api: Case): void {
  api('an apply of many stores all of them and says what became of each', async ({ call }) => {
    await call('POST', '/holdfast/v1/apply', { documents: [app('a')], manager: 'cli' });
    const documents = [app('a'), app('b'), secret('key', { a: 'b' })];
    const { code, body } = await call('POST', '/holdfast/v1/apply', { documents, manager: 'cli' });
    assert.is(code, 200);
    const summary = body.results.map(
      (result: Record<string, string>) => `${result['kind']}/${result['name']} ${result['outcome']}`,
    );
    assert.equal(summary, ['App/a unchanged', 'App/b created', 'Secret/key created']);
    assert.is(body.results[1].document.metadata.name, 'b');
  });

  api('an apply with one bad document stores none', async (context) => {
    const documents = [app('a'), app('b', { image: 7 })];
    const answer = await context.call('POST', '/holdfast/v1/apply', { documents, manager: 'cli' });
    assert.is(answer.code, 422);
    assert.is(context.store.version, 0);
  });

  api('documents without a shape are told all at once', async ({ call }) => {
    const documents = [app('a'), { kind: 'App' }, app('a'), 5];
    const { body } = await call('POST', '/holdfast/v1/apply', { documents, manager: 'cli' });
    assert.equal(
      body.details.causes.map((cause: { field: string }) => cause.field),
      ['documents[1].apiVersion', 'documents[2]', 'documents[3]'],
    );
  });

  api('an apply may be larger than one document', async ({ call }) => {
    const annotations = { note: 'x'.repeat(200_000) };
    const documents = Array.from({ length: 20 }, (_, index) => app(`a${index}`, {}, { annotations }));
    assert.is((await call('POST', '/holdfast/v1/apply', { documents, manager: 'cli' })).code, 200);
  });

  api('a plan is asked for documents and deletions, and a bad document has none', async ({ call }) => {
    const reference = { kind: 'App', name: 'b' };
    const planned = await call('POST', '/holdfast/v1/plan', { documents: [app('a')], delete: [reference] });
    assert.equal(planned.body.problems, [
      { document: { kind: 'App', name: 'a' }, reason: 'apply', message: 'apply' },
      { document: reference, reason: 'delete', message: 'delete' },
    ]);
    const { code, body } = await call('POST', '/holdfast/v1/plan', { documents: [app('a', { image: 5 })] });
    assert.is(code, 422);
    assert.is(body.details.causes[0].field, 'documents[0].spec.image');
    assert.match(body.message, /did you mean "nginx"/);
  });
}

function watches(api: Case, test: Test, makeStore: MakeStore): void {
  api('a watch without a version begins with what exists and goes on without a gap', async (context) => {
    await write(context, app('a'), secret('noise', {}), app('b'));
    const stream = await context.stream(`${APPS}?watch=true`);
    assert.is(stream.code, 200);
    await context.call('PUT', `${APPS}/a`, app('a', { image: 'nginx:2' }));
    await context.call('POST', SECRETS, secret('more', {}));
    await context.call('DELETE', `${APPS}/b`);
    await eventually(() => stream.lines.length >= 4);
    assert.equal(stream.summary, ['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b']);
  });

  api('a watch from a version gets what came after it, once and in order', async (context) => {
    await write(context, app('a'), app('b'));
    const from = context.store.get('App', 'a')?.metadata.resourceVersion;
    const stream = await context.stream(`${APPS}?watch=1&resourceVersion=${from}`);
    await write(context, app('c'));
    await eventually(() => stream.lines.length >= 2);
    assert.equal(stream.summary, ['ADDED b', 'ADDED c']);
  });

  api('a watch obeys selectors and timeoutSeconds', async (context) => {
    const stream = await context.stream(`${APPS}?watch=1&fieldSelector=metadata.name%3Db&timeoutSeconds=1`);
    await write(context, app('a'), app('b'));
    await eventually(() => stream.ended);
    assert.equal(stream.summary, ['ADDED b']);
  });

  api('a watch from a version of another life is told to list again', async (context) => {
    const stream = await context.stream(`${APPS}?watch=1&resourceVersion=12345`);
    await eventually(() => stream.ended);
    assert.equal(stream.summary, ['ERROR 410']);
    assert.is(stream.events[0].object.reason, 'Expired');
  });

  api('a bad selector of a watch is refused before it begins', async (context) => {
    const stream = await context.stream(`${APPS}?watch=1&fieldSelector=spec.image%3Dx`);
    assert.ok(stream.code === 400 || stream.code === 422, String(stream.code));
  });

  api('watches end when the server closes', async (context) => {
    const streams = await Promise.all([1, 2, 3].map(() => context.stream(`${APPS}?watch=1`)));
    await context.close();
    await eventually(() => streams.every((stream) => stream.ended && !stream.broken));
  });

  api('sendInitialEvents ends the beginning with a marked bookmark', async (context) => {
    await write(context, app('a'));
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const stream = await context.stream(`${APPS}?${query}`);
    await eventually(() => stream.lines.length >= 2);
    const [, mark] = stream.events;
    assert.is(mark.type, 'BOOKMARK');
    assert.is(mark.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
    assert.is(mark.object.metadata.resourceVersion, String(context.store.version));
  });

  test('bookmarks carry the version of the whole store', () =>
    withApi(
      makeStore,
      async (context) => {
        const stream = await context.stream(`${APPS}?watch=1&allowWatchBookmarks=true`);
        await write(context, secret('noise', {}));
        const { version } = context.store;
        await eventually(() =>
          stream.events.some((event) => event.object.metadata.resourceVersion === String(version)),
        );
        assert.equal([...new Set(stream.summary)], ['BOOKMARK']);
        assert.is(stream.events[0].object.kind, 'App');
      },
      { limits: { bookmark: 20 } },
    ));

  test('a hundred watchers see a hundred changes once and in order', () =>
    withApi(makeStore, async (context) => {
      const streams = await Promise.all(Array.from({ length: 100 }, () => context.stream(`${APPS}?watch=1`)));
      const names = Array.from({ length: 100 }, (_, index) => `a${index}`);
      for (const name of names) await write(context, app(name));
      await eventually(() => streams.every((stream) => stream.lines.length >= names.length));
      for (const stream of streams)
        assert.equal(
          stream.summary,
          names.map((name) => `ADDED ${name}`),
        );
    }));

  test('a watcher that reads late still gets all, from a small buffer', () =>
    withApi(
      makeStore,
      async (context) => {
        const note = 'x'.repeat(50_000);
        const names = Array.from({ length: 60 }, (_, index) => `a${index}`);
        await write(context, ...names.slice(0, 30).map((name) => app(name, {}, { annotations: { note } })));
        const stream = await context.stream(`${APPS}?watch=1`);
        stream.message.pause();
        await write(context, ...names.slice(30).map((name) => app(name, {}, { annotations: { note } })));
        stream.message.resume();
        await eventually(
          () => stream.lines.length >= names.length,
          () => stream.lines.length,
        );
        assert.equal([...stream.summary].sort(), names.map((name) => `ADDED ${name}`).sort());
        assert.is(stream.broken, false);
      },
      { limits: { watchBuffer: 100_000 } },
    ));

  test('a watcher that does not read at all is cut', () =>
    withApi(
      makeStore,
      async (context) => {
        const note = 'x'.repeat(200_000);
        const stream = await context.stream(`${APPS}?watch=1`);
        stream.message.pause();
        for (let index = 0; index < 20; index++)
          await write(context, app(`a${index}`, {}, { annotations: { note } }));
        // It reads again only after the server gave up on it: what is left in the kernel, then a broken end.
        await new Promise((resolve) => setTimeout(resolve, 300));
        stream.message.resume();
        await eventually(() => stream.broken);
        assert.ok(stream.lines.length < 20);
      },
      { limits: { watchBuffer: 100_000, watchDrain: 50 } },
    ));

  test('more streams than the limit are refused with 429', () =>
    withApi(
      makeStore,
      async (context) => {
        const first = await context.stream(`${APPS}?watch=1`);
        assert.is((await context.stream(`${APPS}?watch=1`)).code, 429);
        first.destroy();
        let code = 429;
        for (let tries = 0; code === 429 && tries < 100; tries++) {
          code = (await context.stream(`${APPS}?watch=1`)).code;
        }
        assert.is(code, 200);
      },
      { limits: { streams: 1 } },
    ));

  api('a watch from a version that was compacted away is told to list again', async (context) => {
    await write(context, app('a'), app('b'));
    await context.compact();
    const stream = await context.stream(`${APPS}?watch=1&resourceVersion=1`);
    await eventually(() => stream.ended);
    assert.equal(stream.summary, ['ERROR 410']);
  });
}
