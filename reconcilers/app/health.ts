/**
 * Asks each running App's container for its health path and says when the answer changes. One good answer makes it healthy
 * at once; it counts as unhealthy only after a while without one, so that a slow moment is no alarm. The monitor follows App
 * documents (what runs, and where) and wakes the App's reconciler through `onChange`; it writes nothing.
 */
import type { Clock } from '../../controller/clock.ts';
import type { Document } from '../../resources/document.ts';
import type { AppStatus, PlatformSpec } from '../../resources/generated.ts';
import type { Probe, ProbeAnswer, ProbeTarget } from '../drivers/probe/index.ts';

/** What is known of an App's health. */
export interface Health {
  state: 'starting' | 'healthy' | 'unhealthy';
  /** The container that it speaks of. */
  containerId: string;
  /** When that was started: after it was started again nothing is known of it. */
  startedAt?: string;
  /** The last answer, in words. */
  message: string;
  /** RFC 3339 of the last good answer. */
  lastHealthyAt?: string;
}

export interface HealthReading {
  /** undefined while nobody has asked yet. */
  of(appUid: string): Health | undefined;
}

export interface HealthSettings {
  intervalMilliseconds: number;
  timeoutMilliseconds: number;
  unhealthyAfterMilliseconds: number;
}

export function healthSettings(spec: PlatformSpec | undefined): HealthSettings {
  const health = spec?.health;
  return {
    intervalMilliseconds: (health?.intervalSeconds ?? 10) * 1000,
    timeoutMilliseconds: (health?.timeoutSeconds ?? 10) * 1000,
    unhealthyAfterMilliseconds: (health?.unhealthyAfterSeconds ?? 30) * 1000,
  };
}

/** Between questions to what was never healthy: soon at first, then less often. */
const FIRST_PAUSES_MILLISECONDS = [100, 200, 300, 400, 500, 750, 1000, 1500, 2000];

interface Watched {
  name: string;
  target: Omit<ProbeTarget, 'timeoutMilliseconds'>;
  health: Health;
  /** Monotonic time of the last good answer, or of the beginning. */
  goodAt: number;
  asked: number;
  cancel: () => void;
  abort: AbortController;
}

/** State after one more answer. Pure. */
export function nextState(
  before: Health['state'],
  answer: ProbeAnswer,
  millisecondsWithoutGood: number,
  settings: HealthSettings,
): Health['state'] {
  if (answer.ok) return 'healthy';
  return millisecondsWithoutGood >= settings.unhealthyAfterMilliseconds ? 'unhealthy' : before;
}

export class HealthMonitor implements HealthReading {
  readonly #probe: Probe;
  readonly #clock: Clock;
  readonly #settings: () => HealthSettings;
  readonly #onChange: (app: string) => void;
  readonly #watched = new Map<string, Watched>();

  constructor(options: {
    probe: Probe;
    clock: Clock;
    settings: () => HealthSettings;
    onChange: (app: string) => void;
  }) {
    this.#probe = options.probe;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#onChange = options.onChange;
  }

  of(appUid: string): Health | undefined {
    return this.#watched.get(appUid)?.health;
  }

  /** Takes in an App as it is stored now; `gone` when it was deleted. */
  follow(app: Document, gone = false): void {
    const { uid, name } = app.metadata;
    const status = app.status as AppStatus | undefined;
    const { id: containerId, startedAt } = status?.container ?? {};
    const target = gone ? undefined : targetOf(status);
    const present = this.#watched.get(uid);
    if (!target || containerId === undefined) {
      if (present) this.#forget(uid, present);
      return;
    }
    const same =
      present?.health.containerId === containerId &&
      present.health.startedAt === startedAt &&
      JSON.stringify(present.target) === JSON.stringify(target);
    if (same) return;
    if (present) this.#forget(uid, present);
    const health: Health = {
      state: 'starting',
      containerId,
      message: 'not asked yet',
      ...(startedAt === undefined ? {} : { startedAt }),
    };
    const watched: Watched = {
      name,
      target,
      health,
      goodAt: this.#clock.monotonic(),
      asked: 0,
      cancel: () => undefined,
      abort: new AbortController(),
    };
    this.#watched.set(uid, watched);
    this.#askAfter(0, watched);
  }

  close(): void {
    for (const [uid, watched] of this.#watched) this.#forget(uid, watched);
  }

  #forget(uid: string, watched: Watched): void {
    watched.cancel();
    watched.abort.abort();
    this.#watched.delete(uid);
  }

  #askAfter(milliseconds: number, watched: Watched): void {
    watched.cancel = this.#clock.after(milliseconds, () => void this.#ask(watched));
  }

  async #ask(watched: Watched): Promise<void> {
    const settings = this.#settings();
    const { signal } = watched.abort;
    const target = { ...watched.target, timeoutMilliseconds: settings.timeoutMilliseconds };
    const answer = await this.#probe
      .ask(target, signal)
      .catch((error: unknown): ProbeAnswer => ({ ok: false, message: String(error) }));
    if (signal.aborted) return;
    this.#take(watched, answer, settings);
    watched.asked += 1;
    const eager = watched.health.state === 'starting' ? FIRST_PAUSES_MILLISECONDS[watched.asked] : undefined;
    const pause = eager ?? (watched.health.state === 'healthy' ? settings.intervalMilliseconds : 2_000);
    this.#askAfter(Math.min(pause, settings.intervalMilliseconds), watched);
  }

  #take(watched: Watched, answer: ProbeAnswer, settings: HealthSettings): void {
    const now = this.#clock.monotonic();
    if (answer.ok) watched.goodAt = now;
    const before = watched.health;
    const state = nextState(before.state, answer, now - watched.goodAt, settings);
    const lastHealthyAt = answer.ok ? new Date(this.#clock.now()).toISOString() : before.lastHealthyAt;
    watched.health = {
      ...before,
      state,
      message: answer.message,
      ...(lastHealthyAt === undefined ? {} : { lastHealthyAt }),
    };
    const told = state !== before.state || (state !== 'healthy' && answer.message !== before.message);
    if (told) this.#onChange(watched.name);
  }
}

function targetOf(status: AppStatus | undefined): Watched['target'] | undefined {
  const manifest = status?.manifest as { httpPort?: number; healthCheckPath?: string } | undefined;
  if (status?.container?.state !== 'running' || status.address === undefined || !manifest?.httpPort)
    return undefined;
  return {
    address: status.address,
    port: manifest.httpPort,
    path: manifest.healthCheckPath ?? '/',
    host: status.fqdn ?? 'localhost',
  };
}
