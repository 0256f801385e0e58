/**
 * From what an App should be and what is there to the steps between. Pure: the same list is printed as a plan and run.
 *
 *   wanted container    others of ours        steps
 *   ------------------  --------------------  --------------------------------------------------------
 *   missing             none                  create, start
 *   missing             some                  create beside it, switch (stop old, start new, prove), remove old
 *   stands still        none                  start
 *   stands still        some                  switch, remove old
 *   runs                some                  the same: a switch that was cut off had proven nothing
 *   runs                some, made for the    remove them: left from a loop
 *                       same, none up
 *   runs, but changed behind our back         counts as another one: a fresh one is made
 */
import type { Because, Step } from '../../controller/engine/contract.ts';
import { ANNOTATION, API_VERSION, type Json, type Manifest } from '../../resources/document.ts';
import { inSubnet, type Network } from '../container/address.ts';
import { changedFields } from '../container/canonical.ts';
import { wasAsWanted } from '../container/converged.ts';
import {
  canonicalSettings,
  containerName,
  containerSpec,
  digest,
  settingsDifferences,
  settingsHash,
} from '../container/description.ts';
import { choose, isUp, type SeenContainer } from '../container/seen.ts';
import { wishes } from '../container/wishes.ts';
import { type ContainerSpec, LABEL, type RegistryAuth } from '../drivers/docker/index.ts';
import type { ProbeTarget } from '../drivers/probe/index.ts';
import type { AppHave } from './observe.ts';
import { portsOf } from './ports.ts';
import { CERTIFICATE_PATH, certificateMissing } from './tls.ts';
import type { AppDocument, AppWant, Obstacle } from './want.ts';

/** What each step needs to be done. Never printed: it may hold secret values. */
export type AppWork =
  | { type: 'LeaseAddress'; uid: string; network: Network }
  | { type: 'ApplySite'; owner: AppDocument; site: Manifest }
  | { type: 'DeleteSite'; name: string }
  | { type: 'ApplyRecord'; owner: AppDocument; record: Manifest }
  | { type: 'DeleteRecord'; name: string }
  | { type: 'ApplyBinding'; owner: AppDocument; binding: Manifest }
  | { type: 'DeleteBinding'; name: string; data: boolean }
  | { type: 'ApplyTask'; owner: AppDocument; task: Manifest }
  | { type: 'DeleteTask'; name: string }
  | { type: 'CreateFolders'; folders: readonly string[] }
  | { type: 'PullImage'; image: string; auth?: RegistryAuth; secret?: string }
  | { type: 'CreateContainer'; spec?: ContainerSpec }
  | { type: 'StartContainer'; uid: string; hash: string }
  | {
      type: 'SwitchContainer';
      uid: string;
      hash: string;
      replaced: readonly string[];
      probe?: ProbeTarget;
    }
  | { type: 'StopContainer'; id: string }
  | { type: 'UnpauseContainer'; id: string }
  | { type: 'SetRestartPolicy'; id: string }
  | { type: 'RestartContainer'; id: string; asked: string }
  | { type: 'RemoveContainer'; id: string; afterSite?: string; afterTasks?: readonly string[] }
  | { type: 'RemoveVolumes'; names: readonly string[] }
  | { type: 'RenameContainer'; uid: string; hash: string; name: string }
  | { type: 'WriteCertificate'; file: string; folder: string }
  | { type: 'RemoveCertificates'; folders: readonly string[] }
  | { type: 'ReleaseAddress'; uid: string }
  | { type: 'DeleteData'; folder: string };

export interface AppStep extends Step {
  readonly type: AppWork['type'];
  readonly work: AppWork;
}

const POLICY = 'restartPolicy';

/** Why there are no steps although things are not as wanted, or undefined. */
export function obstacle(want: AppWant, have: AppHave): Obstacle | undefined {
  if (want.deleting) return undefined;
  return want.blocked ?? portInUse(want, have) ?? rolledBack(want, have);
}

/** Found before anything is changed: Docker would say it only when the old container has stopped. */
function portInUse(want: AppWant, have: AppHave): Obstacle | undefined {
  const [first] = have.takenPorts;
  if (!first || want.app.state === 'stopped') return undefined;
  const message = `port ${first.port} is held by ${first.by}: stop that, or choose another in spec.ports`;
  return { reason: 'PortInUse', message };
}

/** This very container was tried, did not come up, and the one before serves: not tried again by itself. */
function rolledBack(want: AppWant, have: AppHave): Obstacle | undefined {
  const rollout = want.document.status?.rollout;
  if (rollout?.state !== 'failed' || !have.inputs || want.app.state === 'stopped') return undefined;
  // Another one is on its way, with an account that is not there yet.
  if (partMissing(want, have)) return undefined;
  const hash = settingsHash(canonicalSettings(have.inputs));
  if (rollout.hash !== hash || !have.containers.some((container) => container.hash !== hash))
    return undefined;
  if (wishes(want.document) !== (rollout.asked ?? '')) return undefined;
  return { reason: 'RolloutFailed', message: rollout.message ?? 'the new container did not start' };
}

/** The one before is to serve: where it does not run, such as for a port that another had, or as somebody stopped it, it is started. */
function bringBack(want: AppWant, have: AppHave): AppStep[] {
  const [newest] = have.containers;
  if (!newest || have.containers.some(isUp)) return [];
  const { name, uid } = want.document.metadata;
  return [
    step(
      { type: 'StartContainer', uid, hash: newest.hash },
      {
        target: `container/${containerName(name)}`,
        message: 'start the container before, for the new one did not come up',
        because: because(want, 'container.state', newest.state, 'running', 'drift'),
      },
    ),
  ];
}

/** Whether this container was started since a restart of it was asked for. */
export function wasRestarted(asked: string, want: AppWant, current: SeenContainer | undefined): boolean {
  const startedAt = current?.details?.startedAt;
  if (startedAt === undefined) return false;
  const restart = want.document.status?.restart;
  return restart?.asked === asked ? startedAt !== restart.before : Date.parse(startedAt) >= Date.parse(asked);
}

/** What must be there first and comes by itself, or undefined. */
export function waitsFor(want: AppWant, have: AppHave): Obstacle | undefined {
  if (want.waiting) return want.waiting;
  if (have.networkGone) {
    const message = `waits for the network ${want.network?.name ?? ''}, which was removed; platform/platform makes it again`;
    return { reason: 'PlatformNotReady', message };
  }
  if (want.diskFull !== undefined && !have.image && want.app.state !== 'stopped') {
    const message = `waits with pulling ${want.app.image}: ${want.diskFull}`;
    return { reason: 'DiskPressure', message };
  }
  // It has the name and the address until it is gone.
  const leaving = have.containers.find(({ state }) => state === 'removing');
  if (!leaving) return undefined;
  return { reason: 'ContainerLeaving', message: `waits until Docker has removed ${leaving.name}` };
}

export function diffApp(want: AppWant, have: AppHave): AppStep[] {
  const { heard } = have;
  const steps = stepsOf(want, have);
  if (heard === undefined) return steps;
  const known = (reason: Because): Because =>
    reason.cause === 'drift' ? { ...reason, known: heard } : reason;
  return steps.map((one) => ({ ...one, because: one.because.map(known) }));
}

function stepsOf(want: AppWant, have: AppHave): AppStep[] {
  if (want.deleting) return teardown(want, have);
  if (want.blocked) return [];
  // Its names follow the machine's address also while its container waits for something.
  const names = [...applyRecords(want), ...deleteRecords(want, 'the App has this name no more')];
  const stopped = obstacle(want, have);
  const waits = waitsFor(want, have);
  if (stopped ?? waits) {
    const back = stopped?.reason === 'RolloutFailed' && !waits ? bringBack(want, have) : [];
    return [...names, ...givePortsUp(want, have), ...back];
  }
  const steps: AppStep[] = [...names];
  if (have.address === undefined || !inSubnet(have.address, want.network))
    steps.push(leaseAddress(want, have));
  const site = applySite(want, have);
  if (site) steps.push(site);
  steps.push(...applyBindings(want), ...applyTasks(want));
  steps.push(...deleteTasks(want, 'the App has it no more'));
  if (want.app.state === 'stopped')
    return [...steps, ...stop(want, have), ...removeVolumes(want, have, 'drift')];
  steps.push(...createFolders(want, have), ...pullImage(want, have));
  // What runs goes on; a container for what is not there yet would only end again and again.
  if (partMissing(want, have)) return steps;
  steps.push(...writeCertificate(want, have));
  steps.push(...containerSteps(want, have), ...removeVolumes(want, have, 'drift'));
  steps.push(...removeCertificates(want, have.tls.left, 'no container reads it any more'));
  return [...steps, ...deleteBindings(want, 'the App asks for it no more')];
}

function step(
  work: AppWork,
  fields: Omit<AppStep, 'type' | 'action' | 'impact' | 'work'> & Partial<Pick<AppStep, 'action' | 'impact'>>,
): AppStep {
  return { action: 'change', impact: 'none', ...fields, type: work.type, work };
}

function because(want: AppWant, field: string, found: Json, wanted: Json, cause?: string): Because[] {
  return [{ field, found, wanted, cause: cause ?? want.cause() }];
}

function leaseAddress(want: AppWant, have: AppHave): AppStep {
  const { uid } = want.document.metadata;
  const network = want.network ?? { subnet: '', gateway: '' };
  return step(
    { type: 'LeaseAddress', uid, network },
    {
      target: `address/${uid}`,
      action: 'create',
      message: `take a free address of ${want.network?.subnet ?? 'the network'}`,
      because: because(want, 'status.address', have.address ?? null, 'an address of the network'),
      replan: true,
      knownLater: ['address'],
    },
  );
}

export function wantedSite(want: AppWant, have: AppHave): Manifest {
  const { name } = want.document.metadata;
  return {
    apiVersion: API_VERSION,
    kind: 'Site',
    metadata: { name },
    spec: {
      hosts: want.hosts,
      domain: want.app.domain,
      upstream: { address: have.address ?? have.nextAddress ?? '0.0.0.0', port: want.app.httpPort },
      state: want.app.state,
      ...(want.app.xFrameOptions === undefined ? {} : { frameOptions: want.app.xFrameOptions }),
      ...(want.app.redirectAliases ? { redirectAliases: true } : {}),
      ...(want.app.loginPaths.length === 0 ? {} : { loginPaths: want.app.loginPaths }),
    },
  };
}

function applySite(want: AppWant, have: AppHave): AppStep | undefined {
  const child = wantedSite(want, have);
  const found = (want.site?.spec ?? {}) as Record<string, Json>;
  const wanted = child.spec as Record<string, Json>;
  const fields = changedFields(found, wanted);
  if (want.site && fields.length === 0) return undefined;
  const reasons = want.site
    ? fields.flatMap((field) =>
        because(want, `site.${field}`, found[field] ?? null, wanted[field] ?? null, causeOfSite(want)),
      )
    : because(want, 'site', null, want.url ?? '', causeOfSite(want));
  return step(
    { type: 'ApplySite', owner: want.document, site: child },
    {
      target: `site/${child.metadata.name}`,
      action: want.site ? 'change' : 'create',
      message: `${want.site ? 'change' : 'make'} the site ${want.url ?? ''}`,
      because: reasons,
      child: { apply: child },
    },
  );
}

function applyRecords(want: AppWant): AppStep[] {
  return want.names.records.flatMap((record) => {
    const found = want.names.children.find(({ metadata }) => metadata.name === record.metadata.name);
    const wanted = record.spec as Record<string, Json>;
    const present = found?.spec as Record<string, Json> | undefined;
    const fields = changedFields(present, wanted);
    if (found?.metadata.deletionTimestamp || (found && fields.length === 0)) return [];
    const { name } = record.metadata;
    const label = `${String(wanted['type'])} ${String(wanted['name'])}`;
    // It is the Domain whose address moved when the App is as it was.
    const cause = isFresh(want) ? want.cause() : `domain/${String(wanted['domain'])}`;
    const reasons = found
      ? fields.flatMap((field) =>
          because(want, `record.${field}`, present?.[field] ?? null, wanted[field] ?? null, cause),
        )
      : because(want, 'record', null, label, cause);
    return [
      step(
        { type: 'ApplyRecord', owner: want.document, record },
        {
          target: `dnsrecord/${name}`,
          action: found ? 'change' : 'create',
          message: `${found ? 'change' : 'ask for'} the record ${label}`,
          because: reasons,
          child: { apply: record },
        },
      ),
    ];
  });
}

function deleteRecords(want: AppWant, cause: string): AppStep[] {
  const gone = want.deleting
    ? want.names.children.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    : want.names.left;
  return gone.map(({ metadata: { name }, spec }) => {
    const label = `${spec.type} ${spec.name}`;
    return step(
      { type: 'DeleteRecord', name },
      {
        target: `dnsrecord/${name}`,
        action: 'delete',
        message: `give up the record ${label}`,
        because: because(want, 'record', label, null, cause),
        child: { delete: { kind: 'DNSRecord', name } },
      },
    );
  });
}

/** What its container cannot be without, and comes by itself; what runs goes on meanwhile. */
export function partMissing(want: AppWant, have: AppHave): Obstacle | undefined {
  return want.addons.waiting ?? certificateMissing(want, have);
}

function writeCertificate(want: AppWant, { tls }: AppHave): AppStep[] {
  const { file, from = '' } = want.tls ?? {};
  if (tls.isWritten || file === undefined || tls.folder === undefined) return [];
  return [
    step(
      { type: 'WriteCertificate', file, folder: tls.folder },
      {
        target: `certificate/${want.host ?? ''}`,
        action: 'create',
        message: `write the certificate of ${want.host ?? ''} where the App reads it`,
        because: because(want, CERTIFICATE_PATH, null, tls.folder, from),
      },
    ),
  ];
}

function removeCertificates(want: AppWant, folders: readonly string[], cause: string): AppStep[] {
  if (folders.length === 0) return [];
  return [
    step(
      { type: 'RemoveCertificates', folders },
      {
        target: `certificate/${want.host ?? want.document.metadata.name}`,
        action: 'delete',
        message: `remove ${folders.join(', ')}`,
        because: because(want, CERTIFICATE_PATH, [...folders], null, cause),
      },
    ),
  ];
}

function applyBindings(want: AppWant): AppStep[] {
  return want.addons.bindings.flatMap(({ manifest, found }) => {
    const wanted = manifest.spec as Record<string, Json>;
    const present = found?.spec as Record<string, Json> | undefined;
    const fields = changedFields(present, wanted);
    if (found?.metadata.deletionTimestamp || (found && fields.length === 0)) return [];
    const { name } = manifest.metadata;
    const reasons = found
      ? fields.flatMap((field) =>
          because(want, `binding.${field}`, present?.[field] ?? null, wanted[field] ?? null),
        )
      : because(want, 'binding', null, name);
    return [
      step(
        { type: 'ApplyBinding', owner: want.document, binding: manifest },
        {
          target: `binding/${name}`,
          action: found ? 'change' : 'create',
          message: `${found ? 'change' : 'ask for'} the account in addon/${String(wanted['addon'])}`,
          because: reasons,
          child: { apply: manifest },
          knownLater: ['credentials'],
        },
      ),
    ];
  });
}

function applyTasks(want: AppWant): AppStep[] {
  return want.tasks.tasks
    .filter(({ found, differences }) => !found || differences.length > 0)
    .map(({ manifest, found, differences }) => {
      const { name } = manifest.metadata;
      return step(
        { type: 'ApplyTask', owner: want.document, task: manifest },
        {
          target: `task/${name}`,
          action: found ? 'change' : 'create',
          message: `${found ? 'change' : 'make'} the task ${String(manifest.spec?.['task'])}`,
          because: differences.flatMap((one) => because(want, `task.${one.field}`, one.found, one.wanted)),
          child: { apply: manifest },
        },
      );
    });
}

function deleteTasks(want: AppWant, cause: string): AppStep[] {
  return want.tasks.unwanted
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata: { name } }) =>
      step(
        { type: 'DeleteTask', name },
        {
          target: `task/${name}`,
          action: 'delete',
          message: 'run it no more, and remove what it left',
          because: because(want, 'task', name, null, cause),
          child: { delete: { kind: 'Task', name } },
        },
      ),
    );
}

function deleteBindings(want: AppWant, cause: string): AppStep[] {
  const data = want.deleting && want.deleteData;
  return want.addons.unwanted
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata: { name } }) =>
      step(
        { type: 'DeleteBinding', name, data },
        {
          target: `binding/${name}`,
          action: 'delete',
          impact: data ? 'data-loss' : 'none',
          message: data ? `give up ${name} with its data` : `give up ${name}; its data is kept`,
          because: because(want, 'binding', name, null, cause),
          child: { delete: { kind: 'Binding', name } },
        },
      ),
    );
}

function causeOfSite(want: AppWant): string {
  return isFresh(want) ? want.cause() : 'drift';
}

/** It was never as this generation wants it, so that nothing can have drifted. */
function isFresh({ document }: AppWant): boolean {
  return !wasAsWanted(document);
}

function createFolders(want: AppWant, have: AppHave): AppStep[] {
  if (have.missingFolders.length === 0) return [];
  return [
    step(
      { type: 'CreateFolders', folders: have.missingFolders },
      {
        target: `folders/${want.document.metadata.name}`,
        action: 'create',
        message: `make ${have.missingFolders.join(', ')}`,
        because: because(
          want,
          'data',
          null,
          have.missingFolders,
          have.containers.length > 0 ? 'drift' : undefined,
        ),
      },
    ),
  ];
}

function pullImage(want: AppWant, have: AppHave): AppStep[] {
  if (have.image) return [];
  const { image, imagePullSecret: secret } = want.app;
  const credentials = {
    ...(want.auth ? { auth: want.auth } : {}),
    ...(secret === undefined ? {} : { secret }),
  };
  return [
    step(
      { type: 'PullImage', image, ...credentials },
      {
        target: `image/${want.app.image}`,
        action: 'create',
        message: `pull ${want.app.image}`,
        because: because(want, 'image', null, want.app.image),
        deadlineSeconds: 3600,
        interruptible: true,
        replan: true,
        knownLater: ['digest'],
      },
    ),
  ];
}

function containerSteps(want: AppWant, have: AppHave): AppStep[] {
  const { name } = want.document.metadata;
  const settings = have.inputs ? canonicalSettings(have.inputs) : undefined;
  const hash = settings && have.address !== undefined ? settingsHash(settings) : '';
  const { current, others, replaced } = choose(have.containers, hash, (container) =>
    hasDrifted(container, want, have),
  );
  const steps: AppStep[] = [];
  const unasked = replaced !== undefined && isUnasked(want, have, settings, replaced);
  const reasons = current && !replaced ? [] : containerReasons(want, have, settings, replaced);
  const target = `container/${containerName(name)}`;
  if (!current) {
    const message = others.length > 0 ? 'make the new container beside the old one' : 'make the container';
    const spec = have.inputs && { ...containerSpec(have.inputs), name: freeName(name, have.containers) };
    const work: AppWork = { type: 'CreateContainer', ...(spec ? { spec } : {}) };
    steps.push(step(work, { target, action: 'create', message, because: reasons, aim: hash }));
  }
  if (current?.state === 'paused') {
    const found = because(want, 'container.state', 'paused', 'running', 'drift');
    steps.push(
      step(
        { type: 'UnpauseContainer', id: current.id },
        { target, message: 'let the frozen container go on', because: found },
      ),
    );
  }
  if (!current || !isUp(current) || replaced)
    steps.push(startStep(want, have, { target, hash, replaced, others, current, reasons }));
  else if (current.state !== 'paused')
    steps.push(...restartPolicy(want, current, target), ...restart(want, current, target));
  steps.push(...others.map((container) => removeOther(container, reasons, want)));
  const ownName = current?.name === containerName(name) || (!current && others.length === 0);
  if (!ownName) {
    const found = current?.name ?? `${containerName(name)}-next`;
    const reason = because(want, 'container.name', found, containerName(name), current ? 'drift' : undefined);
    const { uid } = want.document.metadata;
    const work: AppWork = { type: 'RenameContainer', uid, hash, name: containerName(name) };
    steps.push(step(work, { target, message: 'give it the name of the App', because: reason }));
  }
  return unasked ? steps.map((one) => ({ ...one, held: 'upgrade' })) : steps;
}

/** Digest of what documents say of the container, and of what was settled for them: the image, the address and the certificate. */
export function askedFor(want: AppWant, have: AppHave): string {
  const certificate = have.tls.folder === undefined ? [] : [have.tls.folder];
  return digest(JSON.stringify([want.asked, have.image?.id, have.address, ...certificate]), 24);
}

/** What documents and Docker decide. A difference in any of these is never Holdfast's own doing. */
const SETTLED = /^(env\.|reads\.|hosts\.|image$|address$|network$|command$|dns$)/;

/** It serves, and another one is wanted only because Holdfast or the machine is another than when it was made. */
function isUnasked(
  want: AppWant,
  have: AppHave,
  settings: Record<string, Json> | undefined,
  old: SeenContainer,
): boolean {
  if (!settings || !isUp(old) || hasDrifted(old, want, have)) return false;
  const before = want.document.status?.container?.asked;
  if (before !== undefined) return before === askedFor(want, have);
  // Made by a Holdfast that did not keep the digest.
  return (
    old.generation === String(want.document.metadata.generation) &&
    settingsDifferences(old.settings, settings).every(({ field }) => !SETTLED.test(field))
  );
}

function unaskedCause(have: AppHave, old: SeenContainer): string {
  const [from, to] = [old.labels[LABEL.version], have.inputs?.maker?.version ?? ''];
  if (from === to) return 'a change of this machine';
  return `an upgrade of Holdfast (${from ?? 'an earlier version'} to ${to})`;
}

interface Start {
  target: string;
  hash: string;
  replaced: SeenContainer | undefined;
  others: readonly SeenContainer[];
  current: SeenContainer | undefined;
  reasons: Because[];
}

function startStep(
  want: AppWant,
  have: AppHave,
  { target, hash, replaced, others, current, reasons }: Start,
): AppStep {
  const { uid } = want.document.metadata;
  const found = current
    ? because(want, 'container.state', current.state, 'running', stateCause(want))
    : reasons;
  if (!replaced) {
    return step(
      { type: 'StartContainer', uid, hash },
      { target, message: 'start the container', because: found },
    );
  }
  const probe = probeTarget(want, have.address);
  const runs = current !== undefined && isUp(current);
  return step(
    { type: 'SwitchContainer', uid, hash, replaced: others.map(({ id }) => id), ...(probe ? { probe } : {}) },
    {
      target,
      impact: runs && !isUp(replaced) ? 'none' : 'replace',
      message: runs
        ? 'see whether the new container came up, and go back to the old one if it did not'
        : 'stop the old container, start the new one, and go back if it does not come up',
      because: reasons.length > 0 ? reasons : found,
      aim: hash,
      deadlineSeconds: 180,
      ...(serves(replaced, want, have) ? {} : { urgent: true }),
    },
  );
}

/** As far as is known, people reach it. */
function serves(container: SeenContainer, want: AppWant, have: AppHave): boolean {
  const isUnhealthy = have.health?.containerId === container.id && have.health.state === 'unhealthy';
  return container.state === 'running' && !isUnhealthy && networkDrift(container, want, have) === undefined;
}

function probeTarget(want: AppWant, address: string | undefined): ProbeTarget | undefined {
  if (address === undefined || want.host === undefined) return undefined;
  const { httpPort: port, healthCheckPath: path } = want.app;
  return { address, port, path, host: want.host, timeoutMilliseconds: 2_000 };
}

/** The App's own name, or one beside it while another container of ours has that. */
function freeName(app: string, containers: readonly SeenContainer[]): string {
  const taken = new Set(containers.map(({ name }) => name));
  const own = containerName(app);
  let name = own;
  for (let number = 1; taken.has(name); number += 1) name = `${own}-next${number === 1 ? '' : number}`;
  return name;
}

function stateCause(want: AppWant): string {
  return isFresh(want) ? want.cause() : 'drift';
}

/** A running container that would not come back after a reboot. Set at every start, so only drift is left to repair. */
function restartPolicy(want: AppWant, current: SeenContainer, target: string): AppStep[] {
  const policy = current.drift.find(({ field }) => field === POLICY);
  if (!policy) return [];
  const reason = because(want, `container.${POLICY}`, policy.found ?? 'no', 'always', 'drift');
  const message = 'let Docker start it again after a reboot';
  return [step({ type: 'SetRestartPolicy', id: current.id }, { target, message, because: reason })];
}

function restart(want: AppWant, current: SeenContainer, target: string): AppStep[] {
  const asked = want.document.metadata.annotations?.[ANNOTATION.restartedAt];
  if (asked === undefined || asked === want.document.status?.restartedAt) return [];
  const startedAt = current.details?.startedAt;
  if (startedAt === undefined || wasRestarted(asked, want, current)) return [];
  const field = `metadata.annotations.${ANNOTATION.restartedAt}`;
  const reason = because(want, field, startedAt, asked, 'a restart was asked for');
  return [
    step(
      { type: 'RestartContainer', id: current.id, asked },
      {
        target,
        impact: 'restart',
        message: 'restart the container',
        because: reason,
      },
    ),
  ];
}

function removeOther(container: SeenContainer, reasons: Because[], want: AppWant): AppStep {
  return step(
    { type: 'RemoveContainer', id: container.id },
    {
      target: `container/${container.id.slice(0, 12)}`,
      action: 'delete',
      message: `remove the old container ${container.id.slice(0, 12)}`,
      because:
        reasons.length > 0 ? reasons : because(want, 'container', container.name, null, 'a newer one serves'),
    },
  );
}

/** Scratch space, and mounts of data folders: never the data. */
function removeVolumes(want: AppWant, { leftVolumes: names }: AppHave, cause: string): AppStep[] {
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

/** Its settings were changed, or it is not on the network where it should be. */
function hasDrifted(container: SeenContainer, want: AppWant, have: AppHave): boolean {
  return (
    container.drift.some(({ field }) => field !== POLICY) || networkDrift(container, want, have) !== undefined
  );
}

function networkDrift(
  container: SeenContainer,
  { network }: AppWant,
  have: AppHave,
): { found: string } | undefined {
  if (container.state !== 'running' || !network) return undefined;
  const found = container.addresses[network.name];
  // Connected, with an address on its way: so a container looks for a moment while somebody restarts it.
  const isOnItsWay = found === '';
  return isOnItsWay || found === have.address ? undefined : { found: found ?? 'not connected' };
}

function causeOfOther(
  want: AppWant,
  have: AppHave,
  settings: Record<string, Json>,
  old: SeenContainer,
  field: string,
): string {
  if (isUnasked(want, have, settings, old)) return unaskedCause(have, old);
  const isOfThis = old.generation === String(want.document.metadata.generation);
  if (!isOfThis) return want.cause();
  return want.causeOfReference?.(field) ?? 'a change of what it refers to';
}

/** Why the container that is there does not do. */
function containerReasons(
  want: AppWant,
  have: AppHave,
  settings: Record<string, Json> | undefined,
  old: SeenContainer | undefined,
): Because[] {
  if (!old) {
    const cause = isFresh(want) ? want.cause() : 'drift';
    return because(want, 'container', null, containerName(want.document.metadata.name), cause);
  }
  if (!settings) return because(want, 'image', old.image, want.app.image);
  const changed = settingsDifferences(old.settings, settings).map((difference) => ({
    ...difference,
    cause: causeOfOther(want, have, settings, old, difference.field),
  }));
  const drifted = old.drift.map((difference) => ({ ...difference, cause: 'drift' }));
  const network = networkDrift(old, want, have);
  const moved = network
    ? because(want, `network.${want.network?.name ?? ''}`, network.found, have.address ?? null, 'drift')
    : [];
  const reasons = [...changed, ...drifted, ...moved];
  if (reasons.length > 0) return reasons;
  return because(want, `labels.${LABEL.hash}`, old.hash, settingsHash(settings), 'drift');
}

function stop(want: AppWant, have: AppHave): AppStep[] {
  return have.containers.filter(isUp).map((container) =>
    step(
      { type: 'StopContainer', id: container.id },
      {
        target: `container/${container.id.slice(0, 12)}`,
        impact: 'restart',
        // Nobody wants it to serve.
        urgent: true,
        message: 'stop the container',
        because: because(want, 'spec.state', container.state, 'stopped', stateCause(want)),
      },
    ),
  );
}

/**
 * Apps that want each other's ports would wait for each other for ever. So an App that waits for a port of one that waits, too, lets go of
 * what it does not want any more and another one wants.
 */
function givePortsUp(want: AppWant, have: AppHave): AppStep[] {
  const others = want.waitingForPorts ?? new Map<string, readonly number[]>();
  if (!have.takenPorts.some(({ app }) => app !== undefined && others.has(app))) return [];
  const own = new Set(want.app.tcpPorts.map(({ hostPort }) => hostPort));
  return have.containers.filter(isUp).flatMap((container) => {
    const unwanted = portsOf(container).filter((held) => !own.has(held));
    const [rival, ports = []] =
      [...others].find(([, asked]) => unwanted.some((held) => asked.includes(held))) ?? [];
    const port = unwanted.find((held) => ports.includes(held));
    if (port === undefined || rival === undefined) return [];
    return step(
      { type: 'StopContainer', id: container.id },
      {
        target: `container/${container.id.slice(0, 12)}`,
        impact: 'restart',
        message: `stop the container, so that app/${rival} gets port ${port}, and this one its own`,
        because: because(want, `ports.${port}`, port, null, `app/${rival} waits for it`),
      },
    );
  });
}

function teardown(want: AppWant, have: AppHave): AppStep[] {
  const { name, uid } = want.document.metadata;
  const cause = `app/${name} is deleted`;
  const gone = (field: string, found: Json) => because(want, field, found, null, cause);
  const steps: AppStep[] = [];
  if (want.site && !want.site.metadata.deletionTimestamp) {
    const child = { delete: { kind: 'Site', name } };
    const reason = gone('site', want.url ?? name);
    steps.push(
      step(
        { type: 'DeleteSite', name },
        {
          target: `site/${name}`,
          action: 'delete',
          message: 'take down the site',
          because: reason,
          child,
        },
      ),
    );
  }
  steps.push(...deleteTasks(want, cause));
  const afterTasks = want.tasks.owned.map((task) => task.metadata.name);
  steps.push(...deleteRecords(want, cause));
  for (const container of have.containers) {
    const message = 'stop and remove the container';
    const target = `container/${container.id.slice(0, 12)}`;
    steps.push(
      step(
        { type: 'RemoveContainer', id: container.id, afterSite: name, afterTasks },
        {
          target,
          action: 'delete',
          message,
          because: gone('container', container.name),
        },
      ),
    );
  }
  steps.push(...removeVolumes(want, have, cause), ...deleteBindings(want, cause));
  if (have.tls.root !== undefined) steps.push(...removeCertificates(want, [have.tls.root], cause));
  if (have.address !== undefined) {
    const reason = gone('status.address', have.address);
    steps.push(
      step(
        { type: 'ReleaseAddress', uid },
        {
          target: `address/${uid}`,
          action: 'delete',
          message: `give back ${have.address}`,
          because: reason,
        },
      ),
    );
  }
  if (want.deleteData && have.dataExists) {
    const message = `delete all data of app/${name}`;
    const target = `data/${name}`;
    steps.push(
      step(
        { type: 'DeleteData', folder: have.folder },
        {
          target,
          action: 'delete',
          impact: 'data-loss',
          message,
          because: gone('data', name),
        },
      ),
    );
  }
  return steps;
}
