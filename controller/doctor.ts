/** What `holdfast doctor` and /readyz look at. Part of the wiring: called by main.ts, reads only. */
import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { CachedDocker } from '../reconcilers/drivers/docker/cached.ts';
import type { Reading } from '../reconcilers/world.ts';
import { condition } from '../resources/document.ts';
import type { PlatformSpec } from '../resources/generated.ts';
import type { Check } from './api/dependencies.ts';
import type { SqliteStore } from './store/sqlite-store.ts';

const LEAST_FREE_BYTES = 1.25 * 2 ** 30;

export function readinessChecks(store: SqliteStore, docker: CachedDocker): Check[] {
  const docked = docker.isUp();
  return [
    { name: 'store', ok: true, message: `at version ${store.version}` },
    {
      name: 'docker',
      ok: docked,
      message: docked ? 'answers' : 'does not answer; start it (systemctl start docker)',
    },
  ];
}

export interface DoctorOptions {
  store: SqliteStore;
  reading: Reading;
  stateFolder: string;
  authority: { caCertificatePath: string };
  https(): { wanted: boolean; listening: { address: string; port: number }[]; problem?: string };
}

export async function doctorChecks(options: DoctorOptions): Promise<Check[]> {
  const { store, reading, stateFolder } = options;
  return [
    await look('store', async () => integrity(store)),
    await look('key', () => closedFile(join(stateFolder, 'store', 'store.key'))),
    await look('disk', () => room(stateFolder)),
    await look('docker', async () => {
      const { version, apiVersion } = await reading.docker.info();
      return `Docker ${version}, API ${apiVersion}`;
    }),
    await look('nginx', () => edge(reading)),
    await look('ports', () => ports(options)),
    await look('https', async () => httpsApi(options.https())),
    await look('documents', async () => unready(store)),
    {
      name: 'authority',
      ok: true,
      message: `trust ${options.authority.caCertificatePath} to get no warning`,
    },
  ];
}

function httpsApi({ wanted, listening, problem }: ReturnType<DoctorOptions['https']>): string {
  if (problem !== undefined) throw new Error(`the API does not listen for HTTPS everywhere: ${problem}`);
  if (!wanted) return 'the API listens on its socket alone';
  return `the API listens on ${listening.map(({ address, port }) => `${address}:${port}`).join(', ')}`;
}

async function look(name: string, check: () => Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, message: await check() };
  } catch (error) {
    return { name, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

function integrity(store: SqliteStore): string {
  const problems = store.problems();
  if (problems.length > 0) throw new Error(`the database is damaged: ${problems.slice(0, 3).join('; ')}`);
  const { version, databaseBytes, reserve } = store.health();
  const size = `${(databaseBytes / 2 ** 20).toFixed(1)} MiB`;
  if (!reserve) throw new Error(`intact, ${size}, but the disk is too full to keep the reserve; make room`);
  return `intact, ${size}, at version ${version}`;
}

async function closedFile(path: string): Promise<string> {
  const { mode } = await stat(path);
  if (mode & 0o077) throw new Error(`${path} can be read by others; chmod 600 ${path}`);
  return 'readable by root alone; keep a copy of it with your backups';
}

async function room(folder: string): Promise<string> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const text = `${(free / 2 ** 30).toFixed(1)} GiB free in ${folder}`;
  if (free < LEAST_FREE_BYTES) throw new Error(`${text}; make room`);
  return text;
}

async function edge({ nginx }: Reading): Promise<string> {
  const { running, loaded, version, generation } = await nginx.state();
  if (version === undefined) throw new Error('nginx is not installed; apt-get install nginx-light');
  if (!running) throw new Error('nginx does not run; see the conditions of the Sites (holdfast get sites)');
  if (!loaded) throw new Error('nginx has not taken up the last configuration; it is tried again');
  return `nginx ${version} serves configuration ${generation}`;
}

/** Whoever else listens on the edge's ports. */
async function ports({ store, reading }: DoctorOptions): Promise<string> {
  const { http } = (store.get('Platform', 'platform')?.spec ?? {}) as PlatformSpec;
  const wanted = [http?.port ?? 80, http?.httpsPort ?? 443];
  const listeners = (await reading.host.listeners()).filter(
    ({ port, protocol }) => protocol === 'tcp' && wanted.includes(port),
  );
  const foreign = listeners.find(({ program }) => program !== undefined && program !== 'nginx');
  if (foreign) {
    throw new Error(
      `port ${foreign.port} is taken by ${foreign.program}; stop it or set spec.http of platform/platform`,
    );
  }
  return `${wanted.join(' and ')} are the edge's`;
}

function unready(store: SqliteStore): string {
  const all = ['Platform', 'App', 'Site', 'Source'].flatMap((kind) => store.list(kind).items);
  const not = all.filter((document) => condition(document, 'Ready')?.status !== 'True');
  if (not.length === 0) return `all ${all.length} are Ready`;
  const names = not.slice(0, 5).map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);
  throw new Error(
    `${not.length} of ${all.length} are not Ready: ${names.join(', ')}; holdfast describe tells why`,
  );
}
