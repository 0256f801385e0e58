import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, systemClock } from '../../controller/clock.ts';
import { createFakeAuthority } from '../../reconcilers/drivers/authority/fake.ts';
import { createFakeHost } from '../../reconcilers/drivers/host/fake.ts';
import { FakeNginx } from '../../reconcilers/drivers/nginx/fake.ts';
import { type Edge, sharedFiles, siteText } from '../../reconcilers/site/config.ts';
import { differences, isIntact, quoted, readConfig, writeConfig } from '../../reconcilers/site/directives.ts';
import { siteReconciler } from '../../reconcilers/site/index.ts';
import { servingsOf } from '../../reconcilers/site/servings.ts';
import { wantSites } from '../../reconcilers/site/want.ts';
import type { Document } from '../../resources/document.ts';
import { makeDocument } from '../support/app.ts';
import { messageOf, platform, readyOf, reconcile, type SiteOptions, site, viewOf } from './site-world.ts';

const DAY = 24 * 60 * 60 * 1000;

const EDGE: Edge = {
  version: '1.22.1',
  workerUser: 'www-data',
  port: 80,
  httpsPort: 443,
  addresses: ['127.0.0.1', '::1'],
  certificates: '/c',
};

function world(options: { version?: string } = {}) {
  let days = 0;
  const clock: Clock = { ...systemClock, now: () => Date.parse('2026-01-01') + days * DAY };
  const nginx = new FakeNginx(options);
  const host = createFakeHost({ stateFolder: '/state' });
  host.state.listeners = [{ protocol: 'tcp', address: '0.0.0.0', port: 443, program: 'apache2', pid: 77 }];
  return {
    nginx,
    host,
    authority: createFakeAuthority({ clock, nginx }),
    wait: (by: number) => {
      days += by;
    },
  };
}

function textOf(options: SiteOptions, edge: Partial<Edge> = {}): Map<string, string[]> {
  const [wanted] = wantSites(viewOf([site('wiki', options)])).sites;
  assert.ok(wanted);
  return readConfig(siteText(wanted, { ...EDGE, ...edge }, servingsOf(wanted, []))) ?? new Map();
}

// What is written.

const configs: {
  name: string;
  options?: SiteOptions;
  edge?: Partial<Edge>;
  path: string;
  values: string[] | undefined;
}[] = [
  {
    name: 'all addresses are listened on, with HTTP/2 as a parameter before 1.25.1',
    path: 'server.listen',
    values: ['127.0.0.1:80', '[::1]:80', '127.0.0.1:443 ssl http2', '[::1]:443 ssl http2'],
  },
  {
    name: 'since 1.25.1 HTTP/2 is no parameter',
    edge: { version: '1.25.1' },
    path: 'server.listen',
    values: ['127.0.0.1:80', '[::1]:80', '127.0.0.1:443 ssl', '[::1]:443 ssl'],
  },
  { name: 'HTTP goes to HTTPS', path: 'server.location /.return', values: ['301 https://$host$request_uri'] },
  {
    name: 'HTTP goes to the port that HTTPS has',
    edge: { httpsPort: 8443 },
    path: 'server.location /.return',
    values: ['301 https://$host:8443$request_uri'],
  },
  {
    name: 'requests go to the container',
    path: 'server.location /.proxy_pass',
    values: ['http://172.30.0.2:8000'],
  },
  {
    name: 'an IPv6 address of a container is bracketed',
    options: { upstream: { address: 'fd00::2', port: 80 } },
    path: 'server.location /.proxy_pass',
    values: ['http://[fd00::2]:80'],
  },
  {
    name: 'all hosts are served',
    options: { hosts: ['wiki.localhost', 'w.localhost'] },
    path: 'server.server_name',
    values: ['wiki.localhost w.localhost', 'wiki.localhost w.localhost'],
  },
  {
    name: 'a stopped site passes nothing on',
    options: { state: 'stopped' },
    path: 'server.location /.proxy_pass',
    values: undefined,
  },
  {
    name: 'a place for checks of authorities by HTTP stays',
    path: 'server.location ^~ /.well-known/acme-challenge/.return',
    values: ['404'],
  },
  {
    name: 'the errors of the App stay its own',
    path: 'server.error_page',
    values: ['502 503 504 /.holdfast/unavailable'],
  },
];

for (const row of configs) {
  test(`config: ${row.name}`, () =>
    assert.equal(textOf(row.options ?? {}, row.edge).get(row.path), row.values));
}

test('config: aliases show the App, or send to the main name; not to one that another Site has', () => {
  const hosts = ['main.example.com', 'alias.example.com'];
  const names = (options: SiteOptions) => textOf(options).get('server.server_name')?.slice(1);
  const targets = (options: SiteOptions) => textOf(options).get('server.location /.return')?.slice(1);
  assert.equal(names({ hosts }), [hosts.join(' ')]);
  assert.equal(targets({ hosts }), []);
  assert.equal(names({ hosts, redirectAliases: true }), hosts);
  assert.equal(targets({ hosts, redirectAliases: true }), ['308 https://main.example.com$request_uri']);
  assert.equal(names({ hosts: [hosts[0] ?? ''], redirectAliases: true }), [hosts[0]]);
});

test('config: browsers are held to HTTPS everywhere but on localhost', () => {
  const headers = (options: SiteOptions) => textOf(options).get('server.add_header')?.join('\n') ?? '';
  assert.not.match(headers({}), /Strict-Transport-Security/);
  const real = headers({ hosts: ['wiki.example.com'], domain: 'example.com' });
  assert.match(real, /Strict-Transport-Security max-age=15768000 always/);
  assert.not.match(real, /includeSubDomains/);
});

test('config: nothing of a distribution’s nginx is used, and nobody’s name gets no answer', () => {
  const main = readConfig(sharedFiles(EDGE).get('nginx.conf') ?? '');
  assert.ok(main);
  for (const path of ['pid', 'http.proxy_temp_path', 'http.client_body_temp_path']) {
    assert.match(main.get(path)?.[0] ?? '', /^run\//);
  }
  assert.equal(main.get('http.server.ssl_reject_handshake'), ['on']);
  assert.equal(main.get('http.server.return'), ['444', '444']);
  assert.equal(main.get('http.http2'), undefined);
  assert.equal(main.get('http.include'), ['sites/*.conf']);
});

test('config: an nginx that cannot refuse a handshake shows a certificate of nobody', () => {
  const main = readConfig(sharedFiles({ ...EDGE, version: '1.18.0' }).get('nginx.conf') ?? '');
  assert.is(main?.get('http.server.ssl_reject_handshake'), undefined);
  assert.match(main?.get('http.server.ssl_certificate')?.[0] ?? '', /^\/c\/nobody\.invalid_/);
});

test('config: 500 sites of long names have room in nginx’s tables', () => {
  const main = readConfig(sharedFiles(EDGE).get('nginx.conf') ?? '');
  assert.ok(Number(main?.get('http.server_names_hash_bucket_size')?.[0]) >= 253 + 32);
  assert.ok(Number(main?.get('http.server_names_hash_max_size')?.[0]) >= 500);
});

// Reading and writing.

test('what is written is intact until somebody changes it, also its first line', () => {
  const text = writeConfig('site/wiki', [['server', '', [['listen', '80']]]]);
  assert.ok(text.startsWith('# Written by Holdfast for site/wiki. Changes by hand are put back.\n'));
  assert.is(isIntact(text), true);
  assert.is(isIntact(text.replace('80', '81')), false);
  assert.is(isIntact(text.replace('site/wiki', 'site/blog')), false);
  assert.is(isIntact(`${text}# more\n`), false);
  assert.is(isIntact(''), false);
});

const quotes: [string, string][] = [
  ['/a/b.pem', '/a/b.pem'],
  ['/a b/c.pem', '"/a b/c.pem"'],
  ['a"b', '"a\\"b"'],
  ['a;b', '"a;b"'],
  ['', '""'],
];
for (const [value, expected] of quotes) test(`quoted: ${value}`, () => assert.is(quoted(value), expected));

test('differences are told directive by directive', () => {
  const one = 'server { listen 80; server_name a; location / { proxy_pass http://x; } }';
  const two = 'server { listen 80; listen 81; server_name b; location / { proxy_pass http://x; } }';
  assert.equal(differences(one, two), [
    { path: 'server.listen', found: null, wanted: '81' },
    { path: 'server.server_name', found: 'a', wanted: 'b' },
  ]);
  assert.equal(differences(one, one), []);
});

const garbage = [
  '}',
  '{',
  'a',
  '"',
  "'x",
  'a { b',
  '#',
  ' # x',
  '\t##x;',
  '${',
  'a ${b',
  ';',
  '\\',
  'a\\;b c',
  '}}}}{{{{',
  'x_by_lua_block {',
  '\0',
];
for (const text of garbage) {
  test(`garbage is read as nothing or something, and never breaks: ${JSON.stringify(text)}`, () => {
    readConfig(text);
    readConfig(`server { listen 80; }\n${text}`);
    readConfig(`${text}\nserver { listen 80; }`);
  });
}

// The loop, on fakes.

test('Sites are published once, started once, and then there is nothing to do', async () => {
  const parts = world();
  const documents = ['a', 'b', 'c'].map((name) => site(name));
  const first = await reconcile(documents, parts);
  assert.equal(
    first.done.map((step) => `${step.type} ${step.target} ${step.impact}`),
    [
      'IssueCertificate certificate/a.localhost none',
      'IssueCertificate certificate/b.localhost none',
      'IssueCertificate certificate/c.localhost none',
      'PublishSites nginx none',
      'StartNginx nginx none',
    ],
  );
  assert.is(readyOf(first, 'a'), 'True Serving');
  assert.is(messageOf(first, 'a'), 'https://a.localhost answers through nginx.');
  const second = await reconcile(documents, parts);
  assert.is(second.done.length, 0);
  assert.is(parts.nginx.reloads, 0);
});

test('with no Sites nginx stands too', async () => {
  const parts = world();
  const turn = await reconcile([], parts);
  assert.equal(
    turn.done.map((step) => step.type),
    ['PublishSites', 'StartNginx'],
  );
});

interface Row {
  name: string;
  /** After a and b were published. */
  change: (parts: ReturnType<typeof world>) => void;
  documents?: Document[];
  steps: string[];
  because: string[];
  reloads: number;
}

const A = site('a');
const B = site('b');
const proxied = { address: '172.30.0.9', port: 8000 };

const rows: Row[] = [
  {
    name: 'a changed Site',
    change: () => undefined,
    documents: [A, site('b', { upstream: proxied, generation: 2 })],
    steps: ['PublishSites reload'],
    because: [
      'sites/b.conf: server.location /.proxy_pass http://172.30.0.2:8000 → http://172.30.0.9:8000 (generation 2 by root through cli)',
    ],
    reloads: 1,
  },
  {
    name: 'a new Site',
    change: () => undefined,
    documents: [A, B, site('c')],
    steps: ['IssueCertificate none', 'PublishSites reload'],
    because: [
      'certificate null → c.localhost (generation 1 by root through cli)',
      'sites/c.conf null → a file (generation 1 by root through cli)',
    ],
    reloads: 1,
  },
  {
    name: 'a Site that is being deleted',
    change: () => undefined,
    documents: [A, site('b', { deleted: true })],
    steps: ['PublishSites reload', 'RemoveCertificate none'],
    because: [
      'sites/b.conf a file → null (site/b is deleted)',
      'certificate b.localhost_* → null (no site uses it)',
    ],
    reloads: 1,
  },
  {
    name: 'an edit by hand',
    change: ({ nginx }) =>
      nginx.edit('sites/b.conf', (nginx.files.get('sites/b.conf') ?? '').replace('172.30.0.2', '10.0.0.1')),
    steps: ['PublishSites reload'],
    because: [
      'sites/b.conf: server.location /.proxy_pass http://10.0.0.1:8000 → http://172.30.0.2:8000 (drift)',
    ],
    reloads: 1,
  },
  {
    name: 'an edit that is no configuration',
    change: ({ nginx }) => nginx.edit('sites/b.conf', '}}} oops'),
    steps: ['PublishSites reload'],
    because: ['sites/b.conf another text → as written by Holdfast (drift)'],
    reloads: 1,
  },
  {
    name: 'a comment that was added',
    change: ({ nginx }) => nginx.edit('sites/b.conf', `${nginx.files.get('sites/b.conf')}# hello\n`),
    steps: ['PublishSites reload'],
    because: ['sites/b.conf another text → as written by Holdfast (drift)'],
    reloads: 1,
  },
  {
    name: 'a deleted file',
    change: ({ nginx }) => nginx.edit('sites/b.conf', undefined),
    steps: ['PublishSites reload'],
    because: ['sites/b.conf null → a file (drift)'],
    reloads: 1,
  },
  {
    name: 'a file that somebody put there',
    change: ({ nginx }) => nginx.edit('sites/mine.conf', 'server { listen 81; }'),
    steps: ['PublishSites reload'],
    because: ['sites/mine.conf a file → null (drift)'],
    reloads: 1,
  },
  {
    name: 'a killed nginx',
    change: ({ nginx }) => nginx.kill(),
    steps: ['StartNginx none'],
    because: ['nginx.running false → true (drift)'],
    reloads: 0,
  },
  {
    name: 'a deleted certificate',
    change: ({ nginx }) => {
      for (const name of nginx.pems.keys()) if (name.startsWith('b.')) nginx.pems.delete(name);
    },
    steps: ['IssueCertificate none', 'PublishSites reload'],
    because: ['certificate null → b.localhost (drift)', 'certificate the one before → b.localhost (renewal)'],
    reloads: 0,
  },
  {
    name: 'a Certificate that cannot be served until it is renewed',
    change: ({ nginx }) => nginx.pems.set('domain_wiki.example.com', { certificate: 'old', key: 'old' }),
    documents: [A, B, makeDocument('Certificate', 'wiki.example.com', { hosts: ['wiki.example.com'] })],
    steps: [],
    because: [],
    reloads: 0,
  },
  {
    name: 'certificates that are due',
    change: ({ wait }) => wait(300),
    steps: ['IssueCertificate none', 'IssueCertificate none', 'PublishSites reload'],
    because: [
      'certificate due for renewal, or not good any more → a.localhost (renewal)',
      'certificate due for renewal, or not good any more → b.localhost (renewal)',
      'certificate the one before → a.localhost (renewal)',
      'certificate the one before → b.localhost (renewal)',
    ],
    reloads: 1,
  },
  {
    name: 'another port of the Platform',
    change: () => undefined,
    documents: [A, platform({ httpsPort: 8443 })],
    steps: ['PublishSites reload', 'RemoveCertificate none'],
    because: [
      'nginx.conf: http.server.listen 127.0.0.1:443 ssl http2 default_server, [::1]:443 ssl http2 default_server → 127.0.0.1:8443 ssl http2 default_server, [::1]:8443 ssl http2 default_server (generation 1 by root through cli)',
      'sites/a.conf: server.listen 127.0.0.1:443 ssl http2, [::1]:443 ssl http2 → 127.0.0.1:8443 ssl http2, [::1]:8443 ssl http2 (generation 1 by root through cli)',
      'sites/a.conf: server.location /.return 301 https://$host$request_uri → 301 https://$host:8443$request_uri (generation 1 by root through cli)',
      'sites/b.conf a file → null (there is no site/b)',
      'certificate b.localhost_* → null (no site uses it)',
    ],
    reloads: 1,
  },
  {
    name: 'a suspended Site, edited by hand',
    change: ({ nginx }) => nginx.edit('sites/b.conf', '# mine\n'),
    documents: [A, site('b', { suspend: true, upstream: proxied })],
    steps: [],
    because: [],
    reloads: 0,
  },
];

for (const row of rows) {
  test(`diff: ${row.name}`, async () => {
    const parts = world();
    await reconcile([A, B], parts);
    const reloads = parts.nginx.reloads;
    row.change(parts);
    const turn = await reconcile(row.documents ?? [A, B], parts);
    assert.equal(
      turn.done.map((step) => `${step.type} ${step.impact}`),
      row.steps,
    );
    const because = turn.done.flatMap((step) =>
      step.because.map(({ field, found, wanted, cause }) =>
        `${field} ${found} → ${wanted} (${cause})`.replace(/_[0-9a-f]{12}/g, '_*'),
      ),
    );
    assert.equal(because, row.because);
    assert.is(parts.nginx.reloads - reloads, row.reloads);
  });
}

test('a step names the Sites that it is for, and each reason its own', async () => {
  const parts = world();
  await reconcile([A, B], parts);
  parts.nginx.edit('sites/b.conf', '# mine\n');
  const [publish] = (await reconcile([A, B], parts)).done;
  assert.equal(publish?.regarding, ['b']);
  assert.ok(publish?.because.every(({ regarding }) => regarding === 'b'));
  const [issue] = (await reconcile([A, B, site('c')], parts)).done;
  assert.equal([issue?.type, issue?.regarding], ['IssueCertificate', ['c']]);
});

test('from loopback to all addresses on the same port, the plan says restart', async () => {
  const parts = world();
  await reconcile([A], parts);
  const turn = await reconcile([A, platform({ addresses: ['0.0.0.0'] })], parts);
  assert.is(turn.done[0]?.impact, 'restart');
});

test('a Site that nginx refuses is left out, told so, and not tried again until it changes', async () => {
  const parts = world();
  parts.nginx.refuse((path, text) =>
    text.includes('10.6.6.6') && path.startsWith('sites/') ? 'no such thing' : undefined,
  );
  const bad = (generation: number) =>
    site('bad', { upstream: { address: '10.6.6.6', port: generation }, generation });
  const turn = await reconcile([A, bad(1), B], parts);
  assert.is(readyOf(turn, 'bad'), 'False Refused');
  assert.match(messageOf(turn, 'bad'), /no such thing.*It is not served; all others are/);
  assert.is(readyOf(turn, 'a'), 'True Serving');
  assert.is(readyOf(turn, 'b'), 'True Serving');
  assert.equal(turn.events, ['Warning SiteRefused nginx refuses site/bad, which is left out: no such thing']);
  const tests = parts.nginx.tests;
  assert.is((await reconcile([A, bad(1), B], parts)).done.length, 0);
  assert.is(parts.nginx.tests, tests);
  assert.is((await reconcile([A, bad(2), B], parts)).events.length, 1, 'a changed one is tried');
  const good = await reconcile([A, site('bad', { generation: 3 }), B], parts);
  assert.is(readyOf(good, 'bad'), 'True Serving');
  assert.not.ok(parts.nginx.files.has('refused/bad.conf'));
});

test('a Site that served and is then refused keeps its last good configuration', async () => {
  const parts = world();
  await reconcile([A, B], parts);
  const before = parts.nginx.files.get('sites/b.conf');
  parts.nginx.refuse((_path, text) =>
    text.startsWith('# Written') && text.includes('10.6.6.6') ? 'no' : undefined,
  );
  const refused = site('b', { upstream: { address: '10.6.6.6', port: 1 }, generation: 2 });
  const turn = await reconcile([site('a', { upstream: proxied }), refused], parts);
  assert.is(readyOf(turn, 'b'), 'False Refused');
  assert.match(messageOf(turn, 'b'), /Its last good configuration goes on serving/);
  assert.is(parts.nginx.files.get('sites/b.conf'), before);
  assert.is(readyOf(turn, 'a'), 'True Serving');
  assert.is((await reconcile([site('a', { upstream: proxied }), refused], parts)).done.length, 0);
});

test('what nginx refuses without naming a Site stops all, and what served goes on', async () => {
  const parts = world();
  await reconcile([A], parts);
  parts.nginx.refuse((path) =>
    path === 'nginx.conf' ? 'bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)' : undefined,
  );
  const turn = await reconcile([A, B, platform({ addresses: ['10.9.9.9'] })], parts);
  assert.is(turn.failure?.reason, 'ConfigRefused');
  assert.is(readyOf(turn, 'b'), 'False ConfigRefused');
  assert.match(messageOf(turn, 'b'), /10\.9\.9\.9/);
  assert.ok(parts.nginx.running);
  assert.not.ok(parts.nginx.files.has('sites/b.conf'));
});

test('of two Sites with one host the older keeps it, and the younger is told and keeps its others', async () => {
  const parts = world();
  const older = site('older', { hosts: ['x.localhost'], created: '2026-01-01T00:00:00.000Z' });
  const younger = site('younger', {
    hosts: ['x.localhost', 'y.localhost'],
    created: '2026-01-02T00:00:00.000Z',
  });
  const turn = await reconcile([younger, older], parts);
  assert.is(readyOf(turn, 'older'), 'True Serving');
  assert.is(readyOf(turn, 'younger'), 'False HostConflict');
  assert.match(
    messageOf(turn, 'younger'),
    /x\.localhost belongs to app\/older.*Its other hosts are served: y\.localhost/,
  );
  assert.match(parts.nginx.files.get('sites/younger.conf') ?? '', /server_name y\.localhost;/);
  const freed = await reconcile([younger], parts);
  assert.is(readyOf(freed, 'younger'), 'True Serving');
});

test('what could get out of its place in the file is not written', async () => {
  const parts = world();
  const evil = site('evil', { upstream: { address: '1.2.3.4; return 200', port: 80 } });
  const odd = site('odd', { hosts: ['a;b.localhost'] });
  const turn = await reconcile([evil, odd, A], parts);
  assert.is(readyOf(turn, 'evil'), 'False InvalidUpstream');
  assert.is(readyOf(turn, 'odd'), 'False InvalidHost');
  assert.is(readyOf(turn, 'a'), 'True Serving');
});

test('a port that somebody has is told with the program and the way out', async () => {
  const parts = world();
  parts.nginx.takePort(443, 'apache2');
  const turn = await reconcile([A], parts);
  assert.is(readyOf(turn, 'a'), 'False PortTaken');
  assert.match(messageOf(turn, 'a'), /127\.0\.0\.1:443.*apache2 \(pid 77\).*spec\.http\.httpsPort/);
  parts.nginx.freePort(443);
  assert.is(readyOf(await reconcile([A], parts), 'a'), 'True Serving');
});

test('without nginx the Sites say what to install', async () => {
  const parts = world();
  parts.nginx.version = undefined;
  const turn = await reconcile([A], parts);
  assert.is(turn.failure?.kind, 'waiting');
  assert.is(readyOf(turn, 'a'), 'Unknown NginxMissing');
  assert.match(messageOf(turn, 'a'), /apt-get install nginx-light/);
});

test('a new version of nginx is published for, once', async () => {
  const parts = world();
  await reconcile([A], parts);
  parts.nginx.version = '1.26.3';
  assert.equal(
    (await reconcile([A], parts)).done.map((step) => step.type),
    ['PublishSites'],
  );
  assert.is((await reconcile([A], parts)).done.length, 0);
});

test('a crash at any call is repaired by the next turn', async () => {
  for (let crash = 1; crash < 40; crash += 1) {
    let calls = 0;
    let live = true;
    const parts = world();
    const nginx = new FakeNginx({
      before: () => {
        calls += 1;
        if (live && calls === crash) throw new Error('crash');
      },
    });
    const authority = createFakeAuthority({ clock: systemClock, nginx });
    const crashing = { ...parts, nginx, authority };
    const run = (documents: Document[]) => reconcile(documents, crashing).catch(() => undefined);
    await run([A, B]);
    await run([A, site('b', { upstream: proxied }), site('c')]);
    live = false;
    const turn = await reconcile([A, site('b', { upstream: proxied }), site('c')], crashing);
    assert.equal(
      ['a', 'b', 'c'].map((name) => readyOf(turn, name)),
      ['True Serving', 'True Serving', 'True Serving'],
      `crash at call ${crash}`,
    );
  }
});

test('all Sites are one key, and the Platform wakes it', () => {
  assert.is(siteReconciler.key(A), 'nginx');
  assert.equal(siteReconciler.wakes?.(platform({}), viewOf([]), { substantial: true }), ['nginx']);
});

test.run();
