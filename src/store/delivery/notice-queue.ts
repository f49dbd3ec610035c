/**
 * The alarms, or the events, that a forwarder still has to deliver, oldest first: the newest in memory, older ones in the file.
 * Each kind has a queue and a cursor of its own, so that an alarm never waits for an event.
 *
 * Events are asked for in order, and done in order. Alarms are offered side by side: what the far side does not take now holds back
 * its own channel, and the cursor, and nothing else (notice-heads.ts). An older log comes first on each channel.
 */
import type { StoredNotice } from '../../codecs/rows.ts';
import type { NoticeKind } from '../files/lane-state.ts';
import type { Backlog } from './backlog-request.ts';
import type { Lanes } from './lanes.ts';
import { type Gap, MOST_KEYS, NoticeHeads, type NoticeRow } from './notice-heads.ts';
import type { OfferAsk, OutNotice } from './out.ts';

/** Kept in memory of each kind; older ones are read from the file. */
const MAX_IN_MEMORY = 256;
/** Read at once when offers are looked for. */
const PAGE = 64;

/** The state of the forwarder in one log. */
export interface NoticePart {
  readonly ordinal: number;
  readonly lanes: Lanes;
  /** Last number of a log that grows no more; undefined for the current log. */
  readonly end: number | undefined;
}

/** The part of the log that it needs. */
export interface NoticeSide {
  /** The number that the next item gets. */
  readonly next: number;
  /** Every number up to here is in the file. */
  readonly committed: number;
  readonly keeper: Pick<Backlog, 'notices'>;
}

export class NoticeQueue {
  readonly kind: NoticeKind;
  readonly #log: NoticeSide;
  /** Oldest first; the last one is the current log. */
  readonly #parts: readonly NoticePart[];
  /** The cursor moved. */
  readonly #moved: () => void;
  /** A notice as this forwarder may have it. */
  readonly #shown: (json: string) => string;
  #newest: StoredNotice[] = [];
  /** Those above this number are all in #newest. */
  #from: number;
  /** By the ordinal of the log. */
  readonly #heads = new Map<number, NoticeHeads>();

  constructor(
    kind: NoticeKind,
    log: NoticeSide,
    parts: readonly NoticePart[],
    moved: () => void,
    shown: (json: string) => string,
  ) {
    this.kind = kind;
    this.#log = log;
    this.#parts = parts;
    this.#moved = moved;
    this.#shown = shown;
    this.#from = log.next - 1;
  }

  /** Those behind the cursor, at most `limit`. @throws SluiceError log-read */
  async next(limit: number): Promise<OutNotice[]> {
    for (const part of this.#parts) {
      const after = part.lanes.noticesAcked(this.kind);
      if (part.end === undefined && after >= this.#from)
        return this.#newest
          .filter((n) => n.seq > after)
          .slice(0, limit)
          .map((notice) => this.#out(part, notice));
      const to = part.end ?? Math.min(this.#from, this.#log.committed);
      if (after >= to) {
        if (part.end === undefined) return [];
        continue;
      }
      const { notices } = await this.#log.keeper.notices({ log: part.ordinal, only: this.kind, after, to, limit });
      if (notices.length > 0) return notices.map((notice) => this.#out(part, notice));
      part.lanes.noticesDone(this.kind, to);
      this.#moved();
      if (part.end === undefined) return this.next(limit);
    }
    return [];
  }

  #out({ ordinal }: NoticePart, { seq, kind, key, json }: NoticeRow): OutNotice {
    return { log: ordinal, seq, kind, key, json: this.#shown(json) };
  }

  /** Delivered, or refused for good, with all before it. */
  done({ log, seq }: Pick<OutNotice, 'log' | 'seq'>): void {
    const part = this.#parts.find((p) => p.ordinal === log);
    part?.lanes.noticesDone(this.kind, seq);
    this.#heads.get(log)?.takeAll(seq);
    this.#moved();
    if (part?.end === undefined) this.#newest = this.#newest.filter((n) => n.seq > seq);
  }

  /** One for each channel that is not held, oldest first. None: all that is there is held. @throws SluiceError log-read */
  async offers(ask: OfferAsk): Promise<OutNotice[]> {
    for (;;) {
      const found = this.#offered(ask);
      if (found.length > 0 || ask.limit <= 0 || !(await this.#look())) return found;
    }
  }

  /** One that was offered is delivered, or refused for good. Others before it may still wait. */
  taken(notice: Pick<OutNotice, 'log' | 'seq' | 'key'>): void {
    const part = this.#parts.find((p) => p.ordinal === notice.log);
    if (part === undefined) return;
    const heads = this.#headsOf(part);
    heads.take(notice, true);
    this.#settle(part, heads);
    this.#moved();
  }

  /** No alarm of a further key leaves: so many keys wait. undefined: others leave. */
  get full(): number | undefined {
    for (const { ordinal } of this.#parts) if (this.#heads.get(ordinal)?.full === true) return MOST_KEYS;
    return undefined;
  }

  #offered({ limit, channel, held }: OfferAsk): OutNotice[] {
    const found: OutNotice[] = [];
    /** Those of a later number or log wait behind it. */
    const seen = new Set<string>();
    for (const part of this.#parts) {
      const heads = this.#headsOf(part);
      this.#passOver(part, heads, channel);
      for (const row of heads.first()) {
        if (found.length >= limit) return found;
        const notice = this.#out(part, row);
        const of = channel(notice);
        if (of === undefined || seen.has(of)) continue;
        seen.add(of);
        if (!held(of)) found.push(notice);
      }
      // The channels of what is not seen yet are not known.
      if (heads.gap !== undefined || heads.upTo < (part.end ?? 0)) break;
    }
    return found;
  }

  /** What has no channel is taken without an offer. It comes again after a restart, and costs nothing then. */
  #passOver(part: NoticePart, heads: NoticeHeads, channel: OfferAsk['channel']): void {
    for (;;) {
      const unwanted = heads.first().filter((row) => channel(this.#out(part, row)) === undefined);
      if (unwanted.length === 0) return;
      for (const row of unwanted) heads.take(row, false);
      this.#settle(part, heads);
    }
  }

  /** Looks further. @returns false: there is nothing more to be seen now */
  async #look(): Promise<boolean> {
    for (const part of this.#parts) {
      const heads = this.#headsOf(part);
      const { gap, upTo: after } = heads;
      if (gap !== undefined) return this.#fill(part, heads, gap);
      if (heads.full) return false;
      if (part.end !== undefined && after >= part.end) continue;
      const found = await this.#read(part, after, PAGE);
      if (found === undefined) return false;
      // Somebody else may have looked meanwhile.
      if (this.#heads.get(part.ordinal) !== heads || heads.upTo !== after) return true;
      heads.add(found.rows, found.upTo);
      this.#settle(part, heads);
      return true;
    }
    return false;
  }

  /** Behind `after`, and how far these are all. undefined: nothing can be said now. */
  async #read(part: NoticePart, after: number, limit: number): Promise<{ rows: readonly NoticeRow[]; upTo: number } | undefined> {
    if (part.end === undefined && after >= this.#from) {
      const rows = this.#newest.filter(({ seq }) => seq > after).slice(0, limit);
      const last = rows.at(-1);
      return last && { rows, upTo: last.seq };
    }
    const to = part.end ?? Math.min(this.#from, this.#log.committed);
    if (after >= to) return undefined;
    const { notices } = await this.#log.keeper.notices({ log: part.ordinal, only: this.kind, after, to, limit });
    return { rows: notices, upTo: (notices.length < limit ? undefined : notices.at(-1)?.seq) ?? to };
  }

  /** @returns false: it is not in the file yet */
  async #fill(part: NoticePart, heads: NoticeHeads, gap: Gap): Promise<boolean> {
    const { key } = gap;
    const after = gap.from - 1;
    const { room, upTo } = heads;
    // One more says where the next one is.
    const limit = room + 1;
    let rows: readonly NoticeRow[];
    let to = upTo;
    if (part.end === undefined && after >= this.#from)
      rows = this.#newest.filter((row) => row.seq > after && row.seq <= upTo && row.key === key).slice(0, limit);
    else {
      to = Math.min(upTo, part.end ?? Math.min(this.#from, this.#log.committed));
      if (after >= to) return false;
      rows = (await this.#log.keeper.notices({ log: part.ordinal, only: this.kind, after, to, limit, key })).notices;
    }
    if (this.#heads.get(part.ordinal) !== heads) return true;
    const more = rows.length > room ? rows[room]?.seq : to < heads.upTo ? to + 1 : undefined;
    if (heads.fill(gap, rows.slice(0, room), more)) this.#settle(part, heads);
    return true;
  }

  #headsOf(part: NoticePart): NoticeHeads {
    const cursor = part.lanes.noticesAcked(this.kind);
    let heads = this.#heads.get(part.ordinal);
    if (heads === undefined) {
      heads = new NoticeHeads(cursor, this.#saves(part) ? part.lanes.beyond : undefined);
      this.#heads.set(part.ordinal, heads);
      // One state holds both kinds.
      if (this.kind === 'alarm')
        part.lanes.keepBeyond(() => (this.#saves(part) ? this.#heads.get(part.ordinal)?.beyond : undefined));
    } else if (heads.upTo < cursor) heads.takeAll(cursor);
    return heads;
  }

  /** Whether it outlives this run what was taken beyond the cursor. An older log may get back numbers that nobody has seen. */
  #saves(part: NoticePart): boolean {
    return this.kind === 'alarm' && part.end === undefined;
  }

  /** The cursor follows what is taken. */
  #settle(part: NoticePart, { done }: NoticeHeads): void {
    if (done <= part.lanes.noticesAcked(this.kind)) return;
    part.lanes.noticesDone(this.kind, done);
    this.#moved();
    if (part.end === undefined) this.#newest = this.#newest.filter(({ seq }) => seq > done);
  }

  noticed(notice: StoredNotice): void {
    this.#newest.push(notice);
    while (this.#newest.length > MAX_IN_MEMORY) this.#from = (this.#newest.shift() as StoredNotice).seq;
  }

  /** Memory has not seen those of the time in between. */
  comeBack(): void {
    this.#newest = [];
    this.#from = this.#log.next - 1;
  }

  /** Older logs have more than before: what was taken beyond their cursors is forgotten, and comes again. */
  cameBack(): void {
    for (const { ordinal, end } of this.#parts) if (end !== undefined) this.#heads.delete(ordinal);
  }
}
