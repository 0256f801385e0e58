/**
 * From what an Addon should be and what is there to the steps between. Pure. Data is never removed here but for what an upgrade made and
 * did not finish, old data whose time is over, and where a deletion says so.
 */

import { join } from 'node:path';
import type { Because, Step } from '../../controller/engine/contract.ts';
import { ANNOTATION, type Json } from '../../resources/document.ts';
import { inSubnet, type Network } from '../container/address.ts';
import { wasAsWanted } from '../container/converged.ts';
import {
  type ContainerInputs,
  canonicalSettings,
  containerName,
  containerSpec,
  restartPolicyOf,
  settingsDifferences,
  settingsHash,
} from '../container/description.ts';
import { choose, isUp, type SeenContainer } from '../container/seen.ts';
import { wishes } from '../container/wishes.ts';
import type { ContainerSpec, RegistryAuth } from '../drivers/docker/index.ts';
import type { AddonHave, ChosenImage } from './observe.ts';
import { PASSWORD_FILE, USERS_FILE } from './server.ts';
import { keptName, slotName } from './slots.ts';
import type { AddonWant, Obstacle } from './want.ts';

export interface UpgradeWork {
  type: 'UpgradeData';
  want: AddonWant;
  folder: string;
  from: ChosenImage;
  to: ChosenImage;
}

/** What each step needs to be done. Never printed: it may hold secret values. */
export type AddonWork =
  | { type: 'LeaseAddress'; uid: string; network: Network }
  | { type: 'CreateCredentials'; want: AddonWant; kept: string | undefined }
  | { type: 'CreateFolders'; folders: readonly string[] }
  | { type: 'WriteSecrets'; folder: string; files: Readonly<Record<string, string>> }
  | { type: 'PullImage'; image: string; auth?: RegistryAuth; secret?: string }
  | { type: 'CreateContainer'; spec?: ContainerSpec }
  | { type: 'StartContainer'; want: AddonWant; hash: string; address: string }
  | {
      type: 'SwitchContainer';
      want: AddonWant;
      hash: string;
      address: string;
      replaced: readonly string[];
    }
  | { type: 'UnpauseContainer'; id: string }
  | { type: 'SetRestartPolicy'; id: string }
  | { type: 'RestartContainer'; want: AddonWant; id: string; address: string }
  | { type: 'RemoveContainer'; id: string }
  | { type: 'RenameContainer'; uid: string; hash: string; name: string }
  | { type: 'RemoveVolumes'; names: readonly string[] }
  | UpgradeWork
  | {
      type: 'SwitchData';
      want: AddonWant;
      folder: string;
      old?: { name: string; kept: string };
      verified: string;
      data: string;
    }
  | { type: 'RemoveFolder'; folder: string }
  | { type: 'ReleaseAddress'; uid: string };

export interface AddonStep extends Step {
  readonly type: AddonWork['type'];
  readonly work: AddonWork;
}

const POLICY = 'restartPolicy';
const UPGRADE_SECONDS = 6 * 3600;
/** Days that old data stays. */
const KEEP_DAYS = 7;

/** A person must change something. */
export function obstacle(want: AddonWant, have: AddonHave): Obstacle | undefined {
  if (want.deleting) return undefined;
  if (have.slots.data.length > 1) {
    const names = have.slots.data.map(({ name }) => name).join(', ');
    const message = `${have.folder} holds ${names}: leave the one that is to be served, and move the others away`;
    return { reason: 'DataAmbiguous', message };
  }
  return rolledBack(want, have);
}

/** This very container was tried, did not come up, and the one before serves: not tried again by itself. */
function rolledBack(want: AddonWant, have: AddonHave): Obstacle | undefined {
  const { rollout } = want.document.status ?? {};
  if (rollout?.state !== 'failed' || !have.inputs) return undefined;
  const hash = settingsHash(canonicalSettings(have.inputs));
  if (rollout.hash !== hash || !have.containers.some((container) => container.hash !== hash))
    return undefined;
  if (wishes(want.document) !== (rollout.asked ?? '')) return undefined;
  return { reason: 'RolloutFailed', message: rollout.message ?? 'the new container did not start' };
}

/** What must be there first and comes by itself. */
export function waitsFor(want: AddonWant, have: AddonHave): Obstacle | undefined {
  if (want.waiting) return want.waiting;
  if (have.networkGone) {
    const message = `waits for the network ${want.network?.name ?? ''}, which was removed; platform/platform makes it again`;
    return { reason: 'PlatformNotReady', message };
  }
  const leaving = [...have.containers, ...have.workers].find(({ state }) => state === 'removing');
  if (!leaving) return undefined;
  return { reason: 'ContainerLeaving', message: `waits until Docker has removed ${leaving.name}` };
}

export function diffAddon(want: AddonWant, have: AddonHave): AddonStep[] {
  if (want.deleting) return teardown(want, have);
  if (obstacle(want, have) ?? waitsFor(want, have)) return [];
  return [
    ...leaseAddress(want, have),
    ...credentials(want, have),
    ...folders(want, have),
    ...secrets(want, have),
    ...pullImage(want, have),
    ...upgradeSteps(want, have),
    ...(isUpgrading(want, have) ? [] : serve(want, have)),
  ];
}

/** The data is of one version, and one server is on it. */
function serve(want: AddonWant, have: AddonHave): AddonStep[] {
  return [
    ...endWorkers(want, have),
    ...containerSteps(want, have),
    ...removeVolumes(want, have, 'drift'),
    ...releaseHeld(want, have),
    ...removeOld(want, have),
  ];
}

/** Servers that an upgrade ran which nobody wants any more: gone before another is started on the same data. */
function endWorkers(want: AddonWant, { workers }: AddonHave): AddonStep[] {
  return workers.map((worker) =>
    removeContainer(want, worker, because(want, 'container', worker.name, null, 'no upgrade is on')),
  );
}

/** Addresses of servers that an upgrade ran and did not come to the end of. */
function releaseHeld(want: AddonWant, { heldAddresses }: AddonHave): AddonStep[] {
  return heldAddresses.map((uid) =>
    step(
      { type: 'ReleaseAddress', uid },
      {
        target: `address/${uid}`,
        action: 'delete',
        message: 'give back an address that an upgrade had',
        because: because(want, 'address', uid, null, 'no upgrade is on'),
      },
    ),
  );
}

function step(
  work: AddonWork,
  fields: Omit<AddonStep, 'type' | 'action' | 'impact' | 'work'> &
    Partial<Pick<AddonStep, 'action' | 'impact'>>,
): AddonStep {
  return { action: 'change', impact: 'none', ...fields, type: work.type, work };
}

function because(want: AddonWant, field: string, found: Json, wanted: Json, cause?: string): Because[] {
  return [{ field, found, wanted, cause: cause ?? want.cause() }];
}

function causeOf(want: AddonWant): string {
  return wasAsWanted(want.document) ? 'drift' : want.cause();
}

function leaseAddress(want: AddonWant, have: AddonHave): AddonStep[] {
  if (have.address !== undefined && inSubnet(have.address, want.network)) return [];
  const { uid } = want.document.metadata;
  const network = want.network ?? { subnet: '', gateway: '' };
  return [
    step(
      { type: 'LeaseAddress', uid, network },
      {
        target: `address/${uid}`,
        action: 'create',
        message: `take a free address of ${network.subnet}`,
        because: because(want, 'status.address', have.address ?? null, 'an address of the network'),
        replan: true,
        knownLater: ['address'],
      },
    ),
  ];
}

function credentials(want: AddonWant, have: AddonHave): AddonStep[] {
  if (want.password !== undefined) return [];
  const kept = have.passwordFile;
  return [
    step(
      { type: 'CreateCredentials', want, kept },
      {
        target: `credentials/${want.document.metadata.name}`,
        action: 'create',
        message:
          kept === undefined
            ? "make the administrator's password"
            : "take over the administrator's password of the data",
        because: because(want, 'credentials', null, "the administrator's password"),
        replan: true,
        knownLater: ['credentials'],
      },
    ),
  ];
}

function folders(want: AddonWant, have: AddonHave): AddonStep[] {
  // While an upgrade is on, the folder of the new data is its own affair.
  const missing = have.missingFolders;
  if (missing.length === 0 || have.slots.verified.length > 0) return [];
  return [
    step(
      { type: 'CreateFolders', folders: missing },
      {
        target: `folders/${want.document.metadata.name}`,
        action: 'create',
        message: `make ${missing.join(', ')}`,
        because: because(want, 'data', null, missing, causeOf(want)),
      },
    ),
  ];
}

/** Written again where they differ; that restarts nothing. */
function secrets(want: AddonWant, have: AddonHave): AddonStep[] {
  const { password, usersFile } = want;
  if (password === undefined) return [];
  const files: Record<string, string> = {};
  if (have.passwordFile !== password) files[PASSWORD_FILE] = password;
  if (usersFile !== undefined && have.usersFile !== usersFile) files[USERS_FILE] = usersFile;
  const names = Object.keys(files);
  if (names.length === 0) return [];
  return [
    step(
      { type: 'WriteSecrets', folder: join(have.folder, 'secret'), files },
      {
        target: `secrets/${want.document.metadata.name}`,
        message: `write ${names.join(', ')} for the server to read`,
        because: names.map((name) => ({ field: `secret.${name}`, cause: causeOf(want) })),
      },
    ),
  ];
}

function pullImage(want: AddonWant, have: AddonHave): AddonStep[] {
  const { imagePullSecret: secret } = want.document.spec;
  return [have.present, have.image].flatMap((image) => {
    if (!image || image.details) return [];
    const { auth } = want;
    return [
      step(
        {
          type: 'PullImage',
          image: image.ref,
          ...(auth ? { auth } : {}),
          ...(secret === undefined ? {} : { secret }),
        },
        {
          target: `image/${image.ref}`,
          action: 'create',
          message: `pull ${image.ref}`,
          because: because(want, 'image', null, image.ref),
          deadlineSeconds: 3600,
          interruptible: true,
          replan: true,
          knownLater: ['digest'],
        },
      ),
    ];
  });
}

/** The data is between two versions: nothing is started on it. */
export function isUpgrading(want: AddonWant, have: AddonHave): boolean {
  return !want.deleting && (have.present !== undefined || wantedVerified(have) !== undefined);
}

/** Where the old data has made room already the copy takes its place, whatever is wanted by now: nothing is started on nothing. */
function wantedVerified({ slots, image }: AddonHave) {
  const copy = slots.verified.find(({ series }) => series === image.series);
  return copy ?? (slots.data.length === 0 ? slots.verified[0] : undefined);
}

function upgradeSteps(want: AddonWant, have: AddonHave): AddonStep[] {
  const verified = wantedVerified(have);
  if (verified) return [switchData(want, have, verified)];
  const { present: from, image: to } = have;
  if (!from?.details || !to.details) return [];
  return [
    step(
      { type: 'UpgradeData', want, folder: have.folder, from, to },
      {
        target: `data/${want.document.metadata.name}`,
        impact: 'replace',
        message: `copy the data from ${want.type} ${from.series} to ${to.series}, compare, and keep the old; Apps wait meanwhile`,
        because: because(want, 'version', from.series, to.series),
        deadlineSeconds: UPGRADE_SECONDS,
        replan: true,
      },
    ),
  ];
}

function switchData(want: AddonWant, have: AddonHave, verified: { name: string; series: string }): AddonStep {
  const [data] = have.slots.data;
  const now = new Date(have.now).toISOString();
  return step(
    {
      type: 'SwitchData',
      want,
      folder: have.folder,
      verified: verified.name,
      data: slotName('data', verified.series),
      ...(data ? { old: { name: data.name, kept: keptName(data.series, now) } } : {}),
    },
    {
      target: `data/${want.document.metadata.name}`,
      message: 'put the compared copy in the place of the old data, which is kept',
      because: because(want, 'version', data?.series ?? null, verified.series),
      replan: true,
    },
  );
}

function containerSteps(want: AddonWant, have: AddonHave): AddonStep[] {
  const { name, uid } = want.document.metadata;
  const settings = have.inputs ? canonicalSettings(have.inputs) : undefined;
  const address = have.address ?? '';
  const hash = settings && address !== '' ? settingsHash(settings) : '';
  const { current, others, replaced } = choose(have.containers, hash, hasDrifted);
  const target = `container/${containerName(name, 'Addon')}`;
  const reasons = current && !replaced ? [] : containerReasons(want, settings, replaced);
  const steps: AddonStep[] = [];
  if (!current) {
    const spec = have.inputs && {
      ...containerSpec(have.inputs),
      name: freeName(have.inputs, have.containers),
    };
    const message = replaced ? 'make the new container beside the old one' : 'make the container';
    const work: AddonWork = { type: 'CreateContainer', ...(spec ? { spec } : {}) };
    steps.push(step(work, { target, action: 'create', message, because: reasons, aim: hash }));
  }
  if (current?.state === 'paused') {
    const reason = because(want, 'container.state', 'paused', 'running', 'drift');
    const message = 'let the frozen container go on';
    steps.push(step({ type: 'UnpauseContainer', id: current.id }, { target, message, because: reason }));
  }
  if (replaced) {
    steps.push(
      step(
        { type: 'SwitchContainer', want, hash, address, replaced: others.map(({ id }) => id) },
        {
          target,
          impact: 'restart',
          message: 'stop the old container, start the new one, and go back if its server does not answer',
          because: reasons,
          aim: hash,
          // Longer than what a server has to answer, so that there is time to go back.
          deadlineSeconds: 900,
        },
      ),
    );
  } else if (!current || !isUp(current)) {
    const reason = current
      ? because(want, 'container.state', current.state, 'running', causeOf(want))
      : reasons;
    const message = 'start the server and wait until it answers';
    steps.push(
      step(
        { type: 'StartContainer', want, hash, address },
        { target, message, because: reason, deadlineSeconds: 900 },
      ),
    );
  } else steps.push(...keepRunning(want, current, target, address));
  steps.push(...others.map((container) => removeContainer(want, container, reasons)));
  const ownName = current?.name === containerName(name, 'Addon') || (!current && !replaced);
  if (!ownName) {
    const wanted = containerName(name, 'Addon');
    const reason = because(want, 'container.name', current?.name ?? `${wanted}-next`, wanted);
    const work: AddonWork = { type: 'RenameContainer', uid, hash, name: wanted };
    steps.push(step(work, { target, message: 'give it the name of the Addon', because: reason }));
  }
  return steps;
}

/** The policy that it has now. */
function found({ details }: SeenContainer): string {
  return details?.settings.restartPolicy ?? 'another';
}

function keepRunning(want: AddonWant, current: SeenContainer, target: string, address: string): AddonStep[] {
  if (current.state === 'paused') return [];
  const steps: AddonStep[] = [];
  if (current.drift.some(({ field }) => field === POLICY)) {
    const wanted = restartPolicyOf('Addon');
    const reason = because(want, `container.${POLICY}`, found(current), wanted, 'drift');
    const message = 'have it started by Holdfast alone, in its turn';
    steps.push(step({ type: 'SetRestartPolicy', id: current.id }, { target, message, because: reason }));
  }
  const asked = want.document.metadata.annotations?.[ANNOTATION.restartedAt];
  const startedAt = current.details?.startedAt;
  if (asked === undefined || asked === want.document.status?.restartedAt) return steps;
  if (startedAt === undefined || Date.parse(startedAt) >= Date.parse(asked)) return steps;
  const field = `metadata.annotations.${ANNOTATION.restartedAt}`;
  steps.push(
    step(
      { type: 'RestartContainer', want, id: current.id, address },
      {
        target,
        impact: 'restart',
        message: 'restart the server',
        because: because(want, field, startedAt, asked, 'a restart was asked for'),
        deadlineSeconds: 600,
      },
    ),
  );
  return steps;
}

function hasDrifted({ drift }: SeenContainer): boolean {
  return drift.some(({ field }) => field !== POLICY);
}

function freeName({ owner }: ContainerInputs, containers: readonly SeenContainer[]): string {
  const taken = new Set(containers.map(({ name }) => name));
  const own = containerName(owner.name, 'Addon');
  let name = own;
  for (let number = 1; taken.has(name); number += 1) name = `${own}-next${number === 1 ? '' : number}`;
  return name;
}

function containerReasons(
  want: AddonWant,
  settings: Record<string, Json> | undefined,
  old: SeenContainer | undefined,
): Because[] {
  const { name, generation } = want.document.metadata;
  if (!old || !settings)
    return because(want, 'container', old?.name ?? null, containerName(name, 'Addon'), causeOf(want));
  const cause = old.generation === String(generation) ? 'drift or an upgrade of Holdfast' : want.cause();
  return [
    ...settingsDifferences(old.settings, settings).map((difference) => ({ ...difference, cause })),
    ...old.drift.map((difference) => ({ ...difference, cause: 'drift' })),
  ];
}

function removeContainer(want: AddonWant, container: SeenContainer, reasons: Because[]): AddonStep {
  const short = container.id.slice(0, 12);
  const why = because(want, 'container', container.name, null, 'another one serves');
  return step(
    { type: 'RemoveContainer', id: container.id },
    {
      target: `container/${short}`,
      action: 'delete',
      message: `remove the container ${container.name}`,
      because: reasons.length > 0 ? reasons : why,
    },
  );
}

/** Scratch space, and mounts of data folders: never the data. */
function removeVolumes(want: AddonWant, { leftVolumes: names }: AddonHave, cause: string): AddonStep[] {
  if (names.length === 0) return [];
  return [
    step(
      { type: 'RemoveVolumes', names },
      {
        target: `volumes/${want.document.metadata.name}`,
        action: 'delete',
        message: `remove ${names.join(', ')}, whose container is gone`,
        because: because(want, 'volumes', [...names], null, cause),
      },
    ),
  ];
}

export function keptUntil({ document }: AddonWant, since: number): number {
  return since + (document.spec.keepOldData ?? KEEP_DAYS) * 86_400_000;
}

/** Unfinished copies that nobody goes on with, and old data whose time is over while the new is served. */
function removeOld(want: AddonWant, have: AddonHave): AddonStep[] {
  const { slots, folder, answer } = have;
  const unfinished = [...slots.next, ...slots.verified].map(({ name }) => name);
  const serves = slots.data.length === 1 && answer !== undefined && 'version' in answer;
  const over = serves ? slots.kept.filter(({ since }) => keptUntil(want, since) <= have.now) : [];
  const remove = (name: string, why: string): AddonStep =>
    step(
      { type: 'RemoveFolder', folder: join(folder, name) },
      {
        target: `data/${want.document.metadata.name}/${name}`,
        action: 'delete',
        message: `remove ${name}: ${why}`,
        because: because(want, 'data', name, null, why),
      },
    );
  return [
    ...unfinished.map((name) => remove(name, 'an upgrade left it unfinished')),
    ...over.map(({ name }) => remove(name, 'the time that old data is kept is over')),
  ];
}

function teardown(want: AddonWant, have: AddonHave): AddonStep[] {
  const { name, uid } = want.document.metadata;
  const cause = `addon/${name} is deleted`;
  const steps = [...have.containers, ...have.workers].map((container) =>
    removeContainer(want, container, because(want, 'container', container.name, null, cause)),
  );
  steps.push(...removeVolumes(want, have, cause), ...releaseHeld(want, have));
  if (have.address !== undefined) {
    const reason = because(want, 'status.address', have.address, null, cause);
    const message = `give back ${have.address}`;
    steps.push(
      step(
        { type: 'ReleaseAddress', uid },
        { target: `address/${uid}`, action: 'delete', message, because: reason },
      ),
    );
  }
  if (want.deleteData && !have.missingFolders.includes(have.folder)) {
    steps.push(
      step(
        { type: 'RemoveFolder', folder: have.folder },
        {
          target: `data/${name}`,
          action: 'delete',
          impact: 'data-loss',
          message: `delete all data of addon/${name}`,
          because: because(want, 'data', name, null, cause),
        },
      ),
    );
  }
  return steps;
}
