/** The addon tls in the whole controller on fakes: what an App waits for, what it is given, and what a renewal does. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeAuthority, makeLeaf, type Pair } from '../../reconcilers/drivers/authority/x509.ts';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { validate } from '../../resources/validation.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';

const HOST = 'irc.example.com';
const ROOT = '/fake/state/tls/irc';
const NOW = Date.parse('2026-01-01T00:00:00.000Z');
const authority = await makeAuthority({ name: 'one', now: NOW });
const leaf = (name = HOST) => makeLeaf(authority, [name], NOW);

const within = (name: string, run: (controller: RunningController) => Promise<void>) =>
  test(name, async () => {
    const controller = await startController();
    try {
      await run(controller);
    } finally {
      await controller.close();
    }
  });

function document(kind: string, name: string, spec: Record<string, unknown>): Manifest {
  return { apiVersion: API_VERSION, kind, metadata: { name }, spec };
}

const domain = document('Domain', 'example.com', {
  provider: 'noop',
  tls: { issuer: 'custom', certificate: { secret: 'pair' } },
});
const secret = ({ certificate, key }: Pair) =>
  document('Secret', 'pair', { stringData: { 'tls.crt': certificate, 'tls.key': key } });
const irc = (more: Record<string, unknown> = {}) =>
  appManifest('irc', { domain: 'example.com', addons: { tls: {} }, ...more });

async function becomes(controller: RunningController, reason: string, name = 'irc'): Promise<void> {
  for (let second = 0; second < 120; second += 1) {
    serveApps(controller);
    await controller.settle();
    if (controller.ready('App', name).reason === reason) return;
    await controller.pass(1000);
  }
  throw new Error(`it does not become ${reason}: ${JSON.stringify(controller.get('App', name)?.status)}`);
}

const containerOf = ({ world }: RunningController, name = 'irc') =>
  world.docker.engine.find(`holdfast-app-${name}`);

/** The folder that its container reads certificates from. */
function folderOf(controller: RunningController, name = 'irc'): string {
  const mount = containerOf(controller, name)?.spec.mounts.find(({ target }) => target === '/etc/certs');
  assert.is(mount?.type, 'bind');
  assert.is(mount?.readOnly, true);
  return mount?.source ?? '';
}

function filesIn({ world }: RunningController, folder: string): Record<string, string | undefined> {
  const text = (name: string) => world.host.state.files.get(`${folder}/${name}`);
  return { certificate: text('tls_cert.pem'), key: text('tls_key.pem') };
}

const foldersBelow = ({ world }: RunningController, root = ROOT) =>
  [...world.host.state.folders.keys()].filter((path) => path.startsWith(`${root}/`));

within('an App waits for the certificate of its Domain, and says so', async (controller) => {
  await controller.apply(domain, irc());
  await becomes(controller, 'CertificateNotReady');
  await controller.pass(2_000);
  const { message } = controller.ready('App', 'irc');
  assert.match(message, /waits for certificate\/\S+: .*secret\/pair/);
  assert.is(containerOf(controller), undefined);
  const pair = await leaf();
  await controller.apply(secret(pair));
  await becomes(controller, 'Serving');
  const folder = folderOf(controller);
  assert.equal(filesIn(controller, folder), { ...pair });
  const { folders } = controller.world.host.state;
  assert.equal([folders.get(ROOT), folders.get(folder)], [0o700, 0o755]);
});

within('it brings no variable', async (controller) => {
  await controller.apply(document('Secret', 'none', { stringData: {} }), appManifest('plain'));
  await controller.apply(appManifest('irc', { addons: { tls: {} } }));
  await becomes(controller, 'Serving');
  await becomes(controller, 'Serving', 'plain');
  const names = (name: string) => Object.keys(containerOf(controller, name)?.spec.env ?? {}).sort();
  assert.equal(names('irc'), names('plain'));
});

within(
  'a renewed certificate brings another container, with the reason; the old files go',
  async (controller) => {
    await controller.apply(domain, secret(await leaf()), irc());
    await becomes(controller, 'Serving');
    const [before, folder] = [containerOf(controller)?.id, folderOf(controller)];
    const renewed = await leaf();
    await controller.apply(secret(renewed));
    await controller.pass(20_000);
    await becomes(controller, 'Serving');
    assert.is.not(containerOf(controller)?.id, before);
    assert.is.not(folderOf(controller), folder);
    assert.equal(filesIn(controller, folderOf(controller)), { ...renewed });
    assert.equal(foldersBelow(controller), [folderOf(controller)]);
    const reasons = controller
      .events('irc')
      .flatMap(({ step }) => (step?.impact === 'replace' ? step.because : []));
    assert.equal(
      reasons.map(({ field }) => field),
      ['reads./etc/certs'],
    );
    assert.match(reasons[0]?.cause ?? '', /^certificate\//);
    const shown = JSON.stringify(controller.store.list('Event').items) + JSON.stringify(controller.log);
    assert.not.ok(shown.includes('PRIVATE KEY'));
  },
);

within(
  'files that somebody changed or took away are written again, and nothing is started for it',
  async (controller) => {
    const pair = await leaf();
    await controller.apply(domain, secret(pair), irc());
    await becomes(controller, 'Serving');
    const [before, folder] = [containerOf(controller)?.id, folderOf(controller)];
    const { files } = controller.world.host.state;
    files.set(`${folder}/tls_cert.pem`, 'mine');
    files.delete(`${folder}/tls_key.pem`);
    await controller.apply(irc({ loginPaths: ['/login'] }));
    await controller.pass(5_000);
    assert.equal(filesIn(controller, folder), { ...pair });
    assert.is(containerOf(controller)?.id, before);
  },
);

within('a name of the built-in domain has the certificate of our own authority', async (controller) => {
  await controller.apply(appManifest('irc', { addons: { tls: {} } }));
  await becomes(controller, 'Serving');
  const [pair] = [...controller.world.nginx.pems].filter(([name]) => name.startsWith('irc.localhost'));
  assert.equal(filesIn(controller, folderOf(controller)), { ...pair?.[1] });
});

within('without the addon, and without the App, no key is left', async (controller) => {
  await controller.apply(domain, secret(await leaf()), irc());
  await becomes(controller, 'Serving');
  await controller.apply(irc({ addons: {} }));
  await controller.pass(20_000);
  await becomes(controller, 'Serving');
  assert.not.ok(containerOf(controller)?.spec.mounts.some(({ target }) => target === '/etc/certs'));
  assert.equal(foldersBelow(controller), []);
  await controller.apply(irc());
  await controller.pass(20_000);
  await becomes(controller, 'Serving');
  assert.is((await controller.holdfast(['delete', 'app/irc'])).code, 0);
  await controller.pass(20_000);
  assert.is(controller.get('App', 'irc'), undefined);
  const { files, folders } = controller.world.host.state;
  assert.equal(
    [...files.keys(), ...folders.keys()].filter((path) => path.startsWith(ROOT)),
    [],
  );
});

test('a volume in its place is refused', () => {
  const manifest = irc({ volumes: [{ path: '/etc/certs/' }] });
  assert.match(JSON.stringify(validate(manifest)), /cannot be \/etc\/certs/);
});

test.run();
