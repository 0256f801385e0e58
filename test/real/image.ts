/**
 * The images of which test hosts are made: a whole Debian or Ubuntu of the machine's own release, with this machine's node,
 * extra certificates and package sources. Built by mmdebstrap and kept as an image of the machine's Docker engine under a
 * tag that is the hash of everything that went in, so that only the first test of many pays for it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { madeOnce } from '../support/lock.ts';
import { docker, run } from './docker.ts';

/**
 * `host` has all that `setup.sh run` would install. `fresh` is the least that a person may have: git, node and npm. `names` is a
 * host with a name server and an ACME authority beside it. `trixie` and `forky` are later Debians with their Docker engines, and
 * nothing else that `host` has.
 */
export type Flavour = 'host' | 'fresh' | 'names' | 'trixie' | 'forky';

const hostPackages = [
  ...['ca-certificates', 'libstdc++6', 'procps', 'iproute2', 'tini', 'systemd-sysv', 'dbus'],
  ...['docker.io', 'iptables', 'nginx-light', 'busybox-static', 'curl', 'openssl'],
];

const enginePackages = [
  ...['ca-certificates', 'libstdc++6', 'procps', 'iproute2', 'tini', 'iptables'],
  ...['docker.io', 'docker-cli', 'busybox-static'],
];

/** Debians that are not the machine's own. */
const LATER: readonly Flavour[] = ['trixie', 'forky'];

const packages: Record<Flavour, string[]> = {
  host: hostPackages,
  names: [...hostPackages, 'knot', 'knot-dnsutils', 'pebble'],
  trixie: enginePackages,
  forky: enginePackages,
  fresh: ['ca-certificates', 'libstdc++6', 'procps', 'tini', 'systemd-sysv', 'dbus', 'git'],
};

const repository = 'holdfast-test/host';
const certificates = '/usr/local/share/ca-certificates';

/** The distribution's own list of sources; lists of other vendors have keys that the new system lacks. */
function aptSources(): string {
  const known = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list.d/ubuntu.sources'];
  return [...known, '/etc/apt/sources.list'].find((file) => existsSync(file)) ?? '';
}

function release(): string {
  return /^VERSION_CODENAME=(.+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm';
}

function suiteOf(flavour: Flavour): string {
  return LATER.includes(flavour) ? flavour : release();
}

/** The machine's own list, or one of a later Debian from the same mirror. */
function sourcesOf(flavour: Flavour): string {
  const own = aptSources();
  if (!LATER.includes(flavour)) return own;
  const mirror = /^(?:URIs:|deb(?: \[.*?\])?)\s+(https?:\/\/\S+)/m.exec(readFileSync(own, 'utf8'))?.[1] ?? '';
  return `deb [check-valid-until=no] ${mirror} ${flavour} main`;
}

function extraCertificates(): string[] {
  if (!existsSync(certificates)) return [];
  return readdirSync(certificates)
    .filter((name) => name.endsWith('.crt'))
    .map((name) => path.join(certificates, name));
}

/** Where this node and, for `fresh`, its npm and headers are: they are copied as they are to /usr/local. */
function nodeFiles(flavour: Flavour): { from: string; to: string }[] {
  const node = realpathSync(process.execPath);
  const prefix = path.resolve(node, '../..');
  const files = [{ from: node, to: '/usr/local/bin' }];
  if (flavour !== 'fresh') return files;
  const npm = path.join(prefix, 'lib/node_modules/npm');
  if (!existsSync(npm)) throw new Error(`This machine's npm is not at ${npm}, so no fresh host can be made.`);
  files.push({ from: npm, to: '/usr/local/lib/node_modules' });
  // Without the headers node-gyp would download them.
  const headers = path.join(prefix, 'include/node');
  if (existsSync(headers)) files.push({ from: headers, to: '/usr/local/include' });
  return files;
}

function recipe(flavour: Flavour): string[] {
  const arguments_ = ['--quiet', '--variant=minbase', `--include=${packages[flavour].join(',')}`];
  for (const folder of ['man', 'doc', 'locale', 'info']) {
    arguments_.push(`--dpkgopt=path-exclude=/usr/share/${folder}/*`);
  }
  const hook = (text: string) => arguments_.push(`--customize-hook=${text}`);
  hook(`mkdir -p "$1${certificates}" "$1/usr/local/lib/node_modules" "$1/usr/local/include"`);
  const extra = extraCertificates();
  if (extra.length > 0) hook(`copy-in ${extra.join(' ')} ${certificates}`);
  hook('chroot "$1" update-ca-certificates');
  for (const file of nodeFiles(flavour)) hook(`copy-in ${file.from} ${file.to}`);
  if (flavour === 'fresh') hook('ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"');
  // A test that wants the distribution's nginx beside ours enables it itself.
  if (packages[flavour].includes('nginx-light')) hook('chroot "$1" systemctl disable nginx.service');
  if (flavour === 'names') hook('chroot "$1" systemctl disable knot.service');
  hook('echo holdfast-test >"$1/etc/hostname"');
  return arguments_;
}

function tag(flavour: Flavour): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([recipe(flavour), suiteOf(flavour), process.version]));
  hash.update(String(statSync(realpathSync(process.execPath)).size));
  for (const file of [aptSources(), ...extraCertificates()]) hash.update(readFileSync(file));
  return `${repository}:${flavour}-${hash.digest('hex').slice(0, 12)}`;
}

async function hasImage(name: string): Promise<boolean> {
  return (await run('docker', ['image', 'inspect', '--format', '{{.Id}}', name])).code === 0;
}

/** Images of older recipes. One that a container still uses stays: removal is not forced. */
async function removeOlder(flavour: Flavour, present: string): Promise<void> {
  const tags = (
    await docker([
      'image',
      'ls',
      '--format',
      '{{.Repository}}:{{.Tag}}',
      '--filter',
      `reference=${repository}:${flavour}-*`,
    ])
  ).split('\n');
  for (const old of tags) if (old !== '' && old !== present) await run('docker', ['image', 'rm', old]);
}

async function build(flavour: Flavour, name: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-image-'));
  try {
    const tar = path.join(folder, 'root.tar');
    const made = await run('mmdebstrap', [...recipe(flavour), suiteOf(flavour), tar, sourcesOf(flavour)], {
      timeoutSeconds: 400,
    });
    if (made.code !== 0) throw new Error(`mmdebstrap could not make a test host:\n${made.stderr.trim()}`);
    const settings = [
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'VOLUME /var/lib/docker',
    ];
    await docker(['import', ...settings.flatMap((line) => ['--change', line]), tar, name]);
    await removeOlder(flavour, name);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The name of the image, built first where it is missing (about 45 s on two cores). */
export async function hostImage(flavour: Flavour): Promise<string> {
  const name = tag(flavour);
  await madeOnce(
    'images',
    () => hasImage(name),
    () => build(flavour, name),
  );
  return name;
}
