/**
 * The alarms, or the events, that a forwarder still has to deliver, oldest first: the newest in memory, older ones in the file.
 * Each kind has a queue and a cursor of its own, so that an alarm never waits for an event.
 */
import type { StoredNotice } from '../../codecs/rows.ts';
import type { NoticeKind } from '../files/lane-state.ts';
import type { Backlog } from './backlog-request.ts';
import type { Lanes } from './lanes.ts';
import type { OutNotice } from './out.ts';

/** Kept in memory of each kind; older ones are read from the file. */
const MAX_IN_MEMORY = 256;

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

  /** At most `limit`. @throws SluiceError log-read */
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

  #out({ ordinal }: NoticePart, { seq, kind, key, json }: Omit<OutNotice, 'log'>): OutNotice {
    return { log: ordinal, seq, kind, key, json: this.#shown(json) };
  }

  /** Delivered, or refused for good, with all before it. */
  done({ log, seq }: Pick<OutNotice, 'log' | 'seq'>): void {
    const part = this.#parts.find((p) => p.ordinal === log);
    part?.lanes.noticesDone(this.kind, seq);
    this.#moved();
    if (part?.end === undefined) this.#newest = this.#newest.filter((n) => n.seq > seq);
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
}
