/**
 * Brings the data of an Addon to another version: both servers run beside each other, each on a folder and an address of its own that no
 * App may reach; accounts and databases are copied from the one to the other, every row is compared, and only then does the copy take
 * the place of the old data, which is kept. What it has come to is on disk (slots.ts) and, of the databases, in the checkpoint.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import { ADDRESS_POOL, leaseAddress } from '../container/address.ts';
import { containerSpec } from '../container/description.ts';
import { findProfile } from '../container/seen.ts';
import { isGone } from '../container/work.ts';
import type { DatabaseContents, RunningServer } from '../drivers/database/index.ts';
import { LABEL } from '../drivers/docker/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Writing } from '../world.ts';
import { answers } from './answers.ts';
import type { AddonWork, UpgradeWork } from './diff.ts';
import { type ChosenImage, containerInputs, serverOf } from './observe.ts';
import { SERVER_STOP_SECONDS } from './server.ts';
import { slotName } from './slots.ts';
import { type Role, workerUid, workerUids } from './workers.ts';

/** Databases that were copied and compared, as long as the folder of the copy is there. */
interface Checkpoint {
  next: string;
  done: string[];
}

export async function upgradeData(work: UpgradeWork, world: Writing, run: Run): Promise<void> {
  const { folder, from, to, want } = work;
  const next = slotName('next', to.series);
  await removeContainers(want.document.metadata.uid, world);
  try {
    const done = await prepare(join(folder, next), run, world);
    const old = await startWorker(work, 'old', from, slotName('data', from.series), world, run);
    const copy = await startWorker(work, 'new', to, next, world, run);
    await copyAll(old, copy, { next, done }, world, run);
  } catch (error) {
    if (run.signal.aborted || isOfMachine(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    await giveUp(work, join(folder, next), world);
    throw new ReconcileError(
      'retryable',
      'UpgradeFailed',
      `the data stays with ${want.type} ${from.series}, which serves again: ${message}`,
      { cause: error },
    );
  }
  await endWorkers(work, world);
  await world.host.renameFolder(join(folder, next), join(folder, slotName('verified', to.series)));
}

/** It says nothing of the upgrade: tried again where it was. */
function isOfMachine(error: unknown): boolean {
  return (
    error instanceof ReconcileError ||
    (error instanceof DriverError && error.code === 'unavailable' && /docker/i.test(error.message))
  );
}

/** Each rename may have been done already. */
export async function switchData(
  { want, folder, old, verified, data }: Extract<AddonWork, { type: 'SwitchData' }>,
  world: Writing,
): Promise<void> {
  await removeContainers(want.document.metadata.uid, world);
  if (old) await world.host.renameFolder(join(folder, old.name), join(folder, old.kept));
  await world.host.renameFolder(join(folder, verified), join(folder, data));
}

async function removeContainers(uid: string, { docker }: Writing): Promise<void> {
  const own = [uid, ...workerUids(uid)];
  for (const { id, labels } of await docker.containers()) {
    if (!own.includes(labels[LABEL.uid] ?? '')) continue;
    await docker.setRestartPolicy(id, 'no').catch(unlessGone);
    await docker.stop(id, SERVER_STOP_SECONDS).catch(unlessGone);
    await docker.remove(id);
  }
}

function unlessGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

async function prepare(path: string, run: Run, { host }: Writing): Promise<string[]> {
  const left = run.resumed as unknown as Checkpoint | undefined;
  if (left && path.endsWith(`/${left.next}`) && (await host.folderExists(path))) return [...left.done];
  await host.removeFolder(path);
  await host.ensureFolder(path, { mode: 0o700 });
  return [];
}

const leaseOwner = ({ want }: UpgradeWork, role: Role) => workerUid(want.document.metadata.uid, role);

async function startWorker(
  work: UpgradeWork,
  role: Role,
  image: ChosenImage,
  slot: string,
  world: Writing,
  run: Run,
): Promise<RunningServer> {
  const { want, folder } = work;
  const { details } = image;
  if (!details || !want.network) throw new Error('the upgrade was planned before its images were known');
  const owner = leaseOwner(work, role);
  if (world.leases.of(ADDRESS_POOL, owner) === undefined)
    await leaseAddress({ uid: owner, network: want.network }, world.leases);
  const address = world.leases.of(ADDRESS_POOL, owner) ?? '';
  const profile = await findProfile(world.host);
  const spec = containerSpec(
    containerInputs(want, { image, details, folder, address, world, profile, slot }),
  );
  run.progress(undefined, `starts ${want.type} ${image.series} beside`);
  const id = await world.docker.createContainer({
    ...spec,
    name: `${spec.name}-${role}`,
    restartPolicy: 'no',
    // A uid of its own: of what belongs to the Addon itself never two run.
    labels: { ...spec.labels, [LABEL.uid]: workerUid(want.document.metadata.uid, role) },
  });
  await world.docker.start(id);
  await answers(want, address, id, world, run.signal);
  return { ...serverOf(want, address), name: `${want.type} ${image.series}`, container: id };
}

async function copyAll(
  old: RunningServer,
  copy: RunningServer,
  { next, done }: Checkpoint,
  { databases }: Writing,
  run: Run,
): Promise<void> {
  await databases.copyAccounts(old, copy);
  const names = await databases.databases(old);
  for (const [index, name] of names.entries()) {
    if (done.includes(name)) continue;
    run.progress((index / names.length) * 100, `copies ${name} (${index + 1} of ${names.length})`);
    await databases.restore(copy, name, await databases.dump(old, name, run.signal), run.signal);
    run.progress(((index + 0.7) / names.length) * 100, `compares ${name}`);
    requireSame(name, await databases.contents(old, name), await databases.contents(copy, name));
    done.push(name);
    await run.checkpoint({ next, done: [...done] });
  }
  await databases.copySettings(old, copy);
  const copied = await databases.databases(copy);
  if (!isDeepStrictEqual([...copied].sort(), [...names].sort()))
    throw new Error(`the copy has the databases ${copied.join(', ')}, the original ${names.join(', ')}`);
}

function requireSame(name: string, before: DatabaseContents, after: DatabaseContents): void {
  const tables = new Set([...Object.keys(before.tables), ...Object.keys(after.tables)]);
  for (const table of tables) {
    const [had, has] = [before.tables[table], after.tables[table]];
    if (had && has && had.rows === has.rows && had.sum === has.sum) continue;
    const count = (side: typeof had) => (side ? `${side.rows} rows` : 'no such table');
    const what = had?.rows === has?.rows ? 'other rows' : `${count(has)}`;
    throw new Error(
      `the copy of ${name} is not as the original: ${table} has ${what}, and had ${count(had)}`,
    );
  }
  const others = new Set([...Object.keys(before.others), ...Object.keys(after.others)]);
  for (const what of others) {
    const [had, has] = [before.others[what], after.others[what]];
    if (had === has) continue;
    throw new Error(
      `the copy of ${name} is not as the original: ${what}: ${has ?? 'none'}, was ${had ?? 'none'}`,
    );
  }
}

async function endWorkers(work: UpgradeWork, world: Writing): Promise<void> {
  for (const role of ['old', 'new'] as const) {
    const address = world.leases.of(ADDRESS_POOL, leaseOwner(work, role));
    if (address !== undefined) await world.databases.disconnect(serverOf(work.want, address));
  }
  await removeContainers(work.want.document.metadata.uid, world);
  for (const role of ['old', 'new'] as const)
    await world.leases.release(ADDRESS_POOL, leaseOwner(work, role));
}

async function giveUp(work: UpgradeWork, next: string, world: Writing): Promise<void> {
  await endWorkers(work, world);
  await world.host.removeFolder(next);
}
