/**
 * Pulling an image: turns the engine's lines of progress into percent, notices when nothing moves, and names what the
 * registry refused. The tracker is pure; `runPull` is called by the driver, which bounds how many run at once.
 */
import type { Readable } from 'node:stream';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Connection } from './connection.ts';
import { engineText, pullError, statusOf } from './errors.ts';
import type { DockerWriting, PullProgress } from './index.ts';
import { parseReference } from './reference.ts';

export interface PullLine {
  id?: string;
  status?: string;
  progressDetail?: { current?: number; total?: number };
  error?: string;
  errorDetail?: { message?: string };
}

interface Layer {
  /** Bytes; undefined until the engine says. */
  size?: number;
  downloaded: number;
  extracted: number;
  done: boolean;
}

interface PullTracker {
  /** Whether the line shows that something moved. */
  take(line: PullLine): boolean;
  progress(): PullProgress;
}

const LAYER_STATUS =
  /^(Pulling fs layer|Waiting|Downloading|Verifying Checksum|Download complete|Extracting|Pull complete|Already exists)/;

export function createPullTracker(): PullTracker {
  const layers = new Map<string, Layer>();
  let best = 0;
  let last = '';

  function layerOf(id: string): Layer {
    const known = layers.get(id);
    if (known) return known;
    const layer: Layer = { downloaded: 0, extracted: 0, done: false };
    layers.set(id, layer);
    return layer;
  }

  function take(line: PullLine): boolean {
    const { id, status = '' } = line;
    const text = `${id ?? ''} ${status} ${line.progressDetail?.current ?? ''}`;
    // The engine counts down to its next try by itself: that is no movement.
    const moved = text !== last && !/^Retrying in/.test(status);
    last = text;
    if (id !== undefined && LAYER_STATUS.test(status)) update(layerOf(id), status, line.progressDetail ?? {});
    return moved;
  }

  function progress(): PullProgress {
    const all = [...layers.values()];
    const message = messageOf(all);
    if (all.length === 0 || all.some((layer) => layer.size === undefined)) return { message };
    const size = all.reduce((sum, layer) => sum + (layer.size ?? 0), 0);
    const moved = all.reduce((sum, layer) => sum + layer.downloaded + layer.extracted, 0);
    const percent = size === 0 ? 100 : Math.floor((moved * 100) / (2 * size));
    best = Math.max(best, Math.min(percent, 100));
    return { percent: best, message };
  }

  return { take, progress };
}

/** Half of a layer's work is its download, half its extraction. */
function update(layer: Layer, status: string, detail: { current?: number; total?: number }): void {
  const { current = 0, total } = detail;
  if (total !== undefined && total > 0) layer.size ??= total;
  if (status === 'Downloading') layer.downloaded = Math.min(current, layer.size ?? current);
  if (status === 'Extracting') {
    layer.downloaded = layer.size ?? 0;
    layer.extracted = Math.min(current, layer.size ?? current);
  }
  if (status === 'Verifying Checksum' || status === 'Download complete') {
    // A small layer is complete before its size was said.
    layer.size ??= 0;
    layer.downloaded = layer.size;
  }
  if (status === 'Pull complete' || status === 'Already exists') {
    layer.size ??= 0;
    layer.downloaded = layer.size;
    layer.extracted = layer.size;
    layer.done = true;
  }
}

function messageOf(layers: readonly Layer[]): string {
  if (layers.length === 0) return 'asking the registry';
  const done = layers.filter((layer) => layer.done).length;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const downloaded = layers.reduce((sum, layer) => sum + layer.downloaded, 0);
  const size = layers.reduce((sum, layer) => sum + (layer.size ?? 0), 0);
  return `${done} of ${layers.length} layers, ${megabytes(downloaded)} of ${megabytes(size)} MB`;
}

/** Resolves when the engine has the image. */
export async function runPull(
  { connection, clock }: { connection: Connection; clock: Clock },
  text: string,
  options: Parameters<DockerWriting['pull']>[1],
): Promise<void> {
  const reference = parseReference(text);
  const { stallSeconds = 60 } = options;
  const stall = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stall.signal]) : stall.signal;
  let cancelTimer = () => {};
  const moved = () => {
    cancelTimer();
    cancelTimer = clock.after(stallSeconds * 1000, () => stall.abort());
  };
  moved();
  try {
    const stream = await open(connection, reference, options, signal, stallSeconds);
    await readProgress(stream, reference.text, options, signal, moved);
  } catch (caught) {
    if (options.signal?.aborted) {
      throw new DriverError('aborted', `pulling ${reference.text}: cancelled`, {
        cause: options.signal.reason,
      });
    }
    if (stall.signal.aborted) {
      const message = `pulling ${reference.text}: nothing moved for ${stallSeconds} s`;
      throw new DriverError('timeout', message);
    }
    throw caught;
  } finally {
    cancelTimer();
  }
}

async function open(
  connection: Connection,
  reference: { repository: string; tag: string; registry?: string; text: string },
  options: Parameters<DockerWriting['pull']>[1],
  signal: AbortSignal,
  stallSeconds: number,
): Promise<Readable> {
  const { auth } = options;
  const authconfig = auth && {
    username: auth.username,
    password: auth.password,
    serveraddress: auth.server ?? reference.registry ?? 'https://index.docker.io/v1/',
  };
  return connection.call(
    `pulling ${reference.text}`,
    async (docker, abortSignal) => {
      try {
        const query = { fromImage: reference.repository, tag: reference.tag, abortSignal };
        return (await docker.createImage(authconfig, query)) as Readable;
      } catch (caught) {
        const status = statusOf(caught);
        throw status === undefined ? caught : pullError(reference.text, engineText(caught), status, caught);
      }
    },
    // The engine answers with the first line of progress: the stall decides, not the time of a plain call.
    { signal, timeoutSeconds: stallSeconds + 60 },
  );
}

async function readProgress(
  stream: Readable,
  reference: string,
  options: Parameters<DockerWriting['pull']>[1],
  signal: AbortSignal,
  moved: () => void,
): Promise<void> {
  const tracker = createPullTracker();
  const onAbort = () => stream.destroy(new DriverError('aborted', `pulling ${reference}: cancelled`));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const line of jsonLines<PullLine>(stream)) {
      const failed = line.errorDetail?.message ?? line.error;
      if (failed !== undefined) throw pullError(reference, failed);
      if (tracker.take(line)) {
        moved();
        options.onProgress?.(tracker.progress());
      }
    }
  } catch (caught) {
    if (caught instanceof DriverError) throw caught;
    throw new DriverError('unavailable', `pulling ${reference}: Docker hung up: ${engineText(caught)}`, {
      cause: caught,
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
    stream.destroy();
  }
}

/** One JSON value a line; what is no JSON is left out. */
export async function* jsonLines<T>(source: AsyncIterable<unknown>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of source) {
    const pieces = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
    rest = pieces.pop() ?? '';
    for (const piece of pieces) yield* parsed<T>(piece);
  }
  yield* parsed<T>(rest);
}

function* parsed<T>(text: string): Generator<T> {
  if (text.trim() === '') return;
  try {
    yield JSON.parse(text) as T;
  } catch (caught) {
    if (!(caught instanceof SyntaxError)) throw caught;
  }
}
