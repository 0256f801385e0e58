/**
 * Container output as lines. The engine sends one raw stream with a terminal, and without one a sequence of frames (eight
 * bytes of header: stream, three zeros, length) that cut lines anywhere. Called by the driver; holds at most one unfinished
 * line of each stream in memory.
 */
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { LogLine, LogOptions } from './index.ts';

interface Frame {
  stream: 'stdout' | 'stderr';
  data: Buffer;
}

const HEADER_BYTES = 8;
/** A line that never ends is given out in pieces of this many characters. */
const LONGEST_LINE = 1024 * 1024;

/** Feeds on chunks, answers the frames that are complete. */
export function createDemultiplexer(): (chunk: Buffer) => Frame[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const frames: Frame[] = [];
    let offset = 0;
    while (rest.length - offset >= HEADER_BYTES) {
      const end = offset + HEADER_BYTES + rest.readUInt32BE(offset + 4);
      if (rest.length < end) break;
      frames.push({
        stream: rest[offset] === 2 ? 'stderr' : 'stdout',
        data: rest.subarray(offset + HEADER_BYTES, end),
      });
      offset = end;
    }
    rest = rest.subarray(offset);
    return frames;
  };
}

/** With a terminal everything is stdout. */
export function createFrameReader(tty: boolean): (chunk: Buffer) => Frame[] {
  return tty ? (chunk) => [{ stream: 'stdout', data: chunk }] : createDemultiplexer();
}

interface LineSplitter {
  push(frame: Frame): LogLine[];
  /** What stands there without a line break. */
  flush(): LogLine[];
}

export function createLineSplitter(): LineSplitter {
  const pending = {
    stdout: { decoder: new StringDecoder('utf8'), text: '' },
    stderr: { decoder: new StringDecoder('utf8'), text: '' },
  };
  return {
    push({ stream, data }) {
      const state = pending[stream];
      const pieces = (state.text + state.decoder.write(data)).split('\n');
      state.text = pieces.pop() ?? '';
      if (state.text.length >= LONGEST_LINE) {
        pieces.push(state.text);
        state.text = '';
      }
      return pieces.map((text) => ({ stream, text: text.replace(/\r$/, '') }));
    },
    flush() {
      return (['stdout', 'stderr'] as const).flatMap((stream) => {
        const state = pending[stream];
        const text = state.text + state.decoder.end();
        state.text = '';
        return text === '' ? [] : [{ stream, text: text.replace(/\r$/, '') }];
      });
    },
  };
}

/** Ends quietly when the signal aborts; a stream that breaks rejects. */
export async function* readLines(
  source: Readable,
  tty: boolean,
  signal?: AbortSignal,
): AsyncGenerator<LogLine> {
  const frames = createFrameReader(tty);
  const lines = createLineSplitter();
  const onAbort = () => source.destroy();
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const chunk of source) {
      for (const frame of frames(chunk as Buffer)) yield* lines.push(frame);
    }
    yield* lines.flush();
  } catch (caught) {
    if (!signal?.aborted) throw caught;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    source.destroy();
  }
}

export function logQuery(options: LogOptions): Record<string, string | boolean> {
  return {
    stdout: true,
    stderr: true,
    follow: options.follow ?? false,
    timestamps: options.timestamps ?? false,
    tail: options.tail === undefined ? 'all' : String(options.tail),
    ...(options.since === undefined ? {} : { since: unixSeconds(options.since) }),
    ...(options.until === undefined ? {} : { until: unixSeconds(options.until) }),
  };
}

/** RFC 3339, up to nanoseconds, as the engine takes it: seconds.nanoseconds. */
export function unixSeconds(rfc3339: string): string {
  const fraction = /\.(\d+)/.exec(rfc3339)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(rfc3339.replace(/\.\d+/, '')) / 1000);
  return fraction === '' ? String(seconds) : `${seconds}.${fraction.padEnd(9, '0').slice(0, 9)}`;
}
