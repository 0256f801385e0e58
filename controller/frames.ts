/**
 * Frames of an exec session, after the connection was upgraded to holdfast-stream: one byte channel, four bytes length (big
 * endian), payload. Both sides speak it: the API and the CLI. Pure; it holds nothing but the bytes of an unfinished frame.
 */

export const UPGRADE_PROTOCOL = 'holdfast-stream';

export const CHANNEL = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  /** From the server, last: JSON of ExecExit. */
  exit: 3,
  /** From the client: JSON of TerminalSize. */
  resize: 4,
  /** From the client, empty: nothing more comes on stdin. */
  stdinClosed: 5,
} as const;

/** The command's exit code, or why there is none. */
export type ExecExit = { exitCode: number } | { message: string };

export interface TerminalSize {
  columns: number;
  rows: number;
}

export interface Frame {
  channel: number;
  payload: Buffer;
}

const HEADER = 5;
/** A larger frame is a peer that speaks something else. Senders cut at CHUNK. */
const LARGEST = 16 * 2 ** 20;
const CHUNK = 2 ** 20;

/** The bytes of a frame; of several, where the payload is larger than a frame should be. */
export function encodeFrame(channel: number, payload: Uint8Array | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const parts: Uint8Array[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += CHUNK) {
    const part = bytes.subarray(from, from + CHUNK);
    const header = Buffer.alloc(HEADER);
    header.writeUInt8(channel, 0);
    header.writeUInt32BE(part.length, 1);
    parts.push(header, part);
  }
  return Buffer.concat(parts);
}

/** Cuts a stream of bytes into frames, however it was chopped on the way. */
export class FrameDecoder {
  private rest: Buffer = Buffer.alloc(0);

  /** Frames that are complete with these bytes. Throws where the other side does not speak frames. */
  push(bytes: Uint8Array): Frame[] {
    this.rest = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    const frames: Frame[] = [];
    let from = 0;
    while (this.rest.length - from >= HEADER) {
      const length = this.rest.readUInt32BE(from + 1);
      if (length > LARGEST)
        throw new RangeError(`a frame of ${length} bytes: the other side does not speak ${UPGRADE_PROTOCOL}`);
      if (this.rest.length - from < HEADER + length) break;
      const start = from + HEADER;
      frames.push({ channel: this.rest.readUInt8(from), payload: this.rest.subarray(start, start + length) });
      from = start + length;
    }
    this.rest = this.rest.subarray(from);
    return frames;
  }

  /** True in the middle of a frame: a stream that ends now was cut. */
  get isInside(): boolean {
    return this.rest.length > 0;
  }
}

/** How a command ended; undefined where the frame is no such thing. */
export function parseExit(payload: Uint8Array): ExecExit | undefined {
  const end = parsePayload(payload);
  if (typeof end?.['exitCode'] === 'number') return { exitCode: end['exitCode'] };
  return typeof end?.['message'] === 'string' ? { message: end['message'] } : undefined;
}

/** Payload of an `exit` or `resize` frame; undefined where it is no JSON object. */
export function parsePayload(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
