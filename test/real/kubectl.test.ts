/**
 * The real kubectl against the real API: HTTPS, a token, the kubeconfig that `holdfast kubeconfig` writes, the real store and
 * the real kinds. No engine runs, so what reconcilers would write (Ready) the test writes. KUBECTL=path takes another kubectl.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Document } from '../../resources/document.ts';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { telling } from '../support/before.ts';
import { type Result, run } from './docker.ts';
import { until } from './until.ts';

const KUBECTL = process.env['KUBECTL'] ?? 'kubectl';
const CONTROLLER = { user: 'holdfast', via: 'controller' } as const;

const test = suite('kubectl');
let server: ApiServer;
let environment: NodeJS.ProcessEnv = {};

const present = await run(KUBECTL, ['version', '--client']).catch(() => undefined);
if (present === undefined) {
  console.log('SKIP: there is no kubectl here (apt-get install kubernetes-client)');
} else {
  test.before(
    telling(async () => {
      server = await startApiServer();
      const written = await server.holdfast('kubeconfig', '--scope', 'admin');
      assert.is(written.code, 0, written.stderr);
      const path = join(server.folder, 'kubeconfig');
      writeFileSync(path, written.stdout, { mode: 0o600 });
      const home = join(server.folder, 'home');
      mkdirSync(home);
      environment = { PATH: process.env['PATH'], KUBECONFIG: path, HOME: home };
    }),
  );
  test.after(async () => server.close());
  addTests();
}
test.run();

/** Runs kubectl; `-f -` reads the input. */
function kubectl(args: string[], input = '', more: NodeJS.ProcessEnv = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(KUBECTL, args, { env: { ...environment, ...more } });
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const result = { code: 0, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (result.stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (result.stderr += String(chunk)));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...result, code: code ?? -1 });
    });
  });
}

/** What it printed, when it went well. */
async function ok(args: string[], input = '', more: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input, more);
  assert.is(code, 0, `kubectl ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout.trim();
}

function app(name: string, options: { image?: string; labels?: object; env?: object } = {}): string {
  const { image = 'nginx:1.27', labels = {}, env } = options;
  return JSON.stringify({
    apiVersion: 'holdfast.dev/v1',
    kind: 'App',
    metadata: { name, labels },
    spec: { image, port: 80, location: name, domain: 'localhost', ...(env && { env }) },
  });
}

function secret(name: string, labels: object = {}): string {
  return JSON.stringify({
    apiVersion: 'holdfast.dev/v1',
    kind: 'Secret',
    // An empty map is left out of what is stored, as in Kubernetes, and kubectl sends it again each time.
    metadata: { name, ...(Object.keys(labels).length > 0 && { labels }) },
    spec: { stringData: { password: 'hunter2' } },
  });
}

const stored = (name: string) => server.store.get('App', name);

async function markReady(name: string, status: 'True' | 'False'): Promise<void> {
  const conditions = [
    {
      type: 'Ready',
      status,
      reason: 'Test',
      message: 'said by a test',
      lastTransitionTime: new Date().toISOString(),
    },
  ];
  const write = {
    verb: 'status',
    reference: { kind: 'App', name },
    status: (document: Document) => ({ ...document.status, conditions }),
  } as const;
  await server.store.write([write], CONTROLLER);
}

/** What the reconciler does at the end of a teardown. */
function tearDown(name: string): () => void {
  return server.store.watch({
    kind: 'App',
    fromVersion: server.store.version,
    onChange({ document: { metadata } }) {
      if (metadata.name !== name || metadata.deletionTimestamp === undefined || !metadata.finalizers) return;
      const { uid, finalizers: remove } = metadata;
      void server.store.write(
        [{ verb: 'finalizers', reference: { kind: 'App', name }, uid, remove }],
        CONTROLLER,
      );
    },
  });
}

/** Newer ones leave managed fields out unless they are asked for. */
async function withManagers(): Promise<string[]> {
  return (await ok(['get', '--help'])).includes('--show-managed-fields') ? ['--show-managed-fields'] : [];
}

/** Since 1.26 kubectl takes its own fields over from client-side apply; `auth whoami` came with it. */
async function migrates(): Promise<boolean> {
  return (await ok(['auth', '--help'])).includes('whoami');
}

function addTests(): void {
  test('api-resources and explain know every kind and its fields', async () => {
    const resources = await ok(['api-resources', '--no-headers']);
    for (const plural of ['apps', 'secrets', 'platforms', 'sites', 'tokens']) assert.match(resources, plural);
    assert.match(await ok(['explain', 'app']), /An application|App/);
    assert.match(await ok(['explain', 'app.spec.port']), /Port of plain HTTP inside the container/);
    assert.match(await ok(['explain', 'app.spec', '--recursive']), /location/);
  });

  test('apply creates, leaves alone, and takes out what is left out', async () => {
    assert.match(
      await ok(['apply', '-f', '-'], app('wiki', { labels: { team: 'a' }, env: { A: '1' } })),
      'created',
    );
    assert.match(
      await ok(['apply', '-f', '-'], app('wiki', { labels: { team: 'a' }, env: { A: '1' } })),
      'unchanged',
    );
    assert.match(await ok(['apply', '-f', '-'], app('wiki', { labels: { team: 'a' } })), 'configured');
    assert.is(stored('wiki')?.spec['env'], undefined);
    const bad = await kubectl(['apply', '-f', '-'], app('bad').replace('"port"', '"prot"'));
    assert.is(bad.code, 1);
    assert.match(bad.stderr, 'prot');
    assert.is(stored('bad'), undefined);
  });

  test('get shows documents in every form', async () => {
    await ok(['apply', '-f', '-'], secret('keys'));
    const table = await ok(['get', 'apps']);
    assert.match(table, /^NAME +READY +STATUS +URL +IMAGE +AGE\nwiki .*nginx:1.27 +\d+s$/);
    assert.match(await ok(['get', 'app', 'wiki', '-o', 'wide']), 'MESSAGE');
    assert.match(
      await ok(['get', 'apps,secrets']),
      /app\.holdfast\.dev\/wiki[\s\S]*secret\.holdfast\.dev\/keys/,
    );
    assert.is(JSON.parse(await ok(['get', 'app', 'wiki', '-o', 'json'])).spec.port, 80);
    assert.match(await ok(['get', 'app', 'wiki', '-o', 'yaml']), 'location: wiki');
    assert.is(await ok(['get', 'apps', '-o', 'name']), 'app.holdfast.dev/wiki');
    assert.is(await ok(['get', 'app', 'wiki', '-o', 'jsonpath={.spec.image}']), 'nginx:1.27');
    assert.match(
      await ok(['get', 'apps', '-o', 'custom-columns=N:.metadata.name,I:.spec.image']),
      /wiki +nginx:1.27/,
    );
    assert.is(
      await ok(['get', 'apps', '-o', 'go-template={{range .items}}{{.metadata.name}}{{end}}']),
      'wiki',
    );
    assert.not.match(await ok(['get', 'secret', 'keys', '-o', 'yaml']), 'hunter2');
    assert.match((await kubectl(['get', 'app', 'none'])).stderr, 'apps.holdfast.dev "none" not found');
    assert.match((await kubectl(['get', 'foos'])).stderr, `doesn't have a resource type "foos"`);
  });

  test('selectors choose, pages add up', async () => {
    for (const name of ['one', 'two', 'three'])
      await ok(['apply', '-f', '-'], app(name, { labels: { set: 'pages' } }));
    assert.is((await ok(['get', 'apps', '-l', 'set=pages', '-o', 'name'])).split('\n').length, 3);
    assert.is(
      (await ok(['get', 'apps', '-l', 'set in (pages),team notin (a)', '-o', 'name'])).split('\n').length,
      3,
    );
    assert.is(
      await ok(['get', 'apps', '--field-selector', 'metadata.name=two', '-o', 'name']),
      'app.holdfast.dev/two',
    );
    assert.is((await ok(['get', 'apps', '-o', 'name', '--chunk-size=1'])).split('\n').length, 4);
    assert.match(
      (await kubectl(['get', 'apps', '--field-selector', 'spec.nothing=1'])).stderr,
      'field selector',
    );
  });

  test('get -w shows each change once', async () => {
    const child = spawn(KUBECTL, ['get', 'app', 'wiki', '-w'], { env: environment });
    let text = '';
    child.stdout.on('data', (chunk) => (text += String(chunk)));
    try {
      await until('the first line', async () => /^wiki/m.test(text));
      await markReady('wiki', 'False');
      await until('a second line', async () => /^wiki +False/m.test(text));
      await ok(['label', 'app', 'wiki', 'seen=yes']);
      await until('a third line', async () => (text.match(/^wiki/gm) ?? []).length === 3);
      assert.is((text.match(/^NAME/gm) ?? []).length, 1);
    } finally {
      child.kill();
    }
  });

  test('wait ends when the condition is true', async () => {
    const waiting = kubectl(['wait', 'app/wiki', '--for=condition=Ready', '--timeout=20s']);
    await markReady('wiki', 'True');
    assert.match((await waiting).stdout, 'condition met');
    assert.is((await kubectl(['wait', 'app/one', '--for=condition=Ready', '--timeout=1s'])).code, 1);
  });

  test('diff shows what would change and changes nothing', async () => {
    const version = server.store.version;
    const changed = await kubectl(
      ['diff', '-f', '-'],
      app('wiki', { image: 'nginx:9', labels: { team: 'a' } }),
    );
    assert.is(changed.code, 1, changed.stderr);
    assert.match(changed.stdout, /^-.*nginx:1.27\n\+.*nginx:9/m);
    assert.is((await kubectl(['diff', '-f', '-'], app('wiki', { labels: { team: 'a' } }))).code, 0);
    assert.is(server.store.version, version);
  });

  test('label, annotate, edit, patch and replace change what they say', async () => {
    await ok(['label', 'app', 'wiki', 'tier=front']);
    await ok(['annotate', 'app', 'wiki', 'note=hello']);
    assert.is(stored('wiki')?.metadata.labels?.['tier'], 'front');
    assert.is(stored('wiki')?.metadata.annotations?.['note'], 'hello');
    await ok(['label', 'app', 'wiki', 'tier-']);
    assert.is(stored('wiki')?.metadata.labels?.['tier'], undefined);
    const editor = join(server.folder, 'editor');
    writeFileSync(editor, '#!/bin/sh\nexec sed -i "s/nginx:1.27/nginx:1.28/" "$1"\n', { mode: 0o755 });
    await ok(['edit', 'app', 'wiki'], '', { KUBE_EDITOR: editor });
    assert.is(stored('wiki')?.spec['image'], 'nginx:1.28');
    await ok(['patch', 'app', 'wiki', '--type=merge', '-p', '{"spec":{"image":"nginx:1.29"}}']);
    assert.is(stored('wiki')?.spec['image'], 'nginx:1.29');
    await ok([
      'patch',
      'app',
      'wiki',
      '--type=json',
      '-p',
      '[{"op":"replace","path":"/spec/port","value":81}]',
    ]);
    assert.is(stored('wiki')?.spec['port'], 81);
    const strategic = await kubectl(['patch', 'app', 'wiki', '-p', '{"spec":{"port":82}}']);
    assert.is(strategic.code, 1);
    assert.match(strategic.stderr, 'application/json-patch+json, application/merge-patch+json');
    const status = await kubectl(['patch', 'app', 'wiki', '--type=merge', '-p', '{"status":{"url":"x"}}']);
    assert.match(status.stderr, 'status');
    assert.match(await ok(['replace', '-f', '-'], app('wiki', { labels: { team: 'a' } })), 'replaced');
    assert.is(stored('wiki')?.spec['port'], 80);
  });

  test('apply --server-side keeps owners apart, and takes over only by force', async () => {
    const shared = (image: string) => app('shared', { image });
    assert.match(await ok(['apply', '--server-side', '-f', '-'], shared('nginx:1')), 'serverside-applied');
    const fields = ['get', 'app', 'shared', '-o', 'jsonpath={.metadata.managedFields[*].manager}'];
    assert.is(await ok(fields), 'kubectl');
    const other = ['apply', '--server-side', '--field-manager=other', '-f', '-'];
    const refused = await kubectl(other, shared('nginx:2'));
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /conflict with "kubectl"[\s\S]*spec\.image/);
    assert.is(stored('shared')?.spec['image'], 'nginx:1');
    await ok([...other, '--force-conflicts'], shared('nginx:2'));
    assert.is(stored('shared')?.spec['image'], 'nginx:2');
    assert.is(await ok(fields), 'kubectl other');
  });

  test('what was applied by the client goes on by the server, and what is left out then goes', async () => {
    const both = app('moved', { labels: { a: '1', b: '2' } });
    await ok(['apply', '-f', '-'], both);
    const { code, stderr } = await kubectl(['apply', '--server-side', '-f', '-'], both);
    assert.is(code, 0, stderr);
    assert.not.match(stderr, /failed|Warning/);
    const managers = JSON.parse(await ok(['get', 'app', 'moved', '-o', 'json', ...(await withManagers())]));
    const names = managers.metadata.managedFields.map(
      (entry: { manager: string; operation: string }) => `${entry.manager} ${entry.operation}`,
    );
    assert.ok(names.includes('kubectl Apply'), names.join());
    await ok(['apply', '--server-side', '-f', '-'], app('moved', { labels: { a: '1' } }));
    const labels = stored('moved')?.metadata.labels;
    // Before 1.26 kubectl left the fields with its client-side manager.
    if (await migrates()) assert.equal(labels, { a: '1' });
    else assert.is(labels?.['a'], '1');
  });

  test('a Secret applied again is unchanged for a token that shows secrets, and hidden from the others', async () => {
    const written = await server.holdfast(
      ...['kubeconfig', '--scope', 'admin', '--show-secrets', '--token-name', 'open'],
    );
    assert.is(written.code, 0, written.stderr);
    const path = join(server.folder, 'open');
    writeFileSync(path, written.stdout, { mode: 0o600 });
    const open = { KUBECONFIG: path };
    assert.match(await ok(['apply', '-f', '-'], secret('same'), open), 'created');
    assert.match(await ok(['apply', '-f', '-'], secret('same'), open), 'unchanged');
    assert.is((await kubectl(['diff', '-f', '-'], secret('same'), open)).code, 0);
    assert.match(await ok(['get', 'secret', 'same', '-o', 'yaml'], '', open), 'hunter2');
    assert.not.match(await ok(['get', 'secret', 'same', '-o', 'yaml']), 'hunter2');
    const version = server.store.version;
    assert.match(await ok(['apply', '-f', '-'], secret('same')), 'configured');
    assert.is(
      server.store.version,
      version,
      'kubectl says configured, since it cannot see; nothing was written',
    );
    const limited = await server.holdfast('token', 'create', 'peek', '--scope', 'write', '--show-secrets');
    assert.is(limited.code, 1);
    assert.match(limited.stderr, 'scope admin');
  });

  test('get sorts, shows labels, and watches only what comes', async () => {
    await ok(['apply', '-f', '-'], app('sort-b', { image: 'a:1', labels: { sorted: 'yes' } }));
    await ok(['apply', '-f', '-'], app('sort-a', { image: 'b:1', labels: { sorted: 'yes' } }));
    const names = await ok(['get', 'apps', '-l', 'sorted', '--sort-by=.spec.image', '-o', 'name']);
    assert.is(names, 'app.holdfast.dev/sort-b\napp.holdfast.dev/sort-a');
    assert.match(await ok(['get', 'apps', '-l', 'sorted', '--show-labels']), 'sorted=yes');
    assert.match(await ok(['get', 'apps', '-l', 'sorted', '-L', 'sorted']), 'SORTED');
    assert.match(await ok(['get', 'apps', '-A', '-o', 'name']), 'sort-a');
    const child = spawn(KUBECTL, ['get', 'apps', '--watch-only', '-o', 'name'], { env: environment });
    let text = '';
    child.stdout.on('data', (chunk) => (text += String(chunk)));
    try {
      await until('a change comes', async () => {
        await ok(['annotate', '--overwrite', 'app', 'sort-a', `at=${Date.now()}`]);
        return text.includes('sort-a');
      });
      assert.not.match(text, 'sort-b');
    } finally {
      child.kill();
    }
  });

  test('replace --force deletes and makes anew, and wait --for=delete sees it go', async () => {
    await ok(['apply', '-f', '-'], secret('forced'));
    const before = server.store.get('Secret', 'forced')?.metadata.uid;
    await ok(['replace', '--force', '-f', '-'], secret('forced'));
    assert.is.not(server.store.get('Secret', 'forced')?.metadata.uid, before);
    // What is gone before kubectl first looks is an error to an old one: it is deleted once the wait has begun.
    const args = ['wait', 'secret/forced', '--for=delete', '--timeout=60s', '-v=6'];
    const child = spawn(KUBECTL, args, { env: environment });
    let said = '';
    child.stderr.on('data', (chunk) => (said += String(chunk)));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    try {
      await until('it watches', async () => /watch=true/.test(said));
      await ok(['delete', 'secret', 'forced']);
      assert.is(await ended, 0, said);
    } finally {
      child.kill();
    }
  });

  test('describe, events and the rights of the token are told', async () => {
    assert.match(await ok(['describe', 'app', 'wiki']), /Kind: +App[\s\S]*Image: /);
    assert.match(await ok(['auth', 'can-i', 'create', 'apps']), 'yes');
    assert.match(await ok(['auth', 'can-i', '--list']), /apps\.holdfast\.dev/);
    const refused = await kubectl(['auth', 'can-i', 'create', 'sites']);
    assert.is(refused.code, 1);
    assert.match(refused.stdout, "no - sites are written by Holdfast's own reconcilers");
    assert.match(await ok(['cluster-info']), 'https://127.0.0.1');
    assert.match(await ok(['version', '-o', 'json']), '"gitVersion": "v0.1.0"');
    const versions = await ok(['api-versions']);
    for (const version of ['v1', 'holdfast.dev/v1', 'authorization.k8s.io/v1'])
      assert.ok(versions.split('\n').includes(version), versions);
    assert.is(await ok(['get', 'pods', '-o', 'name']), '');
  });

  test('a dry run on the server answers and stores nothing', async () => {
    const version = server.store.version;
    assert.match(await ok(['create', '-f', '-', '--dry-run=server'], app('dry')), 'created (server dry run)');
    assert.match(await ok(['delete', 'app', 'wiki', '--dry-run=server']), 'deleted (server dry run)');
    const bad = await kubectl(
      ['create', '-f', '-', '--dry-run=server'],
      app('dry').replace('"nginx:1.27"', '""'),
    );
    assert.is(bad.code, 1);
    assert.is(server.store.version, version);
  });

  test('create takes a generateName', async () => {
    const named = secret('x').replace('"name":"x"', '"generateName":"gen-"');
    assert.match(await ok(['create', '-f', '-'], named), /secret\.holdfast\.dev\/gen-[a-z0-9]{5} created/);
  });

  test('delete waits for the teardown, takes policies, and deletes by label', async () => {
    const end = tearDown('one');
    try {
      assert.match(await ok(['delete', 'app', 'one', '--wait', '--cascade=foreground']), 'deleted');
    } finally {
      end();
    }
    assert.is(stored('one'), undefined);
    await ok(['delete', 'app', 'two', '--wait=false', '--cascade=background']);
    assert.ok(stored('two')?.metadata.deletionTimestamp);
    await ok(['apply', '-f', '-'], secret('red', { color: 'red' }));
    await ok(['delete', 'secrets', '-l', 'color=red', '--wait']);
    assert.is(server.store.get('Secret', 'red'), undefined);
    assert.ok(server.store.get('Secret', 'keys'));
  });

  test('a document that Holdfast made children for is not orphaned', async () => {
    const owner = stored('three');
    assert.ok(owner);
    const { uid } = owner.metadata;
    const reference = { apiVersion: 'holdfast.dev/v1', kind: 'App', name: 'three', uid, controller: true };
    const document = {
      apiVersion: 'holdfast.dev/v1',
      kind: 'Site',
      metadata: { name: 'three', ownerReferences: [reference] },
      spec: { domain: 'localhost', hosts: ['three.localhost'], upstream: { address: '10.0.0.1', port: 80 } },
    };
    await server.store.write([{ verb: 'applyChild', document }], CONTROLLER);
    const refused = await kubectl(['delete', 'app', 'three', '--cascade=orphan']);
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /Orphan is not possible/);
    assert.is(stored('three')?.metadata.deletionTimestamp, undefined);
  });
}
