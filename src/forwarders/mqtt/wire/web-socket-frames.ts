/** The frames of a WebSocket (RFC 6455, section 5), for the side of a client. Pure, but for the mask. */
import { randomBytes } from 'node:crypto';

export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;
const CONTINUATION = 0;
const TEXT = 1;
/** Bytes that a control frame may have. */
const MOST_CONTROL = 125;

export interface FrameSink {
  /** A part of the contents of binary messages, in order. */
  content(bytes: Buffer): void;
  control(opcode: number, bytes: Buffer): void;
  /** A frame of a message without contents. */
  empty(): void;
}

/** Takes the frames of a server apart, however they are cut. */
export class FrameReader {
  readonly #sink: FrameSink;
  /** The header of the frame that has begun; at most ten bytes. */
  #header: number[] = [];
  /** Bytes of its contents to come; undefined: its header is not complete. */
  #left: number | undefined;
  #opcode = 0;
  #final = false;
  /** A message has begun, and its last frame has not come. */
  #inMessage = false;
  /** Contents of a control frame; at most MOST_CONTROL bytes. */
  #control: Buffer[] = [];

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** @returns what is wrong, as the end of "the broker …"; nothing more may be read then */
  read(chunk: Buffer): string | undefined {
    let at = 0;
    while (at < chunk.length || this.#left === 0) {
      if (this.#left === undefined) {
        this.#header.push(chunk[at++] as number);
        const fault = this.#begin();
        if (fault !== undefined) return fault;
        continue;
      }
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if (this.#opcode >= CLOSE) this.#control.push(part);
      else if (part.length > 0) this.#sink.content(part);
      if (this.#left === 0) this.#end();
    }
    return undefined;
  }

  /** Looks at the header, as far as it has come. */
  #begin(): string | undefined {
    const [first = 0, second] = this.#header;
    if (second === undefined) return this.#opcodeFault(first);
    if (second > 127) return 'sent a masked frame, which only a client may';
    const more = second === 127 ? 8 : second === 126 ? 2 : 0;
    if (more > 0 && first % 16 >= CLOSE) return `sent a control frame with more than ${MOST_CONTROL} bytes`;
    if (this.#header.length < 2 + more) return undefined;
    const length = more === 0 ? second : this.#header.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
    if (length > Number.MAX_SAFE_INTEGER) return 'announced a frame without an end';
    this.#opcode = first % 16;
    this.#final = first >= 128;
    this.#left = length;
    this.#header = [];
    if (length === 0 && this.#opcode < CLOSE) this.#sink.empty();
    return undefined;
  }

  #opcodeFault(first: number): string | undefined {
    const opcode = first % 16;
    if ((first & 0x70) !== 0) return 'used an extension of WebSocket that was not agreed on';
    switch (opcode) {
      case CONTINUATION:
        return this.#inMessage ? undefined : 'continued a WebSocket message that had not begun';
      case BINARY:
        return this.#inMessage ? 'began a WebSocket message inside another one' : undefined;
      case TEXT:
        return 'sent text over the WebSocket; MQTT is in binary messages';
      case CLOSE:
      case PING:
      case PONG:
        return first >= 128 ? undefined : 'sent a control frame in parts';
      default:
        return `sent a WebSocket frame of a kind that is not known (${opcode})`;
    }
  }

  #end(): void {
    this.#left = undefined;
    if (this.#opcode < CLOSE) {
      this.#inMessage = !this.#final;
      return;
    }
    const bytes = Buffer.concat(this.#control);
    this.#control = [];
    this.#sink.control(this.#opcode, bytes);
  }
}

/** A whole frame of a client, masked. */
export function frame(opcode: number, contents: Uint8Array): Buffer {
  const { length } = contents;
  const header =
    length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : [127, 0, 0, 0, 0, ...four(length)];
  header[0] = (header[0] as number) | 128;
  const mask = randomBytes(4);
  const start = 1 + header.length + 4;
  const bytes = Buffer.allocUnsafe(start + length);
  bytes.set([128 | opcode, ...header, ...mask]);
  for (let i = 0; i < length; i++) bytes[start + i] = (contents[i] as number) ^ (mask[i & 3] as number);
  return bytes;
}

const four = (length: number): number[] => [24, 16, 8, 0].map((shift) => (length >>> shift) & 255);
