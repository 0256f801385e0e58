/**
 * The Debian that images are made from: mmdebstrap writes it, the engine imports it, and nothing is left on disk beside. It has this
 * machine's package sources where they are of that Debian, and its extra certificates, so that it reaches what this machine reaches.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type Dockerode from 'dockerode';
import { LOCAL_REGISTRY } from '../../../resources/addon-images.ts';
import { MARK } from '../inventory.ts';
import { contentOf, endOf } from './engine.ts';

const CERTIFICATES = '/usr/local/share/ca-certificates';
const SOURCES = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const MIRROR = 'http://deb.debian.org/debian';
const PACKAGES = ['ca-certificates', 'procps'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const LEFT_OUT = ['man', 'doc', 'locale', 'info'];

export interface BaseOptions {
  docker: Dockerode;
  suite: string;
  say(line: string): void;
  signal: AbortSignal;
  /** Make it again although nothing about it changed: for newer packages. */
  refresh: boolean;
}

/** bookworm; empty on what is not Debian. */
export function ownSuite(osRelease = readFileSync('/etc/os-release', 'utf8')): string {
  if (!/^ID="?debian"?$/m.test(osRelease)) return '';
  return /^VERSION_CODENAME="?(\w+)"?$/m.exec(osRelease)?.[1] ?? '';
}

export function hasDebootstrap(): boolean {
  return ['/usr/bin', '/usr/local/bin'].some((folder) => existsSync(path.join(folder, 'mmdebstrap')));
}

function baseName(suite: string): string {
  return `${LOCAL_REGISTRY}/base:${suite}`;
}

function certificates(): string[] {
  if (!existsSync(CERTIFICATES)) return [];
  const files = readdirSync(CERTIFICATES).filter((name) => name.endsWith('.crt'));
  return files.sort().map((name) => path.join(CERTIFICATES, name));
}

/** The machine's own file of sources, or one line for Debian's mirror. */
function sources(suite: string): string {
  const own = suite === ownSuite() ? SOURCES.find((file) => existsSync(file)) : undefined;
  if (own !== undefined) return own;
  if (!existsSync(KEYRING))
    throw new Error(`the keys of Debian are missing: apt-get install debian-archive-keyring`);
  return `deb [signed-by=${KEYRING}] ${MIRROR} ${suite} main`;
}

function debootstrapArguments(suite: string): string[] {
  const words = ['--quiet', '--variant=minbase', `--include=${PACKAGES.join(',')}`];
  for (const folder of LEFT_OUT) words.push(`--dpkgopt=path-exclude=/usr/share/${folder}/*`);
  const extra = certificates();
  if (extra.length > 0) {
    words.push(`--customize-hook=mkdir -p "$1${CERTIFICATES}"`);
    words.push(`--customize-hook=copy-in ${extra.join(' ')} ${CERTIFICATES}`);
    words.push('--customize-hook=chroot "$1" update-ca-certificates');
  }
  return [...words, suite, '-', sources(suite)];
}

function hashOf(suite: string): string {
  const hash = createHash('sha256').update(JSON.stringify(debootstrapArguments(suite)));
  const from = sources(suite);
  for (const file of [...certificates(), ...(existsSync(from) ? [from] : [])])
    hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** Answers the id of the image. About half a minute where it is missing. */
export async function ensureBase(options: BaseOptions): Promise<string> {
  const { docker, suite, say, refresh } = options;
  const name = baseName(suite);
  const content = hashOf(suite);
  const present = await contentOf(docker, name);
  if (!refresh && present?.content === content) return present.id;
  say(`making ${name} with mmdebstrap (about half a minute)`);
  await importBase(options, name, content);
  const made = await contentOf(docker, name);
  if (!made) throw new Error(`${name} is not there after its import`);
  return made.id;
}

async function importBase(
  { docker, suite, signal }: BaseOptions,
  name: string,
  content: string,
): Promise<void> {
  const child = spawn('mmdebstrap', debootstrapArguments(suite), {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    // Its own folders for temporary files: /tmp may be small.
    env: { ...process.env, TMPDIR: process.env['TMPDIR'] ?? '/var/tmp' },
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-8_000);
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  ended.catch(() => undefined);
  const changes = [`LABEL ${MARK.image}=${content}`, `ENV PATH=${PATH}`];
  const [repo = '', tag = ''] = name.split(':');
  // Under a name that nobody uses until it is known to be whole.
  const unproven = `${tag}-new`;
  // It writes only when all is installed; an import that is silent for five minutes is cut off.
  await Promise.race([once(child.stdout, 'readable'), ended]);
  try {
    const output = await docker.importImage(child.stdout, { repo, tag: unproven, changes });
    await endOf(docker, output, name);
  } catch (error) {
    // Nobody reads what it would write.
    child.kill();
    throw error;
  }
  const code = await ended;
  const image = docker.getImage(`${repo}:${unproven}`);
  if (code === 0) await image.tag({ repo, tag });
  await image.remove();
  if (code !== 0) throw new Error(`mmdebstrap could not make ${name}:\n${words.trim().slice(-3_000)}`);
}
