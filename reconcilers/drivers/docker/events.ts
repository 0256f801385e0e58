/**
 * The engine's event stream: connects, tells what happened, notices when it is dead, connects again. Called by the
 * driver's `follow`. It asks nothing of the engine beyond the stream and a ping; what was missed while it was away is for
 * the listener to look up at `onUp`.
 */
import type { Readable } from 'node:stream';
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Connection } from './connection.ts';
import { driverError } from './errors.ts';
import { type Docker, type DockerEvent, LABEL } from './index.ts';
import { jsonLines } from './pull.ts';

interface RawEvent {
  Type?: string;
  Action?: string;
  Actor?: { ID?: string; Attributes?: Record<string, string> | null };
}

/** Attributes that the engine adds beside a container's labels. */
const NOT_LABELS = new Set([
  'name',
  'image',
  'exitCode',
  'signal',
  'execID',
  'execDuration',
  'oldName',
  'container',
  'type',
  'driver',
]);

const FIRST_WAIT = 200;
const LONGEST_WAIT = 5000;
/** A stream that is silent for this long is asked about with a ping. */
const SILENCE = 15_000;
const PING_SECONDS = 10;

/** undefined for what nobody here wants to know. Actions such as "health_status: healthy" keep their first word. */
export function readEvent(raw: RawEvent): DockerEvent | undefined {
  const { Type: type, Actor: actor } = raw;
  const attributes = actor?.Attributes ?? {};
  const [action = ''] = (raw.Action ?? '').split(':');
  const id = actor?.ID ?? '';
  if (type === 'container') {
    if (attributes[LABEL.managed] !== 'true' || action.startsWith('exec_')) return undefined;
    const exitCode = attributes['exitCode'];
    return {
      type,
      action,
      id,
      name: attributes['name'] ?? '',
      labels: Object.fromEntries(Object.entries(attributes).filter(([key]) => !NOT_LABELS.has(key))),
      ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
    };
  }
  if (type !== 'network' && type !== 'image' && type !== 'volume') return undefined;
  const containerId = type === 'network' ? attributes['container'] : undefined;
  return {
    type,
    action,
    id,
    name: attributes['name'] ?? id,
    labels: {},
    ...(containerId === undefined ? {} : { containerId }),
  };
}

export async function followEvents(
  { connection, clock }: { connection: Connection; clock: Clock },
  listener: Parameters<Docker['follow']>[0],
  signal: AbortSignal,
): Promise<void> {
  let wait = FIRST_WAIT;
  // Docker that is down from the start is told once, too.
  let told: 'up' | 'down' | undefined;
  while (!signal.aborted) {
    try {
      const stream = await connect(connection, clock, signal);
      wait = FIRST_WAIT;
      told = 'up';
      listener.onUp();
      await deliver({ connection, clock }, stream, listener.onEvent, signal);
      throw new DriverError('unavailable', 'following Docker events: Docker ended the stream');
    } catch (caught) {
      if (signal.aborted) return;
      connection.forget();
      if (told !== 'down') listener.onDown(driverError('following Docker events', caught));
      told = 'down';
    }
    await delay(clock, wait, signal).catch(() => {});
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/**
 * The engine sends its answer a moment before it listens for events itself, so `since` closes that gap: an event may come
 * twice, none is lost after `onUp`.
 */
function connect(connection: Connection, clock: Clock, signal: AbortSignal): Promise<Readable> {
  const since = clock.now() / 1000;
  return connection.call(
    'following Docker events',
    async (docker, abortSignal) =>
      (await docker.getEvents({
        since,
        filters: { type: ['container', 'network', 'image', 'volume'] },
        abortSignal,
      })) as Readable,
    { signal },
  );
}

async function deliver(
  { connection, clock }: { connection: Connection; clock: Clock },
  stream: Readable,
  onEvent: (event: DockerEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const onAbort = () => stream.destroy();
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const silence = watchSilence({ connection, clock }, (error) => stream.destroy(error));
  try {
    for await (const raw of jsonLines<RawEvent>(noting(stream, silence.heard))) {
      const event = readEvent(raw);
      if (event) onEvent(event);
    }
  } finally {
    silence.stop();
    signal.removeEventListener('abort', onAbort);
    stream.destroy();
  }
}

async function* noting(source: AsyncIterable<unknown>, note: () => void): AsyncGenerator<unknown> {
  for await (const chunk of source) {
    note();
    yield chunk;
  }
}

/** A dockerd that is stopped or frozen keeps its connections open and says nothing. */
function watchSilence(
  { connection, clock }: { connection: Connection; clock: Clock },
  onDead: (error: Error) => void,
): { heard(): void; stop(): void } {
  let heard = false;
  let over = false;
  let cancel = () => {};
  const check = async () => {
    if (!heard) {
      try {
        await ping(connection);
      } catch (caught) {
        if (!over) onDead(driverError('following Docker events', caught));
        return;
      }
    }
    heard = false;
    if (!over) cancel = clock.after(SILENCE, check);
  };
  cancel = clock.after(SILENCE, check);
  return {
    heard() {
      heard = true;
    },
    stop() {
      over = true;
      cancel();
    },
  };
}

function ping(connection: Connection): Promise<unknown> {
  return connection.call(
    'asking whether Docker is alive',
    (docker, abortSignal) =>
      (docker as unknown as { ping(options: object): Promise<unknown> }).ping({ abortSignal }),
    { timeoutSeconds: PING_SECONDS },
  );
}
