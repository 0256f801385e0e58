/** What can honestly be said of an Addon from what was seen. Pure. It is Ready when its server answers at its address. */

import { join } from 'node:path';
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import { ANNOTATION } from '../../resources/document.ts';
import { convergedGeneration } from '../container/converged.ts';
import { canonicalSettings, settingsHash } from '../container/description.ts';
import { hasCrashed, isUp, type SeenContainer } from '../container/seen.ts';
import { wishes } from '../container/wishes.ts';
import { type AddonStep, isUpgrading, keptUntil, obstacle, waitsFor } from './diff.ts';
import type { AddonHave } from './observe.ts';
import type { AddonWant, Obstacle } from './want.ts';

export function addonStatus(
  want: AddonWant,
  have: AddonHave | undefined,
  outcome: Outcome<AddonStep>,
): StatusDraft[] {
  const { document } = want;
  if (!have) {
    const reason = outcome.failure?.reason ?? 'NotLookedAt';
    const message = `it is not known how it is: ${outcome.failure?.message ?? 'it was not looked at yet'}`;
    return [{ document, conditions: [{ type: 'Ready', status: 'Unknown', reason, message }] }];
  }
  const blocked = obstacle(want, have) ?? upgradeFailed(want, outcome);
  return [
    {
      document,
      conditions: [{ type: 'Ready', ...verdict(want, have, outcome) }],
      ...(blocked ? { blocked } : {}),
      fields: fields(want, have, outcome),
    },
  ];
}

/** The server serves on with the version before; only a person can say what next. */
function upgradeFailed({ document }: AddonWant, { failure }: Outcome<AddonStep>): Obstacle | undefined {
  const { upgrade } = document.status ?? {};
  const isWanted = upgrade?.state === 'failed' && document.spec.version === upgrade.to;
  if (failure?.reason === 'UpgradeFailed' || !isWanted) return undefined;
  return {
    reason: 'UpgradeFailed',
    message: `${upgrade.message ?? ''}; put it right and run holdfast retry addon/${document.metadata.name}`,
  };
}

function verdict(
  want: AddonWant,
  have: AddonHave,
  { pending, failure }: Outcome<AddonStep>,
): Omit<ConditionDraft, 'type'> {
  const no = (reason: string, message: string) => ({ status: 'False' as const, reason, message });
  if (want.deleting)
    return no('Deleting', failure ? `${failure.reason}: ${failure.message}` : 'it is being taken down');
  if (isUpgrading(want, have)) {
    return failure
      ? no(failure.reason, failure.message)
      : no('Upgrading', pending[0]?.message ?? 'the data is being brought to another version');
  }
  const { answer } = have;
  if (answer && 'version' in answer)
    return { status: 'True', reason: 'Serving', message: `${want.type} ${answer.version} answers` };
  const known = obstacle(want, have) ?? waitsFor(want, have);
  if (known) return no(known.reason, known.message);
  const crash = crashOf(have);
  if (crash !== undefined) return no('CrashLooping', crash);
  if (failure) return no(failure.reason, failure.message);
  if (answer?.refused === 'denied') {
    const message = `the server does not take the administrator's password of its Secret: ${answer.message}`;
    return no('AccessDenied', message);
  }
  if (pending[0]) return no('Progressing', pending[0].message);
  return no('Starting', `waits until the server answers: ${answer?.message ?? 'its container does not run'}`);
}

function crashOf({ containers, crashLog }: AddonHave): string | undefined {
  const details = containers.find((container) => container.details && hasCrashed(container.details))?.details;
  if (!details) return undefined;
  const memory = details.oomKilled ? ', out of memory' : '';
  const log = crashLog ? `. Last lines of its log:\n${crashLog}` : '';
  return `the server ends with exit code ${details.exitCode}${memory}${log}`;
}

function fields(want: AddonWant, have: AddonHave, outcome: Outcome<AddonStep>): Record<string, unknown> {
  const { document } = want;
  const before = document.status;
  const current = have.containers.find(isUp) ?? have.containers[0];
  const answer = have.answer && 'version' in have.answer ? have.answer : undefined;
  const running = have.present ?? have.image;
  const [data] = have.slots.data;
  const [kept] = have.slots.kept;
  const asked = document.metadata.annotations?.[ANNOTATION.restartedAt];
  const restarted = asked !== undefined && outcome.pending.length === 0 && isYounger(current, asked);
  const lost = answer?.accounts.filter(({ state }) => state === 'kept') ?? [];
  const isAsWanted = answer !== undefined && outcome.pending.length === 0 && !outcome.failure;
  return {
    convergedGeneration: convergedGeneration(document, isAsWanted),
    address: have.address,
    port: want.port,
    version: answer?.version ?? before?.version,
    image: running.details
      ? { ref: running.ref, id: running.details.id, ...digestOf(running.details.digests) }
      : before?.image,
    container: current ? containerFields(current, before?.container) : undefined,
    data: data ? { folder: join(have.folder, data.name), series: data.series } : undefined,
    previous: kept
      ? {
          folder: join(have.folder, kept.name),
          series: kept.series,
          keptUntil: new Date(keptUntil(want, kept.since)).toISOString(),
        }
      : undefined,
    upgrade: upgradeFields(want, have, outcome),
    rollout: rolloutFields(want, have, outcome),
    // One that asks for another type of server is not served.
    bindings: want.bindings
      .filter(({ spec }) => spec['type'] === want.type)
      .map(({ metadata }) => metadata.name)
      .sort(),
    ...(answer
      ? {
          kept:
            lost.length > 0 ? lost.map(({ app, name, since }) => ({ app, account: name, since })) : undefined,
        }
      : {}),
    ...(restarted ? { restartedAt: asked } : {}),
  };
}

function isYounger(current: SeenContainer | undefined, asked: string): boolean {
  const startedAt = current?.details?.startedAt;
  return startedAt !== undefined && Date.parse(startedAt) >= Date.parse(asked);
}

function digestOf([digest]: readonly string[]): { digest?: string } {
  return digest === undefined ? {} : { digest };
}

function containerFields(
  { id, name, state, details }: SeenContainer,
  before: Record<string, unknown> | undefined,
): Record<string, unknown> {
  if (!details) return { ...(before?.['id'] === id ? before : {}), id, name, state };
  const started = details.startedAt === undefined ? {} : { startedAt: details.startedAt };
  const crashed = details.exitCode !== 0 ? { exitCode: details.exitCode } : {};
  return { id, name, state, restarts: details.restartCount, ...started, ...crashed };
}

function upgradeFields(want: AddonWant, have: AddonHave, { failure, now }: Outcome<AddonStep>): unknown {
  const before = want.document.status?.upgrade;
  const step = failure?.step as AddonStep | undefined;
  if (failure?.reason === 'UpgradeFailed' && step?.work.type === 'UpgradeData') {
    const { from, to } = step.work;
    const asked = want.document.metadata.annotations?.[ANNOTATION.retriedAt];
    return { from: from.series, to: to.series, state: 'failed', message: failure.message, at: now, asked };
  }
  const [data] = have.slots.data;
  const [kept] = have.slots.kept;
  if (!data || !kept || kept.series === data.series) return before;
  const at = new Date(kept.since).toISOString();
  // A later attempt has failed.
  if (before?.state === 'failed' && (before.at ?? '') > at) return before;
  return { from: kept.series, to: data.series, state: 'done', message: 'every row was compared', at };
}

function rolloutFields(
  want: AddonWant,
  have: AddonHave,
  { pending, failure, now }: Outcome<AddonStep>,
): unknown {
  const before = want.document.status?.rollout;
  const work = (failure?.step as AddonStep | undefined)?.work;
  if (failure?.reason === 'RolloutFailed' && work?.type === 'SwitchContainer') {
    const { generation } = want.document.metadata;
    const asked = wishes(want.document);
    return { hash: work.hash, generation, state: 'failed', message: failure.message, at: now, asked };
  }
  if (before?.state !== 'failed' || !have.inputs) return before;
  const isSame = before.hash === settingsHash(canonicalSettings(have.inputs));
  return pending.length === 0 && !failure && !(isSame && obstacle(want, have)) ? undefined : before;
}
