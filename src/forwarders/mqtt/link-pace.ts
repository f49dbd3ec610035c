/**
 * How large a batch may be on the link as it was measured, so that an alarm does not wait behind a batch for longer than CARRY.
 *
 * - The time of a batch is that from its first byte to its acknowledgement, without the wait that does not depend on its size: the
 *   round trip of the link, or more where batches of two sizes show it (link-wait.ts). It includes the bytes of the other lane that stood before it.
 * - Where that time keeps the limit from growing, now and then one batch of each lane is a probe of an eighth. Without a second size a
 *   broker that acknowledges late looks like a slow line, and smaller batches make it worse.
 * - A batch that took longer than CARRY lowers the limit at once, to what the link carried in half of CARRY.
 * - The limit grows only on evidence: to four times the bytes of the last batch and to twice itself at most, and only where the link
 *   would carry a quarter more than now.
 * - A connection begins with a small batch: another link may be behind it.
 * - A connection that breaks at a batch that is much larger than any acknowledged one halves the limit, and from there on it grows by a
 *   tenth: the limit may be the broker's, and each try beyond it costs a connection. A larger batch that is acknowledged ends that.
 *   A single break at a batch of a proven size says nothing.
 * - A batch that stays without an acknowledgement for long is more than the link carries.
 * - A record is never cut: one that is larger than the limit leaves alone.
 *
 * Pure: the caller has the clock.
 */
import type { Lane } from '../../store/files/lane-state.ts';
import { LinkWait, REMEMBERED, type Trip } from './link-wait.ts';

/** Milliseconds that a batch may be on its way. */
export const CARRY = 3000;
/** Bytes of the first batch of a connection, at most. Under a budget a visit carries little, and each cut costs bytes. */
export const START = { connection: 4096, visit: 16_384 };
/** Below it headers take more than readings; a link that is too slow for it gets it all the same. */
const LEAST = 512;
/** Any broker takes a message of so many bytes. */
const SMALLEST = 256;
/** A batch of more than this many times the largest acknowledged one is not proven. */
const UNPROVEN = 1.5;
const MOST = 16 * 1024 * 1024;
/** The part of CARRY that is aimed at: each of the two lanes may have a batch under way. */
const AIM = 1 / 2;
const HYSTERESIS = 1.25;
const HALF = 1 / 2;
/** A batch may be larger than the limit by this factor before it is cut again. */
const SLACK = 1.1;
const GROWTH = { proven: 2, doubtful: 1.1, evidence: 4 };
/** As long as no two sizes were compared: a part of what a batch took is its own, however long the round trip was measured. */
const OWN = 1 / 8;
/** The part of the limit that a probe has. */
const PROBE = 1 / 8;
/** Full batches between two probes: where the wait is a good part of the time, and where it is not. */
const PROBE_AFTER = { waiting: 8, carrying: REMEMBERED - 2 };
/** Batches that one probe takes at most: the first may stand behind a full one of the other lane. */
const PROBES = 3;
/** This many full batches in a row lower the limit, where each took more than this part of CARRY. */
const LONG = { times: 8, part: 0.7 };
/** A batch that is much smaller than the limit says little about it, however long it takes. */
const LEAST_LEFT = 1 / 4;

/** The properties of a batch that matter here. */
export interface Parcel {
  readonly lane: Lane;
  /** The bytes of its payloads. */
  readonly bytes: number;
  readonly readings: number;
}

export class LinkPace {
  readonly #start: number;
  /** Bytes of a batch. */
  #most: number;
  /** From here on the limit grows slowly: about twice as much was not acknowledged. */
  #doubtful = Number.POSITIVE_INFINITY;
  /** An acknowledged batch of so many bytes ends the doubt. */
  #disproof = Number.POSITIVE_INFINITY;
  readonly #wait = new LinkWait();
  /** The last that two sizes showed on this connection. */
  #waits: number | undefined;
  /** Full batches until the next probe; batches that the present one may still take. */
  #untilProbe = 0;
  #probes = 0;
  #long = { times: 0, fastest: Number.POSITIVE_INFINITY };
  /** Bytes of the largest batch that was acknowledged since the last one that was not. */
  #proven = 0;
  /** Bytes that were acknowledged, over all; and what waits for it. */
  #carried = 0;
  readonly #underWay: Record<Lane, { bytes: number; together: number; at: number; before: number } | undefined> = {
    data: undefined,
    history: undefined,
  };
  /** By the last batch of a lane that was about as large as the limit. */
  readonly #bytesPerReading: Record<Lane, number | undefined> = { data: undefined, history: undefined };

  constructor(start: number = START.connection) {
    this.#start = start;
    this.#most = start;
  }

  /** Bytes. */
  get most(): number {
    return this.#most;
  }

  begin(): void {
    this.#most = Math.min(this.#most, this.#start);
    this.#wait.forget();
    this.#waits = undefined;
    this.#untilProbe = this.#probes = 0;
  }

  /** Bytes of the next batch. */
  get #next(): number {
    return this.#probes > 0 ? Math.max(1, this.#most * PROBE) : this.#most;
  }

  /** Readings that the next batch may be asked to have. It may turn out too large: `fits` says so. */
  readings(lane: Lane): number {
    const each = this.#bytesPerReading[lane];
    return each === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(this.#next / each));
  }

  /** @returns true, or how many readings the batch should have instead */
  fits({ lane, bytes, readings }: Parcel): true | number {
    this.#bytesPerReading[lane] = bytes < this.#next / 2 ? undefined : bytes / readings;
    if (bytes <= this.#next * SLACK) return true;
    return Math.max(1, Math.floor((readings * this.#next) / bytes));
  }

  /** A batch leaves. @param now monotonic ms */
  sent({ lane, bytes }: Parcel, now: number): void {
    const other = this.#underWay[lane === 'data' ? 'history' : 'data'];
    const together = bytes + (other?.bytes ?? 0);
    this.#underWay[lane] = { bytes, together, at: now, before: this.#carried };
    if (this.#probes > 0) this.#probes = together <= this.#most / 2 ? 0 : this.#probes - 1;
  }

  /** It was acknowledged. @param roundTrip milliseconds of a message on this connection that waits for nothing */
  acknowledged(lane: Lane, now: number, roundTrip: number): void {
    const batch = this.#underWay[lane];
    if (batch === undefined) return;
    this.#underWay[lane] = undefined;
    const { bytes, together } = batch;
    this.#carried += bytes;
    this.#proven = Math.max(this.#proven, bytes);
    if (bytes > this.#disproof) this.#doubtful = this.#disproof = Number.POSITIVE_INFINITY;
    const trip = { bytes, together, ms: Math.max(0, now - batch.at) };
    const took = this.#took(trip, roundTrip);
    if (took > CARRY) {
      if (this.#shrink(this.#carried - batch.before, took)) this.#wait.forget(trip);
      else this.#probeAfter(PROBE_AFTER.waiting);
      return;
    }
    // A single record may be larger than the limit.
    this.#most = Math.max(this.#most, Math.min(bytes, MOST));
    const aim = (AIM * bytes * CARRY) / took;
    const step = this.#most < this.#doubtful ? GROWTH.proven : GROWTH.doubtful;
    const next = Math.min(this.#most * step, bytes * GROWTH.evidence, MOST);
    if (aim >= this.#most * HYSTERESIS && next > this.#most) this.#most = Math.min(next, aim);
    else if (bytes >= this.#most * HALF) {
      this.#probeAfter(trip.ms - took > took * HALF ? PROBE_AFTER.waiting : PROBE_AFTER.carrying);
      this.#settle(took);
    }
  }

  /** Answers that are late at random let the limit grow a little too far. No single one shows that. */
  #settle(took: number): void {
    if (took < CARRY * LONG.part) this.#long = { times: 0, fastest: Number.POSITIVE_INFINITY };
    else this.#long = { times: this.#long.times + 1, fastest: Math.min(this.#long.fastest, took) };
    if (this.#long.times < LONG.times) return;
    this.#most = Math.max(Math.min(LEAST, this.#most), (this.#most * AIM * CARRY) / this.#long.fastest);
    this.#long = { times: 0, fastest: Number.POSITIVE_INFINITY };
  }

  /** @param full batches until the probe after this one */
  #probeAfter(full: number): void {
    if (--this.#untilProbe >= 0) return;
    this.#untilProbe = full;
    this.#probes = PROBES;
  }

  /** @returns milliseconds that its bytes took, and those of the other lane that stood before it */
  #took(trip: Trip, roundTrip: number): number {
    const { ms } = trip;
    this.#wait.note(trip);
    this.#waits = this.#wait.of(this.#most) ?? this.#waits;
    if (this.#waits === undefined) return Math.max(ms - roundTrip, ms * OWN, 1);
    return Math.max(ms - Math.max(this.#waits, roundTrip), 1);
  }

  /** @param together bytes that were acknowledged in that time  @returns whether the limit is lower now */
  #shrink(together: number, took: number): boolean {
    const carries = (together * AIM * CARRY) / took;
    const least = together < this.#most * HALF ? this.#most * LEAST_LEFT : LEAST;
    const most = Math.min(this.#most, Math.max(least, carries));
    const lower = most < this.#most / SLACK;
    this.#most = most;
    return lower;
  }

  /** It was refused, or is offered again: that says nothing about the link. */
  returned(lane: Lane): void {
    this.#underWay[lane] = undefined;
  }

  /** The connection is over. */
  over(now: number): void {
    const [{ bytes, at } = { bytes: 0, at: now }] = Object.values(this.#underWay)
      .filter((batch) => batch !== undefined)
      .sort((a, b) => b.bytes - a.bytes);
    this.#underWay.data = this.#underWay.history = undefined;
    const ms = Math.max(1, now - at);
    const unproven = bytes > this.#proven * UNPROVEN;
    this.#proven = 0;
    if (bytes === 0) return;
    const had = Math.min(this.#most, bytes);
    if (ms > CARRY) this.#most = Math.max(Math.min(LEAST, this.#most), (had * CARRY) / ms);
    else if (unproven) {
      this.#doubtful = this.#most = Math.max(SMALLEST, had / 2);
      this.#disproof = bytes * SLACK;
    }
  }
}
