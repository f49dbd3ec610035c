/**
 * The answers of one door that take long: tails, pages that stay open, captures, exports, questions to the log. Each kind has a number of places, so the
 * readers of one door keep nobody waiting at another. A reader that takes nothing while something waits for it is cut off.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import { CaptureStream } from './capture-stream.ts';
import { MAX_CAPTURES, MAX_EXPORTS, MAX_LIVES, MAX_QUESTIONS, MAX_TAILS, READER_STALL } from './limits.ts';
import type { LiveSource } from './live/live-source.ts';
import { type LiveQuery, LiveStream } from './live/live-stream.ts';
import { CSV_TYPE, EVENTS_TYPE, HttpError, head, LINES_TYPE } from './respond.ts';
import { TailStream } from './tail-stream.ts';
import type { AdminTarget, ExportQuery, TailItem } from './target.ts';
import type { Capture, WireFrame } from './wire-target.ts';

export class LongAnswers {
  readonly #clock: Clock;
  /** Answers without an end of their own: tails, open pages and captures. */
  readonly #endless = new Set<ServerResponse>();
  readonly #under = { tails: 0, lives: 0, captures: 0, exports: 0, questions: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the answers that have no end of their own. */
  end(): void {
    for (const res of this.#endless) res.end();
  }

  tail(res: ServerResponse, subscribe: (listener: (item: TailItem) => void) => () => void): void {
    if (this.#under.tails >= MAX_TAILS)
      throw new HttpError(503, 'busy', `at most ${MAX_TAILS} tails run at one time; end another`);
    head(res, 200, LINES_TYPE);
    res.flushHeaders();
    const stream = new TailStream(res);
    const unsubscribe = subscribe((item) => stream.push(item));
    this.#under.tails++;
    this.#goOn(res, () => {
      this.#under.tails--;
      unsubscribe();
    });
  }

  /** A page that stays open. */
  live(res: ServerResponse, source: LiveSource, query: LiveQuery): void {
    if (this.#under.lives >= MAX_LIVES)
      throw new HttpError(503, 'busy', `at most ${MAX_LIVES} pages stay open at one time; close another`);
    const gone = new AbortController();
    const stream = new LiveStream(res, source, this.#clock, query);
    this.#under.lives++;
    head(res, 200, EVENTS_TYPE);
    this.#goOn(res, () => {
      this.#under.lives--;
      gone.abort();
    });
    // The gateway stops: the page asks again, and is told so.
    stream.run(gone.signal).catch(() => res.destroy());
  }

  capture(res: ServerResponse, begin: (frame: (frame: WireFrame) => void, ended: () => void) => Capture): void {
    if (this.#under.captures >= MAX_CAPTURES)
      throw new HttpError(503, 'busy', `at most ${MAX_CAPTURES} captures run at one time; end another`);
    const stream = new CaptureStream(res);
    const capture = begin(
      (frame) => stream.push(frame),
      () => res.end(),
    );
    this.#under.captures++;
    head(res, 200, LINES_TYPE);
    stream.begin(capture.head);
    this.#goOn(res, () => {
      this.#under.captures--;
      capture.stop();
    });
  }

  async ask<T>(answer: () => Promise<T>): Promise<T> {
    if (this.#under.questions >= MAX_QUESTIONS)
      throw new HttpError(503, 'busy', `at most ${MAX_QUESTIONS} questions to the log run at one time; try again`);
    this.#under.questions++;
    try {
      return await answer();
    } finally {
      this.#under.questions--;
    }
  }

  async export(res: ServerResponse, target: Pick<AdminTarget, 'export'>, query: ExportQuery): Promise<void> {
    if (this.#under.exports >= MAX_EXPORTS)
      throw new HttpError(503, 'busy', `at most ${MAX_EXPORTS} exports run at one time; try again`);
    this.#under.exports++;
    try {
      await this.#paced(
        res,
        () => exportHead(res, query.format),
        async (write) => {
          for await (const text of target.export(query)) await write(text);
        },
      );
    } finally {
      this.#under.exports--;
    }
  }

  /** Lines of JSON, each after the reader took the one before, and a last line that says what they were. */
  lines(res: ServerResponse, source: (line: (json: string) => Promise<void>) => Promise<object>): Promise<void> {
    return this.#paced(
      res,
      () => head(res, 200, LINES_TYPE),
      async (write) => {
        const end = await source((json) => write(`${json}\n`));
        await write(`${JSON.stringify({ type: 'end', ...end })}\n`);
      },
    );
  }

  /** A text of any length; the source waits while the reader does not take it, and ends with the reader. */
  async #paced(
    res: ServerResponse,
    begin: () => void,
    source: (write: (text: string) => Promise<void>) => Promise<void>,
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

  /** Until the reader or the gateway ends it. */
  #goOn(res: ServerResponse, ended: () => void): void {
    this.#endless.add(res);
    const cancelStall = this.#watchStall(res);
    res.once('close', () => {
      cancelStall();
      this.#endless.delete(res);
      ended();
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
