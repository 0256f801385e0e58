/**
 * Asks each running App's container for its health path and says when the answer changes. One good answer makes it healthy
 * at once; it counts as unhealthy only after a while without one, so that a slow moment is no alarm. The monitor follows App
 * documents (what runs, and where) and wakes the App's reconciler through `onChange`; it writes nothing.
 *
 * The same path is asked through nginx, as a browser would: an App is Ready when people reach it, not when its container is well.
 * That costs TLS, so while all is well it is done at every third question.
 */
import { isIPv4 } from 'node:net';
import { type Clock, timestamp } from '../../controller/clock.ts';
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
  /** RFC 3339 of the last question that had a good answer. */
  lastHealthyAt?: string;
  /** Whether nginx passes the question on to it. Absent: nobody asks there. */
  edge?: { ok: boolean; message: string };
}

export interface HealthReading {
  /** undefined while nobody has asked yet. */
  of(appUid: string): Health | undefined;
}

export interface HealthSettings {
  intervalMilliseconds: number;
  timeoutMilliseconds: number;
  unhealthyAfterMilliseconds: number;
  /** Where nginx listens for HTTPS. Absent: only the container is asked. */
  edge?: { address: string; port: number };
}

/** The address of the edge that this machine asks itself at. */
export function edgeOf(spec: PlatformSpec | undefined): { address: string; port: number } {
  const { addresses = ['127.0.0.1'], httpsPort = 443 } = spec?.http ?? {};
  const own = addresses.map((address) => ({ '0.0.0.0': '127.0.0.1', '::': '::1' })[address] ?? address);
  return { address: own.find((address) => isIPv4(address)) ?? own[0] ?? '127.0.0.1', port: httpsPort };
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

/** While all is well, nginx is asked at one of so many questions. */
const EDGE_EVERY = 3;
/** So many bad answers in a row: one may come from a reload. */
const EDGE_FAILURES = 2;
/** Clocks are trimmed all the time by less than this. */
const CLOCK_MOVED_MILLISECONDS = 1000;
const NOT_ASKED = 'not asked through nginx yet';

interface Watched {
  name: string;
  target: Omit<ProbeTarget, 'timeoutMilliseconds'>;
  health: Health;
  /** Monotonic time of the last good answer, or of the beginning. */
  goodAt: number;
  /** Monotonic time of the last question that had a good answer. */
  askedGoodAt: number;
  asked: number;
  /** Questions until nginx is asked again, and its bad answers in a row. */
  edgeIn: number;
  edgeFailures: number;
  isAsking: boolean;
  cancel: () => void;
  abort: AbortController;
}

/** What came of one question. */
interface Asked {
  /** When it was asked: monotonic, and by the clock in RFC 3339. */
  at: number;
  time: string;
  answer: ProbeAnswer;
  edge: Health['edge'];
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
    const watched = this.#watched.get(appUid);
    if (watched?.health.lastHealthyAt === undefined) return watched?.health;
    const { lastHealthyAt, ...health } = watched.health;
    const elapsed = this.#clock.now() - Date.parse(lastHealthyAt);
    const really = this.#clock.monotonic() - watched.askedGoodAt;
    // Somebody has set the clock since: whether that was before or after the process began cannot be said any more.
    return Math.abs(elapsed - really) > CLOCK_MOVED_MILLISECONDS ? health : watched.health;
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
      ...(this.#settings().edge ? { edge: { ok: false, message: NOT_ASKED } } : {}),
    };
    const watched: Watched = {
      name,
      target,
      health,
      goodAt: this.#clock.monotonic(),
      askedGoodAt: this.#clock.monotonic(),
      asked: 0,
      edgeIn: 0,
      edgeFailures: 0,
      isAsking: false,
      cancel: () => undefined,
      abort: new AbortController(),
    };
    this.#watched.set(uid, watched);
    this.#askAfter(0, watched);
  }

  /** Something is new about the way to it: it is asked at once, also through nginx. */
  askSoon(appUid: string): void {
    const watched = this.#watched.get(appUid);
    if (!watched || watched.isAsking) return;
    watched.edgeIn = 0;
    watched.cancel();
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
    watched.isAsking = true;
    const moment = { at: this.#clock.monotonic(), time: timestamp(this.#clock) };
    const answer = await this.#answer(watched.target, settings, signal);
    if (signal.aborted) return;
    const edge = answer.ok ? await this.#askEdge(watched, settings) : undefined;
    if (signal.aborted) return;
    watched.isAsking = false;
    this.#take(watched, { ...moment, answer, edge }, settings);
    watched.asked += 1;
    const eager = isWell(watched) ? undefined : FIRST_PAUSES_MILLISECONDS[watched.asked];
    const pause = eager ?? (isWell(watched) ? settings.intervalMilliseconds : 2_000);
    this.#askAfter(Math.min(pause, settings.intervalMilliseconds), watched);
  }

  #answer(
    target: Omit<ProbeTarget, 'timeoutMilliseconds'>,
    { timeoutMilliseconds }: HealthSettings,
    signal: AbortSignal,
  ): Promise<ProbeAnswer> {
    return this.#probe
      .ask({ ...target, timeoutMilliseconds }, signal)
      .catch((error: unknown): ProbeAnswer => ({ ok: false, message: String(error) }));
  }

  /** What is known of the edge after this question; undefined where it was not its turn. */
  async #askEdge(watched: Watched, settings: HealthSettings): Promise<Health['edge']> {
    const { edge } = settings;
    if (!edge) return undefined;
    watched.edgeIn -= 1;
    if (watched.edgeIn > 0 && watched.health.edge?.ok && watched.edgeFailures === 0) return undefined;
    watched.edgeIn = EDGE_EVERY;
    const target = { ...watched.target, ...edge, tls: true };
    const { status, message } = await this.#answer(target, settings, watched.abort.signal);
    // A page of its own that asks who one is, or sends elsewhere, is an answer; that nginx has nobody to ask is none.
    const isAnswer = status !== undefined && status < 500;
    watched.edgeFailures = isAnswer ? 0 : watched.edgeFailures + 1;
    if (isAnswer) return { ok: true, message };
    const wasOk = watched.health.edge?.ok === true && watched.edgeFailures < EDGE_FAILURES;
    return { ok: wasOk, message: wasOk ? (watched.health.edge?.message ?? message) : message };
  }

  #take(watched: Watched, { answer, edge, at, time }: Asked, settings: HealthSettings): void {
    const now = this.#clock.monotonic();
    if (answer.ok) {
      watched.goodAt = now;
      // Not when the answer came: what answered may have ended meanwhile, and another process begun.
      watched.askedGoodAt = at;
    }
    const before = watched.health;
    const state = nextState(before.state, answer, now - watched.goodAt, settings);
    const lastHealthyAt = answer.ok ? time : before.lastHealthyAt;
    watched.health = {
      ...before,
      state,
      message: answer.message,
      ...(lastHealthyAt === undefined ? {} : { lastHealthyAt }),
      ...(edge ? { edge } : {}),
    };
    const told = state !== before.state || (state !== 'healthy' && answer.message !== before.message);
    const edgeTold =
      edge && (edge.ok !== before.edge?.ok || (!edge.ok && edge.message !== before.edge.message));
    if (told || edgeTold) this.#onChange(watched.name);
  }
}

function isWell({ health, edgeFailures }: Watched): boolean {
  return health.state === 'healthy' && health.edge?.ok !== false && edgeFailures === 0;
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
