/**
 * What a bundle holds: everything that a forwarder has not delivered, lane by lane, or the records of a time range.
 *
 * - One batch is in memory at a time. The next one is read when the one before was taken.
 * - A range covers only what was read. What cannot leave now (its time is not settled) ends the range.
 */
import { MAX_SECTION, type Section } from '../../codecs/bundle/container.ts';
import { type BundleLane, type BundleRange, MAX_BUNDLE_RANGES } from '../../codecs/bundle/statement.ts';
import type { Payload } from '../../codecs/format.ts';
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

/** What a bundle has so far. */
export class Content {
  records = 0;
  readings = 0;
  notices = 0;
  readonly ranges: BundleRange[] = [];

  took(batch: ContentBatch): void {
    this.records += batch.records;
    this.readings += batch.readings;
  }
}

/** Everything that is not delivered. @param leaves whether an alarm or an event leaves, by its JSON */
export async function* undelivered(
  source: ContentSource,
  content: Content,
  leaves: (json: string) => boolean = () => true,
): AsyncGenerator<Section> {
  for (const owed of source.owed()) {
    if (content.ranges.length >= MAX_BUNDLE_RANGES) return;
    const { log, lane, first } = owed;
    const last = yield* isNotice(lane) ? notices(source, owed, lane, content, leaves) : records(source, owed, lane, content);
    if (last >= first) content.ranges.push({ log, lane, first, last });
  }
}

function isNotice(lane: BundleLane): lane is 'alarm' | 'event' {
  return lane === 'alarm' || lane === 'event';
}

/** @returns up to where the lane is covered */
async function* records(
  source: ContentSource,
  owed: Owed,
  lane: 'data' | 'history',
  content: Content,
): AsyncGenerator<Section, number> {
  let size = SECTION_READINGS;
  for (let from = owed.first; from <= owed.last; ) {
    const found = await source.batch(owed, from, size);
    if (found === undefined) return from - 1;
    const { batch, upTo } = found;
    if (batch !== undefined) {
      const body = bytesOf(batch.payload);
      if (body.length > MAX_SECTION) {
        if (batch.records === 1) throw new SluiceError('internal', `record ${batch.last} is too large for a bundle`);
        size = Math.max(1, Math.floor(size / 2));
        continue;
      }
      content.took(batch);
      yield { kind: lane, body };
    }
    from = upTo + 1;
  }
  return owed.last;
}

async function* notices(
  source: ContentSource,
  owed: Owed,
  lane: 'alarm' | 'event',
  content: Content,
  leaves: (json: string) => boolean,
): AsyncGenerator<Section, number> {
  for (let after = owed.first - 1; after < owed.last; ) {
    const found = await source.notices(owed, after, NOTICES);
    for (const { json } of found) {
      if (!leaves(json)) continue;
      content.notices++;
      yield { kind: lane, body: Buffer.from(json) };
    }
    const newest = found.at(-1);
    if (newest === undefined) break;
    after = newest.seq;
  }
  return owed.last;
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

export async function* ofRange(source: RangeSource, content: Content): AsyncGenerator<Section> {
  for (const { ordinal, name, last } of source.logs)
    for (let from = 0, size = SECTION_READINGS; from <= last; ) {
      const batch = await source.batch(ordinal, name, from, last, size);
      if (batch === undefined) break;
      const body = bytesOf(batch.payload);
      if (body.length > MAX_SECTION && batch.records > 1) {
        size = Math.max(1, Math.floor(size / 2));
        continue;
      }
      content.took(batch);
      yield { kind: 'range', body };
      from = batch.last + 1;
    }
}
