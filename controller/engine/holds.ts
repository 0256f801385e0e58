/**
 * Which steps wait although they could be done: those that a person cancelled, and those that nobody asked for and that would disturb
 * what runs, until a maintenance window opens or somebody approves them. Called by each run (run.ts); one for the engine.
 *
 * In memory: after a restart of the controller a cancelled step is tried again, and what was approved and not done asks again.
 */
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

const DISTURBING: readonly Impact[] = ['restart', 'replace', 'data-loss'];
const UPGRADE = /^upgrade of Holdfast/;
const UNASKED = /^(drift|upgrade of Holdfast)/;

export class Holds {
  readonly #window: NonNullable<HoldOptions['window']>;
  readonly #cancelled = new Map<string, { signature: string; failure: Failure }>();
  readonly #approved = new Set<string>();
  readonly #waiting = new Map<string, Held>();

  constructor({ window }: HoldOptions) {
    this.#window = window ?? (() => undefined);
  }

  cancelled(id: string, failure: Failure & { step: Step }): void {
    this.#cancelled.set(id, { signature: signatureOf(failure.step), failure });
  }

  /** The failure of a step among these that was cancelled and not asked for since. */
  cancellation(id: string, steps: readonly Step[]): Failure | undefined {
    const found = this.#cancelled.get(id);
    if (!found) return undefined;
    if (steps.some((step) => signatureOf(step) === found.signature)) return found.failure;
    this.#cancelled.delete(id);
    return undefined;
  }

  /** Lets what waits go. Answers what it was; undefined when nothing waits. */
  approve(id: string): Held | undefined {
    const held = this.#waiting.get(id);
    if (held) this.#approved.add(id);
    return held;
  }

  /** What waits now, by id. */
  all(): [string, Held][] {
    return [...this.#waiting];
  }

  /** Why these steps wait, or undefined. */
  check(id: string, steps: readonly Step[], now: number): Held | undefined {
    const held = this.#approved.has(id) ? undefined : this.#heldNow(id, steps, now);
    if (held) this.#waiting.set(id, held);
    else this.#waiting.delete(id);
    return held;
  }

  settled(id: string): void {
    this.#approved.delete(id);
    this.#waiting.delete(id);
    this.#cancelled.delete(id);
  }

  /** Somebody changed what is wanted, or asks for another try. */
  forget(id: string): void {
    this.#cancelled.delete(id);
  }

  #heldNow(id: string, steps: readonly Step[], now: number): Held | undefined {
    const disturbing = steps.filter(({ impact }) => DISTURBING.includes(impact));
    if (disturbing.length === 0 || !disturbing.every(isUnasked)) return undefined;
    const isUpgrade = disturbing.some(({ because }) => because.some(({ cause }) => UPGRADE.test(cause)));
    const window = this.#window(now);
    if (window?.open || (!window && !isUpgrade)) return undefined;
    const opensAt = window && !window.open ? window.opensAt : undefined;
    const when =
      opensAt === undefined ? 'until it is approved' : `for the window at ${new Date(opensAt).toISOString()}`;
    const what = `${disturbing[0]?.message ?? ''}: ${reasonsOf(disturbing)}`;
    return {
      reason: isUpgrade ? 'UpgradePending' : 'WaitingForWindow',
      message: `waits ${when}: ${what}. holdfast approve ${id} does it now`,
      ...(opensAt === undefined ? {} : { opensAt }),
    };
  }
}

/** Nobody asked for it, and what it disturbs does what it should. */
function isUnasked({ because, urgent }: Step): boolean {
  return urgent !== true && because.length > 0 && because.every(({ cause }) => UNASKED.test(cause));
}

function reasonsOf(steps: readonly Step[]): string {
  const reasons = steps.flatMap(({ because }) => because.map(({ field, cause }) => `${field} (${cause})`));
  return [...new Set(reasons)].slice(0, 5).join(', ');
}
