/**
 * The frames of an exec connection: one byte of channel, four bytes of length (big-endian), then that many bytes.
 * Server and client both use it; it knows nothing of what the channels mean.
 */
const HEADER = 5;
const LARGEST = 1024 * 1024;

export function encodeFrame(channel: number, payload: Uint8Array): Buffer {
  if (payload.length > LARGEST) throw new RangeError(`A frame of ${payload.length} bytes is over ${LARGEST}`);
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  frame.writeUInt8(channel, 0);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, HEADER);
  return frame;
}

export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole with this chunk. Throws RangeError on a frame over 1 MiB. */
  push(chunk: Buffer): { channel: number; payload: Buffer }[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: { channel: number; payload: Buffer }[] = [];
    while (this.#rest.length >= HEADER) {
      const length = this.#rest.readUInt32BE(1);
      if (length > LARGEST) throw new RangeError(`A frame of ${length} bytes is over ${LARGEST}`);
      if (this.#rest.length < HEADER + length) break;
      const payload = this.#rest.subarray(HEADER, HEADER + length);
      frames.push({ channel: this.#rest.readUInt8(0), payload });
      this.#rest = this.#rest.subarray(HEADER + length);
    }
    return frames;
  }
}
