/** Does one step for an Addon. Each may be done twice. */
import { delay } from '../../controller/clock.ts';
import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import { API_VERSION } from '../../resources/document.ts';
import { ADDRESS_POOL, leaseAddress } from '../container/address.ts';
import { restartPolicyOf } from '../container/description.ts';
import { find, isGone, pull, start, switchContainer, tellFailure } from '../container/work.ts';
import { newPassword } from '../password.ts';
import { PASSWORD_KEY } from '../secret-value.ts';
import type { Writing } from '../world.ts';
import { answers } from './answers.ts';
import type { AddonStep, AddonWork } from './diff.ts';
import { serverOf } from './observe.ts';
import { SERVER_STOP_SECONDS } from './server.ts';
import { switchData, upgradeData } from './upgrade.ts';
import { addonSecretName } from './want.ts';

export async function convergeAddon({ work }: AddonStep, world: Writing, run: Run): Promise<void> {
  try {
    await doWork(work, world, run);
  } catch (error) {
    const isOfContainer = /Container$|^SetRestartPolicy$/.test(work.type) && work.type !== 'CreateContainer';
    if (!isOfContainer || !isGone(error)) throw error;
    // Docker tells of it, which wakes the Addon again.
    throw new ReconcileError('waiting', 'ContainerGone', error.message, { cause: error });
  }
}

async function doWork(work: AddonWork, world: Writing, run: Run): Promise<void> {
  const { docker, host } = world;
  switch (work.type) {
    case 'LeaseAddress':
      return leaseAddress(work, world.leases);
    case 'CreateCredentials':
      return createCredentials(work, world, run);
    case 'CreateFolders':
      for (const folder of work.folders) await host.ensureFolder(folder, { mode: modeOf(folder) });
      return;
    case 'WriteSecrets':
      for (const [name, text] of Object.entries(work.files))
        await host.writeFile(`${work.folder}/${name}`, text, { mode: 0o444 });
      return;
    case 'PullImage':
      return pull(work, world, run);
    case 'CreateContainer':
      if (!work.spec) throw new Error('the container was planned before its image and address were known');
      await docker.createContainer(work.spec);
      return;
    case 'StartContainer':
      return inTurn(() => startServer(work, world, run), world, run);
    case 'SwitchContainer':
      return inTurn(() => switchServer(work, world, run), world, run);
    case 'UnpauseContainer':
      return docker.unpause(work.id);
    case 'SetRestartPolicy':
      return docker.setRestartPolicy(work.id, restartPolicyOf('Addon'));
    case 'RestartContainer':
      await world.databases.disconnect(serverOf(work.want, work.address));
      return docker.restart(work.id, SERVER_STOP_SECONDS);
    case 'RemoveContainer':
      await docker.stop(work.id, SERVER_STOP_SECONDS).catch(unlessGone);
      return docker.remove(work.id);
    case 'RenameContainer':
      return docker.rename((await find(work, world)).id, work.name);
    case 'RemoveVolumes':
      for (const name of work.names) await docker.removeVolume(name);
      return;
    case 'UpgradeData':
      return upgradeData(work, world, run);
    case 'SwitchData':
      return switchData(work, world);
    case 'RemoveFolder':
      return host.removeFolder(work.folder);
    case 'ReleaseAddress':
      return world.leases.release(ADDRESS_POOL, work.uid);
  }
}

type Work<T extends AddonWork['type']> = Extract<AddonWork, { type: T }>;

/** One that does not come to answer holds up the others for so long; it is waited for beside them then. */
const TURN_MILLISECONDS = 60_000;

/** Databases start one after another: the next one when this one answers, or its turn is over. */
async function inTurn(start: () => Promise<void>, { startTurns, clock }: Writing, run: Run): Promise<void> {
  run.progress(undefined, 'waits for its turn: databases start one after another');
  let starting: Promise<void> | undefined;
  await startTurns.run(async () => {
    starting = start();
    const turn = new AbortController();
    const over = delay(clock, TURN_MILLISECONDS, turn.signal).catch(() => undefined);
    await Promise.race([starting, over]).finally(() => turn.abort());
  }, run.signal);
  await starting;
}

/** Only root reaches what is in an Addon's folder; inside the container the server's own user reads its secrets. */
function modeOf(folder: string): number {
  return /\/secret$/.test(folder) ? 0o755 : 0o700;
}

function unlessGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

async function createCredentials({ want, kept }: Work<'CreateCredentials'>, { clock }: Writing, run: Run) {
  const { name } = want.document.metadata;
  const password = kept ?? newPassword(clock);
  await run.documents.apply(want.document, {
    apiVersion: API_VERSION,
    kind: 'Secret',
    metadata: { name: addonSecretName(name) },
    spec: { stringData: { [PASSWORD_KEY]: password } },
  });
}

/** Until the server itself answers: the container may be up long before. */
async function startServer({ want, hash, address }: Work<'StartContainer'>, world: Writing, run: Run) {
  const { uid } = want.document.metadata;
  await world.databases.disconnect(serverOf(want, address));
  await start(await find({ uid, hash }, world), world);
  const { id } = await find({ uid, hash }, world);
  run.progress(undefined, 'waits until the server answers');
  try {
    await answers(want, address, id, world, run.signal);
  } catch (error) {
    if (run.signal.aborted || isGone(error)) throw error;
    const text = await tellFailure(error, await find({ uid, hash }, world), world);
    throw new ReconcileError('retryable', 'StartFailed', text, { cause: error });
  }
}

async function switchServer(
  { want, hash, address, replaced }: Work<'SwitchContainer'>,
  world: Writing,
  run: Run,
) {
  await world.databases.disconnect(serverOf(want, address));
  await switchContainer(
    {
      uid: want.document.metadata.uid,
      hash,
      replaced,
      stopSeconds: SERVER_STOP_SECONDS,
      signal: run.signal,
      prove: ({ id }) => answers(want, address, id, world, run.signal),
    },
    world,
  );
}
