/**
 * A link that is up for some seconds at a time and drops everything in between, without a word: a moving antenna, a shared radio channel,
 * a satellite that passes. A wait that grows would sleep through most of these windows. So tries are short and come often, as long as
 * the past of this link says that it pays.
 *
 * - It begins when two windows in a row delivered something, each was over within LONGEST, and a silent try followed each.
 * - A broker that is down, refuses, or acknowledges nothing never looks like that. A fleet in front of it keeps the long waits.
 * - It pauses PATIENCE after the last window: the long waits then hold until the next one. It also pauses when the tries of an hour took
 *   HOURLY bytes: the long waits then hold until that hour is over, whatever windows come.
 * - It ends with a connection that lasts longer, or with an answer that says that the way is there.
 *
 * Pure: the caller has the clock.
 */
import type { Failure } from './failure.ts';

/** Windows after which the next ones are expected. */
const KNOWN = 2;
/** What lasts longer is no window, ms from the first byte to the last one of the broker. */
const LONGEST = 30_000;
/** So long after the last window the next one is expected, ms. */
const PATIENCE = 120_000;
/** Bytes that tries without success may take in an hour, headers included. */
const HOURLY = 120_000;
const HOUR = 3_600_000;
/** A window without a silent try behind it may be one that the next try met by chance. Two in a row are a slow link that is there. */
const CHANCES = 2;
/** Connections in a row that acknowledged nothing: the broker is mute, and not the link. */
const MUTE = 3;

/**
 * Milliseconds. The kernel sends a SYN at the begin of a try and one a second later; `open` ends before a third one. With a pause of up to
 * a second a SYN leaves every two seconds at least, and one falls into each window of three. What is unanswered for `answer` was lost
 * with the window.
 */
const SHORT: TryLimits = { open: 1900, connect: 5000, answer: 5000, pause: 1000 };

export interface TryLimits {
  /** Until TCP is connected. */
  readonly open: number;
  /** Until CONNACK. */
  readonly connect: number;
  /** Until an acknowledgement. */
  readonly answer: number;
  /** The longest pause before the next try. */
  readonly pause: number;
}

/** One try, and what came of it. */
export interface Try {
  /** Monotonic. */
  readonly over: number;
  readonly failure: Failure;
  /** On the wire, headers included. */
  readonly bytes: number;
  /** Absent: none came about. */
  readonly connection?:
    | {
        /** Monotonic: when it was made, and when the last byte of the broker came. */
        readonly opened: number;
        readonly heard: number;
        /** Something was delivered. */
        readonly carried: boolean;
        /** It ended since no answer came. */
        readonly silent: boolean;
      }
    | undefined;
}

export class ShortWindows {
  /** Windows in a row, up to KNOWN. */
  #windows = 0;
  /** The last connection was a window, and no silent try followed yet. */
  #fresh = false;
  #chances = 0;
  #mute = 0;
  /** The last byte of the last window; monotonic. */
  #heard = Number.NEGATIVE_INFINITY;
  /** Tries without success in the hour that began then; monotonic. */
  #hour = { began: Number.NEGATIVE_INFINITY, bytes: 0 };

  /** The link is one of this kind, as far as its past says. */
  get known(): boolean {
    return this.#windows >= KNOWN;
  }

  /** @param now monotonic @returns undefined: a try takes its usual time, and so does the pause behind it */
  limits(now: number): TryLimits | undefined {
    if (!this.known || now - this.#heard >= PATIENCE) return undefined;
    return now - this.#hour.began < HOUR && this.#hour.bytes >= HOURLY ? undefined : SHORT;
  }

  /** @returns whether it was a window of a known kind */
  note({ over, failure, bytes, connection }: Try): boolean {
    if (connection?.carried !== true) this.#spend(over, bytes);
    if (connection === undefined) {
      if (failure === 'silent') this.#silence();
      else if (failure !== 'unreachable') this.#forget();
      return false;
    }
    const { opened, heard, carried, silent } = connection;
    if (!silent || heard - opened > LONGEST) this.#forget();
    else if (!carried) {
      // It came about at the very end of a window, unless it goes on like that.
      if (++this.#mute >= MUTE) this.#forget();
    } else {
      this.#mute = 0;
      if (this.#fresh && ++this.#chances >= CHANCES) this.#forget();
      this.#fresh = true;
      this.#heard = heard;
      return this.known;
    }
    return false;
  }

  #silence(): void {
    if (!this.#fresh) return;
    this.#fresh = false;
    this.#chances = 0;
    this.#windows = Math.min(this.#windows + 1, KNOWN);
  }

  #forget(): void {
    this.#windows = 0;
    this.#fresh = false;
    this.#chances = 0;
    this.#mute = 0;
  }

  #spend(now: number, bytes: number): void {
    if (now - this.#hour.began >= HOUR) this.#hour = { began: now, bytes: 0 };
    this.#hour.bytes += bytes;
  }
}
