/**
 * The answers of one door that take long: tails, pages that stay open, captures, exports, questions to the log. Each kind has a
 * number of places, so the readers of one door keep nobody waiting at another. A reader that takes nothing while something waits for it is cut off, and so is
 * one whose session or token has ended.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import { placeOf } from '../core/peer-place.ts';
import { CaptureStream } from './capture-stream.ts';
import type { KnownCallers } from './known-callers.ts';
import { MAX_CAPTURES, MAX_EXPORTS, MAX_LIVES, MAX_QUESTIONS, MAX_RESENDS, MAX_TAILS, READER_STALL } from './limits.ts';
import type { LiveSource } from './live/live-source.ts';
import { type LiveQuery, LiveStream } from './live/live-stream.ts';
import type { ExportQuery } from './log-questions.ts';
import type { Packing } from './packing.ts';
import { BYTES_TYPE, CSV_TYPE, HttpError, head, LINES_TYPE } from './respond.ts';
import { TailStream } from './tail-stream.ts';
import type { AdminTarget, TailItem } from './target.ts';
import type { Capture, WireFrame } from './wire-target.ts';

/** Who reads an answer. */
export interface Reader {
  readonly res: ServerResponse;
  /** Whether it is still who it was; absent: for as long as it is there. */
  readonly holds?: (() => boolean) | undefined;
}

type Kind = 'tails' | 'lives' | 'captures' | 'exports' | 'lines' | 'questions';
const PLACES: Readonly<Record<Kind, { readonly most: number; readonly words: string }>> = {
  tails: { most: MAX_TAILS, words: 'tails run at one time; end another' },
  lives: { most: MAX_LIVES, words: 'pages stay open at one time; close another' },
  captures: { most: MAX_CAPTURES, words: 'captures run at one time; end another' },
  exports: { most: MAX_EXPORTS, words: 'exports run at one time; try again' },
  lines: { most: MAX_RESENDS, words: 'resends run at one time; try again' },
  questions: { most: MAX_QUESTIONS, words: 'questions to the log run at one time; try again' },
};

export class LongAnswers {
  readonly #clock: Clock;
  readonly #callers: KnownCallers;
  /** Answers without an end of their own (tails, open pages, captures), and the end of what feeds them. */
  readonly #endless = new Map<Writable, () => void>();
  readonly #packing: Packing;
  readonly #share: number | undefined;
  readonly #under: Record<Kind, string[]> = { tails: [], lives: [], captures: [], exports: [], lines: [], questions: [] };

  /** @param share of the places of each kind that one address may have; absent: all */
  constructor(clock: Clock, callers: KnownCallers, packing: Packing, share?: number) {
    this.#clock = clock;
    this.#packing = packing;
    this.#callers = callers;
    this.#share = share;
  }

  /** Ends the answers that have no end of their own. */
  end(): void {
    for (const [out, stop] of this.#endless) {
      // First: a write behind the end of an answer is an error that ends the process.
      stop();
      out.end();
    }
  }

  tail(reader: Reader, subscribe: (listener: (item: TailItem) => void) => () => void): void {
    const { res } = reader;
    const leave = this.#take('tails', reader);
    head(res, 200, LINES_TYPE);
    res.flushHeaders();
    const stream = new TailStream(res);
    const unsubscribe = subscribe((item) => stream.push(item));
    this.#goOn(res, () => {
      leave();
      unsubscribe();
    });
  }

  /** A page that stays open. */
  live(reader: Reader, source: LiveSource, query: LiveQuery): void {
    const { res } = reader;
    // First: it throws while the gateway starts.
    const stream = new LiveStream(source, this.#clock, query);
    const leave = this.#take('lives', reader);
    const gone = new AbortController();
    const out = this.#packing.events(res);
    this.#goOn(
      res,
      () => {
        leave();
        gone.abort();
      },
      out,
    );
    // The gateway is stopping. The page asks again, and the answer says so.
    stream.run(out, gone.signal).catch(() => res.destroy());
  }

  capture(reader: Reader, begin: (frame: (frame: WireFrame) => void, ended: () => void) => Capture): void {
    const { res } = reader;
    const leave = this.#take('captures', reader);
    const stream = new CaptureStream(res);
    let capture: Capture;
    try {
      capture = begin(
        (frame) => stream.push(frame),
        () => res.end(),
      );
    } catch (thrown) {
      leave();
      throw thrown;
    }
    head(res, 200, LINES_TYPE);
    stream.begin(capture.head);
    this.#goOn(res, () => {
      leave();
      capture.stop();
    });
  }

  async ask<T>(reader: Reader, answer: () => Promise<T>): Promise<T> {
    const leave = this.#take('questions', reader);
    try {
      return await answer();
    } finally {
      leave();
    }
  }

  async export(reader: Reader, target: Pick<AdminTarget, 'export'>, query: ExportQuery): Promise<void> {
    const leave = this.#take('exports', reader);
    try {
      await this.#paced(
        reader.res,
        () => exportHead(reader.res, query.format),
        async (write) => {
          for await (const text of target.export(query)) await write(text);
        },
      );
    } finally {
      leave();
    }
  }

  /** Bytes of any length. */
  async bytes(reader: Reader, source: AsyncIterable<Uint8Array>): Promise<void> {
    const leave = this.#take('exports', reader);
    try {
      await this.#paced(
        reader.res,
        () => head(reader.res, 200, BYTES_TYPE),
        async (write) => {
          for await (const bytes of source) await write(bytes);
        },
      );
    } finally {
      leave();
    }
  }

  /** Lines of JSON, each after the reader took the one before, and a last line that says what they were. */
  async lines(reader: Reader, source: (line: (json: string) => Promise<void>) => Promise<object>): Promise<void> {
    const leave = this.#take('lines', reader);
    try {
      await this.#paced(
        reader.res,
        () => head(reader.res, 200, LINES_TYPE),
        async (write) => {
          const end = await source((json) => write(`${json}\n`));
          await write(`${JSON.stringify({ type: 'end', ...end })}\n`);
        },
      );
    } finally {
      leave();
    }
  }

  /** A text of any length; the source waits while the reader does not take it, and ends with the reader. */
  async #paced(
    res: ServerResponse,
    begin: () => void,
    source: (write: (text: string | Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const gone = new AbortController();
    const closed = () => gone.abort();
    res.once('close', closed);
    let cancelStall = (): void => {};
    // Only with the first text, so that a fault at the start still becomes a proper answer.
    const begun = (): void => {
      if (res.headersSent) return;
      begin();
      cancelStall = this.#watchStall(res);
    };
    try {
      await source(async (text) => {
        if (!gone.signal.aborted) {
          begun();
          if (!res.write(text)) await once(res, 'drain', { signal: gone.signal }).catch(() => {});
        }
        if (gone.signal.aborted) throw new SluiceError('timeout', 'the reader of the answer went away');
      });
      begun();
      res.end();
    } catch (thrown) {
      // The reader went away: nobody would get the error.
      if (!gone.signal.aborted) throw thrown;
    } finally {
      cancelStall();
      res.off('close', closed);
    }
  }

  /** @returns gives the place back. @throws HttpError busy */
  #take(kind: Kind, { res, holds }: Reader): () => void {
    const { most, words } = PLACES[kind];
    const places = this.#under[kind];
    const own = placeOf(res.socket?.remoteAddress);
    const share = Math.ceil(most * (this.#share ?? 1));
    const full = places.length >= most ? most : places.filter((place) => place === own).length >= share ? share : undefined;
    if (full !== undefined) throw new HttpError(503, 'busy', `at most ${full} ${words}`);
    places.push(own);
    const end = holds === undefined ? () => {} : this.#callers.add(holds, () => res.destroy());
    return () => {
      end();
      places.splice(places.indexOf(own), 1);
    };
  }

  /** Until the reader or the gateway ends it. @param out what is written to, when it is not `res` */
  #goOn(res: ServerResponse, ended: () => void, out: Writable = res): void {
    let over = false;
    const stop = (): void => {
      if (!over) ended();
      over = true;
    };
    this.#endless.set(out, stop);
    const cancelStall = this.#watchStall(res);
    res.once('close', () => {
      cancelStall();
      this.#endless.delete(out);
      stop();
    });
  }

  /** Cuts off a reader that takes nothing while something waits for it. */
  #watchStall(res: ServerResponse): () => void {
    let cancel = (): void => {};
    let waiting = -1;
    const look = (): void => {
      const socket = res.socket;
      const left = socket === null ? 0 : socket.bytesWritten - socket.writableLength;
      if (socket !== null && socket.writableLength > 0 && left === waiting) {
        res.destroy();
        return;
      }
      waiting = left;
      cancel = this.#clock.after(READER_STALL, look);
    };
    cancel = this.#clock.after(READER_STALL, look);
    return () => cancel();
  }
}

function exportHead(res: ServerResponse, format: ExportQuery['format']): void {
  const type = format === 'csv' ? CSV_TYPE : LINES_TYPE;
  head(res, 200, type, { 'Content-Disposition': `attachment; filename="readings.${format}"` });
}
