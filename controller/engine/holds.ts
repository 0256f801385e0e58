/**
 * Which steps wait although everything is there for them: those that a person cancelled, and those that nobody asked for and that
 * would disturb what runs, until a maintenance window opens or somebody approves them. Asked by KeyRun before each round. A step that
 * waits stays in the plan: what is waited for is seen, and nothing else of the key is held up.
 *
 * Approvals are annotations and cancellations stand in status, so that both last over a restart.
 */
import { ANNOTATION, condition, type Document, type StoppedStep } from '../../resources/document.ts';
import type { Failure, Impact, Step } from './contract.ts';
import { signatureOf } from './loops.ts';

/** Whether what disturbs may be done now. */
export type Window = { open: true } | { open: false; opensAt?: number };

export interface HoldOptions {
  /** undefined: no windows are set. `now` in milliseconds since 1970. */
  window?(now: number): Window | undefined;
}

export interface Held {
  reason: 'WaitingForWindow' | 'UpgradePending';
  message: string;
  /** Milliseconds since 1970. */
  opensAt?: number;
}

/** What of the steps is done now, in order, and why the others wait. */
export interface Division {
  due: readonly Step[];
  held?: Held;
}

const DISTURBING: readonly Impact[] = ['restart', 'replace', 'data-loss'];
/** Causes that are nobody's wish. */
const UNASKED = /^(drift|an upgrade of Holdfast|a change of this machine)/;

export class Holds {
  readonly #window: NonNullable<HoldOptions['window']>;
  readonly #cancelled = new Map<string, { signature: string; failure: Failure }>();
  /** Whose next try is not to be made, and who said so. */
  readonly #givenUp = new Map<string, string>();
  readonly #waiting = new Map<string, Held>();

  constructor({ window }: HoldOptions) {
    this.#window = window ?? (() => undefined);
  }

  /** Answers the failure as it is told until somebody asks for the step. */
  cancelled(id: string, cause: Failure & { step: Step }): Failure {
    const { reason, message } = cause;
    const signature = signatureOf(cause.step);
    const failure = { ...cause, stopped: { reason, message, step: signature } };
    this.#cancelled.set(id, { signature, failure });
    return failure;
  }

  /** What a controller before this one was told. */
  restore(id: string, stopped: StoppedStep): void {
    const { reason, message, step: signature } = stopped;
    this.#cancelled.set(id, { signature, failure: { kind: 'terminal', reason, message, stopped } });
  }

  /** What failed and waits for its next try is left alone from now on. */
  giveUp(id: string, by: string): void {
    this.#givenUp.set(id, by);
  }

  /** The failure of a step among these that was cancelled and not asked for since. */
  cancellation(id: string, steps: readonly Step[]): Failure | undefined {
    const [first] = steps;
    const by = this.#givenUp.get(id);
    if (by !== undefined && first) {
      this.#givenUp.delete(id);
      const message = cancelledBy(by, first);
      return this.cancelled(id, { kind: 'terminal', reason: 'Cancelled', message, step: first });
    }
    const found = this.#cancelled.get(id);
    if (!found) return undefined;
    if (steps.some((step) => signatureOf(step) === found.signature)) return found.failure;
    this.#cancelled.delete(id);
    return undefined;
  }

  /** What waits now, by id. */
  all(): [string, Held][] {
    return [...this.#waiting];
  }

  divide(id: string, steps: readonly Step[], documents: readonly Document[], now: number): Division {
    const division = documents.some(isApproved) ? { due: steps } : divide(steps, this.#window(now));
    if (division.held) this.#waiting.set(id, division.held);
    else this.#waiting.delete(id);
    return division;
  }

  settled(id: string): void {
    this.#waiting.delete(id);
    this.forget(id);
  }

  /** Somebody changed what is wanted, or asks for another try. */
  forget(id: string): void {
    this.#cancelled.delete(id);
    this.#givenUp.delete(id);
  }
}

/** Without a step: it was looking. */
export function cancelledBy(by: string, step?: { type: string; target: string }): string {
  const what = step ? `${step.type} on ${step.target}` : 'looking';
  return `${what} was cancelled by ${by}; holdfast retry does it again`;
}

/** An approval is for what waited when it was given: what begins to wait later needs its own. */
function isApproved(document: Document): boolean {
  const approved = Date.parse(document.metadata.annotations?.[ANNOTATION.approvedAt] ?? '');
  const waiting = condition(document, 'Reconciling');
  return waiting !== undefined && approved >= Date.parse(waiting.lastTransitionTime);
}

/** What a new Holdfast wants waits also where no windows are set; drift only where they are, and all of the plan with it. */
function divide(steps: readonly Step[], window: Window | undefined): Division {
  if (window?.open) return { due: steps };
  const upgrades = steps.filter(({ held }) => held === 'upgrade');
  if (upgrades.length > 0) {
    const held: Held = { reason: 'UpgradePending', ...waiting(upgrades, window) };
    return { due: steps.filter((step) => step.held === undefined), held };
  }
  const disturbing = steps.filter(({ impact }) => DISTURBING.includes(impact));
  const waits = window !== undefined && disturbing.length > 0 && disturbing.every(isUnasked);
  return waits
    ? { due: [], held: { reason: 'WaitingForWindow', ...waiting(disturbing, window) } }
    : { due: steps };
}

/** Nobody asked for it, and what it disturbs does what it should. */
function isUnasked({ because, urgent }: Step): boolean {
  return urgent !== true && because.length > 0 && because.every(({ cause }) => UNASKED.test(cause));
}

function waiting(steps: readonly Step[], window: Window | undefined): { message: string; opensAt?: number } {
  const opensAt = window && !window.open ? window.opensAt : undefined;
  const when =
    opensAt === undefined
      ? 'a maintenance window'
      : `the maintenance window at ${new Date(opensAt).toISOString()}`;
  const reasons = steps.flatMap(({ because }) =>
    because.map(({ field, cause }) => `${field}, because of ${cause}`),
  );
  const why = [...new Set(reasons)].slice(0, 3).join('; ');
  return {
    message: `waits for ${when} or holdfast approve: ${steps[0]?.message ?? ''}${why ? ` (${why})` : ''}; it serves as before until then`,
    ...(opensAt === undefined ? {} : { opensAt }),
  };
}
