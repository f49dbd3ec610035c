/**
 * Compression of answers for readers that accept gzip. Invariants:
 * - the length of a compressed answer shows whether the same words are in it twice (BREACH). So an answer is compressed only when its
 *   route says that it holds no secret (`packs`). Errors and answers to a POST never are;
 * - a text leaves at once: each write ends with a flush, and the reader gets whole events;
 * - a stream keeps 63 kB outside the heap (npm run bench:live). Streams and answers that are compressed at one time have bounds. A
 *   further one goes out as it is.
 */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGzip, type Gzip, gzip } from 'node:zlib';
import { MAX_PACKED_ANSWERS, MAX_PACKED_STREAMS, SMALLEST_PACKED } from './limits.ts';
import { EVENTS_TYPE, head, JSON_TYPE, jsonText, sendText } from './respond.ts';
import { SharedText } from './shared-text.ts';

/** A window of 4 KB and 32 KB for zlib in all. With its usual 256 KB an update of 1,000 readings would have 1 % fewer bytes. */
const OPTIONS = { level: 6, windowBits: 12, memLevel: 5, chunkSize: 4096 };
const VARY = { Vary: 'Accept-Encoding' };
const PACKED = { ...VARY, 'Content-Encoding': 'gzip' };

const packed = promisify<Buffer, typeof OPTIONS, Buffer>(gzip);
const pack = (bytes: Buffer): Promise<Buffer> => packed(bytes, OPTIONS);

/** RFC 9110, 12.5.3. */
export const acceptsGzip = (headers: IncomingHttpHeaders): boolean =>
  /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(headers['accept-encoding'] ?? ''));

/** Gives out each text that is written to it. */
export const eventGzip = (): Gzip => createGzip({ ...OPTIONS, flush: constants.Z_SYNC_FLUSH });

export class Packing {
  #streams = 0;
  #answers = 0;

  /** Streams that are compressed now. */
  get streams(): number {
    return this.#streams;
  }

  /** Begins an answer of server-sent events. @returns what takes them; it ends with the reader, and the answer ends with it */
  events(res: ServerResponse): Writable {
    if (this.#streams >= MAX_PACKED_STREAMS || !acceptsGzip(res.req.headers)) {
      head(res, 200, EVENTS_TYPE, VARY);
      return res;
    }
    head(res, 200, EVENTS_TYPE, PACKED);
    const out = eventGzip();
    this.#streams++;
    res.once('close', () => {
      this.#streams--;
      out.destroy();
    });
    // It has no memory, or somebody wrote after the end.
    out.on('error', () => res.destroy());
    out.pipe(res);
    return out;
  }

  /** Rejects when there is no memory. */
  json(res: ServerResponse, body: unknown): Promise<void> {
    return this.text(res, JSON_TYPE, `${jsonText(body)}\n`);
  }

  /** Rejects when there is no memory. */
  text(res: ServerResponse, type: string, text: string): Promise<void> {
    return this.shared(res, type, new SharedText(text));
  }

  /** Rejects when there is no memory. */
  async shared(res: ServerResponse, type: string, text: SharedText): Promise<void> {
    const { bytes } = text;
    if (bytes.length < SMALLEST_PACKED || this.#answers >= MAX_PACKED_ANSWERS || !acceptsGzip(res.req.headers)) {
      sendText(res, 200, type, bytes, VARY);
      return;
    }
    this.#answers++;
    let body: Buffer;
    try {
      body = await text.packed(pack);
    } finally {
      this.#answers--;
    }
    head(res, 200, type, { ...PACKED, 'Content-Length': String(body.length) });
    res.end(body);
  }
}
