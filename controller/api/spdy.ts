/**
 * The server's side of SPDY/3.1, as far as Kubernetes clients speak it on an upgraded connection (draft-mbelshe-httpbis-spdy-00):
 * streams that the client opens, data both ways, pings. There is no flow control, since those clients have none: a stream that is
 * not read holds up the connection, and nothing is queued. Over a plain socket, or tunnelled through a WebSocket.
 */

import type { Transform } from 'node:stream';
import { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate, type Zlib } from 'node:zlib';
import { DICTIONARY } from './spdy-dictionary.ts';

const VERSION = 3;
const TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
} as const;
const FIN = 0x01;
const RST = { protocolError: 1, cancel: 5 } as const;
const HEADER = 8;
/** Of a header block after it was unpacked, so that a few bytes cannot become many; and of one frame. */
const MOST_HEADER_BYTES = 64 * 1024;
const MOST_FRAME_BYTES = 4 * 1024 * 1024;
const MOST_STREAMS = 256;
const CHUNK = 32 * 1024;

/** Something that no honest client sends; the connection ends. */
class SpdyError extends Error {}

export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #inflate = createInflate({
    dictionary: DICTIONARY,
    readableHighWaterMark: MOST_HEADER_BYTES,
  } as Parameters<typeof createInflate>[0]);
  readonly #deflate = createDeflate({ dictionary: DICTIONARY });
  readonly #onStream: (stream: SpdyStream) => void;
  #lastStream = 0;

  /** `onStream` is called for each stream that the client opens, after it was accepted. */
  constructor(socket: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    this.#inflate.on('error', () => socket.destroy());
    this.#deflate.on('error', () => socket.destroy());
  }

  /** Reads until the connection ends; never rejects. `head` is what came before. */
  async run(head: Buffer): Promise<void> {
    try {
      let rest = head;
      rest = await this.#take(rest);
      for await (const chunk of this.#socket) rest = await this.#take(Buffer.concat([rest, chunk as Buffer]));
    } catch {
      // Broken by the network or by what was sent: either way there is nobody to tell.
    } finally {
      for (const stream of this.#streams.values()) stream.destroy();
      this.#streams.clear();
      this.#inflate.close();
      this.#deflate.close();
      this.#socket.destroy();
    }
  }

  /** Ends the connection after everything written was sent. */
  end(): void {
    const goAway = Buffer.alloc(8);
    goAway.writeUInt32BE(this.#lastStream, 0);
    this.#socket.write(controlFrame(TYPE.goAway, 0, goAway));
    this.#socket.end();
  }

  /** Handles the frames that are complete; answers the bytes of the one that is not. */
  async #take(bytes: Buffer): Promise<Buffer> {
    let from = 0;
    while (bytes.length - from >= HEADER) {
      const length = bytes.readUIntBE(from + 5, 3);
      if (length > MOST_FRAME_BYTES) throw new SpdyError('a frame is too large');
      const end = from + HEADER + length;
      if (bytes.length < end) break;
      await this.#handle(bytes.subarray(from, from + HEADER), bytes.subarray(from + HEADER, end));
      from = end;
    }
    return bytes.subarray(from);
  }

  async #handle(header: Buffer, payload: Buffer): Promise<void> {
    const word = header.readUInt32BE(0);
    const flags = header.readUInt8(4);
    const isControl = word >>> 31 === 1;
    if (!isControl) return this.#data(word, flags, payload);
    if (((word >>> 16) & 0x7fff) !== VERSION) throw new SpdyError('another version');
    const type = word & 0xffff;
    if (type === TYPE.synStream) return this.#open(flags, payload);
    // What is packed must be unpacked in any case: all blocks are one stream of zlib.
    if (type === TYPE.headers) await this.#headersOf(payload.subarray(4));
    else if (type === TYPE.rstStream) this.#streams.get(idOf(payload))?.destroy();
    else if (type === TYPE.ping) this.#pong(payload);
    else if (type === TYPE.goAway) this.#socket.end();
    // Settings and windows are for flow control; the rest is nobody's.
  }

  async #data(id: number, flags: number, payload: Buffer): Promise<void> {
    const stream = this.#streams.get(id);
    if (!stream) return;
    if (payload.length > 0) await stream.give(payload);
    if (flags & FIN) stream.giveEnd();
  }

  async #open(flags: number, payload: Buffer): Promise<void> {
    const id = idOf(payload);
    const headers = await this.#headersOf(payload.subarray(10));
    if (id % 2 === 0 || id <= this.#lastStream) throw new SpdyError('a stream id that is not new');
    this.#lastStream = id;
    if (this.#streams.size >= MOST_STREAMS) return this.#reset(id, RST.cancel);
    const stream = new SpdyStream(headers, {
      write: (chunk, done) => this.#send(id, 0, chunk, done),
      finish: (done) => this.#send(id, FIN, Buffer.alloc(0), done),
      cancel: () => this.#reset(id, RST.cancel),
    });
    this.#streams.set(id, stream);
    stream.once('close', () => this.#streams.delete(id));
    const reply = Buffer.alloc(4);
    reply.writeUInt32BE(id, 0);
    const none = await this.#through(this.#deflate, Buffer.alloc(4));
    this.#socket.write(controlFrame(TYPE.synReply, 0, Buffer.concat([reply, none])));
    if (flags & FIN) stream.giveEnd();
    this.#onStream(stream);
  }

  #pong(payload: Buffer): void {
    // Odd ids are the client's; the answer to one of ours, of which there are none, must not be answered.
    if (idOf(payload) % 2 === 1) this.#socket.write(controlFrame(TYPE.ping, 0, payload.subarray(0, 4)));
  }

  #reset(id: number, status: number): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(id, 0);
    payload.writeUInt32BE(status, 4);
    this.#socket.write(controlFrame(TYPE.rstStream, 0, payload));
  }

  #send(id: number, flags: number, chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) {
      done();
      return;
    }
    const header = Buffer.alloc(HEADER);
    header.writeUInt32BE(id, 0);
    header.writeUInt8(flags, 4);
    header.writeUIntBE(chunk.length, 5, 3);
    this.#socket.write(Buffer.concat([header, chunk]), (error) => done(error));
  }

  async #headersOf(block: Buffer): Promise<Map<string, string>> {
    const bytes = await this.#through(this.#inflate, block);
    return readHeaders(bytes);
  }

  /** What comes out of the packer for these bytes, all of it. */
  #through(packer: Transform & Zlib, bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const tooMuch = () => {
        if (packer.readableLength >= MOST_HEADER_BYTES) reject(new SpdyError('headers are too large'));
      };
      const gone = () => reject(new SpdyError('the connection ended'));
      packer.on('readable', tooMuch);
      packer.once('close', gone);
      packer.write(bytes, () =>
        packer.flush(constants.Z_SYNC_FLUSH, () => {
          packer.off('readable', tooMuch);
          packer.off('close', gone);
          resolve((packer.read() as Buffer | null) ?? Buffer.alloc(0));
        }),
      );
    });
  }
}

/** A stream that the client opened. Reading it reads what the client sends; ending it ends our half. */
export class SpdyStream extends Duplex {
  readonly headers: ReadonlyMap<string, string>;
  readonly #out: Out;
  #resume: (() => void) | undefined;

  constructor(headers: Map<string, string>, out: Out) {
    super({ allowHalfOpen: true, autoDestroy: true });
    this.headers = headers;
    this.#out = out;
    // Who uses it hears of its end; that a client broke it off is no error of ours.
    this.on('error', () => undefined);
  }

  /** Resolves when there is room for more. */
  give(bytes: Buffer): Promise<void> {
    if (this.destroyed || this.readableEnded || this.push(bytes)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  giveEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#resume?.();
    this.#resume = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const send = (from: number): void => {
      const part = chunk.subarray(from, from + CHUNK);
      const isLast = from + CHUNK >= chunk.length;
      this.#out.write(part, (error) => (error || isLast ? done(error) : send(from + CHUNK)));
    };
    send(0);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#out.finish(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#resume?.();
    if (!this.writableFinished) this.#out.cancel();
    done(error);
  }
}

interface Out {
  write(chunk: Buffer, done: (error?: Error | null) => void): void;
  finish(done: (error?: Error | null) => void): void;
  cancel(): void;
}

function idOf(payload: Buffer): number {
  return payload.readUInt32BE(0) & 0x7fffffff;
}

function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(0x8000 | VERSION, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt8(flags, 4);
  header.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([header, payload]);
}

/** Throws on what ends too early. */
function readHeaders(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 4;
  const text = (): string => {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new SpdyError('headers end too early');
    const value = bytes.toString('utf8', at + 4, end);
    at = end;
    return value;
  };
  for (let left = bytes.readUInt32BE(0); left > 0; left--) headers.set(text().toLowerCase(), text());
  return headers;
}
