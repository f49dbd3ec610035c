/**
 * What a bundle holds: everything that a forwarder has not delivered, lane by lane, or the records of a time range.
 *
 * - One batch is in memory at a time. The next one is read when the one before was taken.
 * - A range covers only what was read. What cannot leave now (its time is not settled) ends the range.
 * - Where the content is too large for one bundle, the next one begins with the number behind the last one that was read.
 */
import { MAX_SECTION, SECTION_HEAD, type Section } from '../../codecs/bundle/container.ts';
import { type BundleLane, type BundleRange, MAX_BUNDLE_RANGES } from '../../codecs/bundle/statement.ts';
import type { Payload } from '../../codecs/format.ts';
import { noticeJson } from '../../codecs/notice-json.ts';
import { SluiceError } from '../../core/errors.ts';

/** Readings of one section: an hour of a fast site. */
const SECTION_READINGS = 50_000;
/** Alarms or events that are read at once. */
const NOTICES = 256;

/** A stretch of one lane that is not delivered. */
export interface Owed extends BundleRange {
  /** The number of the log. */
  readonly ordinal: number;
}

/** Records of one lane, as one payload of columns. */
export interface ContentBatch {
  readonly first: number;
  readonly last: number;
  readonly records: number;
  readonly readings: number;
  readonly payload: Payload;
}

/** A running gateway, or the files of one that does not run. */
export interface ContentSource {
  owed(): readonly Owed[];
  /**
   * The next batch of a lane from `from` on. `upTo`: nothing has a number up to there. undefined: nothing can leave now.
   * @throws SluiceError log-read
   */
  batch(owed: Owed, from: number, maxReadings: number): Promise<{ batch?: ContentBatch; upTo: number } | undefined>;
  /** @throws SluiceError log-read */
  notices(owed: Owed, after: number, limit: number): Promise<readonly { readonly seq: number; readonly json: string }[]>;
}

/** The bundle is full; what follows goes into the next one. */
export const NEXT_VOLUME = 'next volume';
export type ContentPiece = Section | typeof NEXT_VOLUME;

/** What a bundle has so far. */
export class Content {
  readonly #most: number;
  #used = 0;
  #begun = false;
  records = 0;
  readings = 0;
  notices = 0;
  ranges: BundleRange[] = [];

  /** @param most bytes of sections that a bundle has at most, with their heads; there is one bundle where it has no bound */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  get bounded(): boolean {
    return this.#most !== Number.POSITIVE_INFINITY;
  }
  /** It has something of the log. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Anew, for the next bundle. @param before the section that each begins with @throws SluiceError request-invalid */
  begin(before?: Uint8Array): void {
    [this.records, this.readings, this.notices, this.ranges] = [0, 0, 0, []];
    this.#begun = false;
    this.#used = before === undefined ? 0 : SECTION_HEAD + before.length;
    // A record needs room as well.
    if (this.#used > this.#most / 2)
      throw new SluiceError(
        'request-invalid',
        `a bundle of this size has no room beside the inventory (${this.#used} bytes); write a larger one`,
      );
  }

  fits(body: Uint8Array): boolean {
    return this.#used + SECTION_HEAD + body.length <= this.#most;
  }
  /** More than a quarter. */
  get hasMuchLeft(): boolean {
    return this.#used < 0.75 * this.#most;
  }
  took(body: Uint8Array): void {
    this.#used += SECTION_HEAD + body.length;
    this.#begun = true;
  }
  tookBatch(batch: ContentBatch, body: Uint8Array): void {
    this.took(body);
    this.records += batch.records;
    this.readings += batch.readings;
  }
  covers(range: BundleRange): void {
    if (range.last >= range.first) this.ranges.push(range);
  }
}

/** Everything that is not delivered. @param leaves whether an alarm or an event leaves, by its JSON */
export async function* undelivered(
  source: ContentSource,
  content: Content,
  leaves: (json: string) => boolean = () => true,
): AsyncGenerator<ContentPiece> {
  for (const owed of source.owed()) {
    if (content.ranges.length >= MAX_BUNDLE_RANGES) {
      if (!content.bounded) return;
      yield NEXT_VOLUME;
    }
    const { log, lane } = owed;
    const covered = isNotice(lane) ? notices(source, owed, lane, content, leaves) : records(source, owed, lane, content);
    content.covers({ log, lane, ...(yield* covered) });
  }
}

function isNotice(lane: BundleLane): lane is 'alarm' | 'event' {
  return lane === 'alarm' || lane === 'event';
}

/** What the last bundle covers of a lane. */
interface Covered {
  readonly first: number;
  readonly last: number;
}

async function* records(
  source: ContentSource,
  owed: Owed,
  lane: 'data' | 'history',
  content: Content,
): AsyncGenerator<ContentPiece, Covered> {
  let size = SECTION_READINGS;
  let { first } = owed;
  for (let from = first; from <= owed.last; ) {
    const found = await source.batch(owed, from, size);
    if (found === undefined) return { first, last: from - 1 };
    const { batch, upTo } = found;
    if (batch !== undefined) {
      const body = bytesOf(batch.payload);
      if (!content.fits(body) && content.begun) {
        // A large rest is filled by a smaller batch.
        if (batch.records > 1 && content.hasMuchLeft) {
          size = smaller(batch, size);
          continue;
        }
        content.covers({ log: owed.log, lane, first, last: from - 1 });
        first = from;
        yield NEXT_VOLUME;
      }
      if (tooLarge(body, content)) {
        size = smaller(batch, size);
        continue;
      }
      content.tookBatch(batch, body);
      size = Math.min(SECTION_READINGS, 2 * size);
      yield { kind: lane, body };
    }
    from = upTo + 1;
  }
  return { first, last: owed.last };
}

function tooLarge(body: Uint8Array, content: Content): boolean {
  return body.length > MAX_SECTION || !content.fits(body);
}
/** @throws SluiceError internal, request-invalid: a single record is too large */
function smaller({ records, last, payload }: ContentBatch, size: number): number {
  if (records > 1) return Math.max(1, Math.floor(size / 2));
  const { length } = bytesOf(payload);
  if (length > MAX_SECTION) throw new SluiceError('internal', `record ${last} is too large for a bundle`);
  throw new SluiceError(
    'request-invalid',
    `record ${last} has ${length} bytes, which is too large for a bundle of this size; write a larger one`,
  );
}

async function* notices(
  source: ContentSource,
  owed: Owed,
  lane: 'alarm' | 'event',
  content: Content,
  leaves: (json: string) => boolean,
): AsyncGenerator<ContentPiece, Covered> {
  let { first } = owed;
  for (let after = first - 1; after < owed.last; ) {
    const found = await source.notices(owed, after, NOTICES);
    for (const { seq, json } of found) {
      if (!leaves(json)) continue;
      const body = Buffer.from(noticeJson(lane, json));
      if (!content.fits(body)) {
        content.covers({ log: owed.log, lane, first, last: seq - 1 });
        first = seq;
        yield NEXT_VOLUME;
      }
      content.notices++;
      content.took(body);
      yield { kind: lane, body };
    }
    const newest = found.at(-1);
    if (newest === undefined) break;
    after = newest.seq;
  }
  return { first, last: owed.last };
}

export function bytesOf(payload: Payload): Uint8Array {
  return typeof payload === 'string' ? Buffer.from(payload) : payload;
}

/** The payloads of a bundle of a time range. */
export interface RangeSource {
  /** Logs with the highest number of each. */
  readonly logs: readonly { readonly ordinal: number; readonly name: string; readonly last: number }[];
  /** The next records of this log from `from` on that are of the time range; undefined: none are left. */
  batch(ordinal: number, name: string, from: number, to: number, maxReadings: number): Promise<ContentBatch | undefined>;
}

export async function* ofRange(source: RangeSource, content: Content): AsyncGenerator<ContentPiece> {
  for (const { ordinal, name, last } of source.logs)
    for (let from = 0, size = SECTION_READINGS; from <= last; ) {
      const batch = await source.batch(ordinal, name, from, last, size);
      if (batch === undefined) break;
      const body = bytesOf(batch.payload);
      if (!content.fits(body) && content.begun && (batch.records === 1 || !content.hasMuchLeft)) yield NEXT_VOLUME;
      if (tooLarge(body, content)) {
        size = smaller(batch, size);
        continue;
      }
      content.tookBatch(batch, body);
      size = Math.min(SECTION_READINGS, 2 * size);
      yield { kind: 'range', body };
      from = batch.last + 1;
    }
}
