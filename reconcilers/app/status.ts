/** What can honestly be said of an App from what was seen. Pure. Ready is true only for this generation, and only when it serves. */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import { ANNOTATION, condition } from '../../resources/document.ts';
import { convergedGeneration } from '../container/converged.ts';
import { canonicalSettings, settingsHash } from '../container/description.ts';
import { hasCrashed, isUp, type SeenContainer } from '../container/seen.ts';
import { wishes } from '../container/wishes.ts';
import { type AppStep, askedFor, obstacle, partMissing, waitsFor, wasRestarted } from './diff.ts';
import type { AppHave } from './observe.ts';
import { leadsHere, nameConditions, recordsNotReady } from './records.ts';
import type { AppWant } from './want.ts';

interface Verdict {
  status: ConditionDraft['status'];
  reason: string;
  message: string;
}

export function appStatus(
  want: AppWant,
  have: AppHave | undefined,
  outcome: Outcome<AppStep>,
): StatusDraft[] {
  const { document } = want;
  if (!have) {
    const failure = outcome.failure;
    const reason = failure?.reason ?? 'NotLookedAt';
    const message = `it is not known how it is: ${failure?.message ?? 'it was not looked at yet'}`;
    const unknown = (type: string): ConditionDraft => ({ type, status: 'Unknown', reason, message });
    return [{ document, conditions: [unknown('Ready'), unknown('Healthy')] }];
  }
  const blocked = obstacle(want, have);
  const current = currentContainer(have);
  const ready = verdict(want, have, current, outcome);
  return [
    {
      document,
      conditions: [
        { type: 'Ready', ...ready },
        { type: 'Healthy', ...healthVerdict(want, have, current) },
        ...nameConditions(want.names, want.host, have.aliases),
      ],
      ...(blocked ? { blocked } : {}),
      fields: fields(want, have, current, outcome),
    },
  ];
}

/** The container that serves, or would. */
function currentContainer(have: AppHave): SeenContainer | undefined {
  return have.containers.find(isUp) ?? have.containers[0];
}

function verdict(
  want: AppWant,
  have: AppHave,
  current: SeenContainer | undefined,
  { pending, failure }: Outcome<AppStep>,
): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: 'False', reason, message });
  if (want.deleting) {
    const message = failure ? `${failure.reason}: ${failure.message}` : 'it is being taken down';
    return no('Deleting', message);
  }
  const known = obstacle(want, have) ?? waitsFor(want, have) ?? failure;
  if (known) return no(known.reason, known.message);
  if (want.document.spec['suspend'] === true && pending.length > 0) {
    return no(
      'Suspended',
      `suspended with ${pending.length} steps to do, the first: ${pending[0]?.message ?? ''}`,
    );
  }
  const due = pending.find(({ held }) => held === undefined);
  if (due) return no('Progressing', due.message);
  const waiting = partMissing(want, have);
  if (waiting && want.app.state !== 'stopped') return no(waiting.reason, waiting.message);
  if (want.app.state === 'stopped') {
    // Until then nginx would ask a container that is no more, and let visitors wait.
    const unshown = siteNotReady(want);
    if (unshown) return no('SiteNotReady', `it is stopped; ${unshown}`);
    return { status: 'True', reason: 'Stopped', message: 'it is stopped, as wanted' };
  }
  return serving(want, have, current);
}

/** Why nginx does not show the site as it is to be, or undefined. */
function siteNotReady({ site }: AppWant): string | undefined {
  const ready = site && condition(site, 'Ready');
  const speaksOfThis = ready?.observedGeneration === site?.metadata.generation;
  if (ready && ready.status === 'True' && speaksOfThis) return undefined;
  return ready && speaksOfThis ? ready.message : 'waits for nginx to take up the site';
}

function serving(want: AppWant, have: AppHave, current: SeenContainer | undefined): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: 'False', reason, message });
  const crash = current?.details && hasCrashed(current.details) ? current.details : undefined;
  if (crash) {
    const memory = crash.oomKilled ? ', out of memory' : '';
    const times = crash.restartCount > 0 ? `, started again ${crash.restartCount} times` : '';
    const log = have.crashLog ? `. Last lines of its log:\n${have.crashLog}` : '';
    return no('CrashLooping', `the container ends with exit code ${crash.exitCode}${memory}${times}${log}`);
  }
  const health = healthOf(have, current);
  if (health?.state === 'unhealthy') return no('Unhealthy', `${want.app.healthCheckPath}: ${health.message}`);
  if (health?.state !== 'healthy') {
    return no(
      'Starting',
      `waits for a good answer from ${want.app.healthCheckPath}: ${health?.message ?? 'not asked yet'}`,
    );
  }
  const unshown = siteNotReady(want);
  if (unshown !== undefined) return no('SiteNotReady', unshown);
  if (health.edge?.ok === false) {
    const message = `nginx has the site, and the container is well, but ${want.url ?? 'it'} does not answer through nginx: ${health.edge.message}`;
    return no('EdgeNotAnswering', message);
  }
  const unnamed = recordsNotReady(want.names);
  if (unnamed !== undefined) return no('DNSNotReady', unnamed);
  return { status: 'True', reason: 'Serving', message: `${want.url ?? 'it'} answers` };
}

/** Health of the container that is there, not of one before it, nor of before it was started again. */
function healthOf({ health }: AppHave, current: SeenContainer | undefined): AppHave['health'] {
  if (health?.containerId !== current?.id) return undefined;
  const [asked, started] = [health?.startedAt, current?.details?.startedAt];
  if (started === undefined || asked === started) return health;
  // Asked before it was known when the process began: only an answer since then is its own.
  const answered = health?.lastHealthyAt;
  const isItsOwn =
    asked === undefined && answered !== undefined && Date.parse(answered) >= Date.parse(started);
  return isItsOwn ? health : undefined;
}

function healthVerdict(want: AppWant, have: AppHave, current: SeenContainer | undefined): Verdict {
  const health = healthOf(have, current);
  if (want.app.state === 'stopped') return { status: 'Unknown', reason: 'Stopped', message: 'it is stopped' };
  if (current?.state !== 'running') {
    return {
      status: 'False',
      reason: 'NotRunning',
      message: `the container is ${current?.state ?? 'missing'}`,
    };
  }
  if (!health) return { status: 'Unknown', reason: 'NotAsked', message: 'it was not asked yet' };
  // The exact answer changes with each question; a status that is True says nothing new then.
  if (health.state === 'healthy') {
    return { status: 'True', reason: 'Healthy', message: `${want.app.healthCheckPath} answers` };
  }
  const reason = health.state === 'starting' ? 'Starting' : 'Unhealthy';
  return { status: health.state === 'starting' ? 'Unknown' : 'False', reason, message: health.message };
}

function fields(
  want: AppWant,
  have: AppHave,
  current: SeenContainer | undefined,
  outcome: Outcome<AppStep>,
): Record<string, unknown> {
  const { document, app } = want;
  const before = document.status;
  const holds = !want.blocked && !want.waiting;
  const isAsWanted = holds && isConverged(want, have, current, outcome);
  const asked = document.metadata.annotations?.[ANNOTATION.restartedAt];
  const isPending = outcome.pending.length > 0;
  const restarted = asked !== undefined && !isPending && wasRestarted(asked, want, current);
  return {
    convergedGeneration: convergedGeneration(document, isAsWanted),
    manifest: app.manifest,
    fqdn: want.host,
    cnameTarget: want.names.elsewhere.length > 0 ? want.host : undefined,
    aliases: have.aliases.length > 0 ? aliasFields(want, have) : undefined,
    url: want.url,
    address: have.address,
    data: have.dataExists ? have.folder : undefined,
    container: current
      ? containerFields(current, before?.container, isAsWanted ? askedFor(want, have) : undefined)
      : undefined,
    image: have.image ? imageFields(app.image, have.image) : before?.image,
    rollout: rolloutFields(want, have, outcome),
    ...(holds ? { hosts: want.hosts, ports: app.tcpPorts.map(({ hostPort }) => hostPort) } : {}),
    restart: restartFields(asked, want, current, outcome),
    ...(restarted ? { restartedAt: asked } : {}),
  };
}

/** Kept from just before the restart until it was seen to have happened. */
function restartFields(
  asked: string | undefined,
  { document }: AppWant,
  current: SeenContainer | undefined,
  { pending }: Outcome<AppStep>,
): unknown {
  const known = document.status?.restart;
  if (asked === undefined || !pending.some(({ type }) => type === 'RestartContainer')) {
    return pending.length > 0 ? known : undefined;
  }
  return known?.asked === asked ? known : { asked, before: current?.details?.startedAt ?? '' };
}

function aliasFields({ names, host }: AppWant, { aliases }: AppHave): unknown {
  return aliases.map((alias) => ({
    name: alias.name,
    leadsTo: [...(alias.leads?.cnames ?? []), ...[...(alias.leads?.addresses ?? [])].sort()],
    here: leadsHere(alias, host, names.addresses),
  }));
}

function isConverged(
  want: AppWant,
  have: AppHave,
  current: SeenContainer | undefined,
  { pending, failure }: Outcome<AppStep>,
): boolean {
  if (failure || pending.length > 0 || !have.inputs || obstacle(want, have)) return false;
  return current?.hash === settingsHash(canonicalSettings(have.inputs));
}

function containerFields(
  { id, name, state, details }: SeenContainer,
  before: Record<string, unknown> | undefined,
  asked: string | undefined,
): Record<string, unknown> {
  const known = before?.['id'] === id ? before : {};
  const digest = asked ?? known['asked'];
  const made = digest === undefined ? {} : { asked: digest };
  if (!details) return { ...known, id, name, state, ...made };
  const crashed = details.exitCode !== 0 ? { exitCode: details.exitCode } : {};
  const started = details.startedAt === undefined ? {} : { startedAt: details.startedAt };
  return { id, name, state, restarts: details.restartCount, ...started, ...crashed, ...made };
}

function imageFields(ref: string, image: NonNullable<AppHave['image']>): Record<string, unknown> {
  const repository = ref.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const digest = image.digests.find((entry) => entry.startsWith(`${repository}@`)) ?? image.digests[0];
  return { ref, id: image.id, ...(digest === undefined ? {} : { digest }) };
}

function rolloutFields(want: AppWant, have: AppHave, { pending, failure, now }: Outcome<AppStep>): unknown {
  const before = want.document.status?.rollout;
  const work = failure?.step && 'work' in failure.step ? (failure.step as AppStep).work : undefined;
  if (failure?.reason === 'RolloutFailed' && work?.type === 'SwitchContainer') {
    const { generation } = want.document.metadata;
    return {
      hash: work.hash,
      generation,
      state: 'failed',
      message: failure.message,
      at: now,
      asked: wishes(want.document),
    };
  }
  // A database that is away for a moment says nothing of the version.
  if (before?.state !== 'failed' || !have.inputs || partMissing(want, have)) return before;
  const converged = pending.length === 0 && !failure;
  const isSame = before.hash === settingsHash(canonicalSettings(have.inputs));
  return converged && !(isSame && obstacle(want, have)) ? undefined : before;
}
