/** Alarms of an older log and the current one, in memory, and the real queue of one forwarder over them. */
import type { StoredNotice } from '../../src/codecs/rows.ts';
import { SluiceError } from '../../src/core/errors.ts';
import { Lanes } from '../../src/store/delivery/lanes.ts';
import { NoticeQueue } from '../../src/store/delivery/notice-queue.ts';
import type { OutNotice } from '../../src/store/delivery/out.ts';
import type { LaneState } from '../../src/store/files/lane-state.ts';

export const OLD = 1;
export const CURRENT = 2;

export class AlarmLog {
  readonly rows: OutNotice[] = [];
  /** Last number of each log; numbers of readings lie between. */
  readonly last = { [OLD]: 0, [CURRENT]: 0 };
  /** Every number of the current log up to here is in the file. */
  committed = 0;
  readable = true;
  /** Questions to the file, and notices that it gave. */
  reads = 0;
  read = 0;
  queue!: NoticeQueue;
  #lanes!: Record<number, Lanes>;
  #durable: Record<number, LaneState>;

  constructor(old: readonly string[] = []) {
    for (const key of old) this.#row(OLD, key);
    this.#durable = { [OLD]: Lanes.begin('oldest', 1).state(), [CURRENT]: Lanes.begin('oldest', 1).state() };
    this.start();
  }

  /** A run begins with the cursors that were committed. */
  start(): void {
    this.#lanes = Object.fromEntries(Object.entries(this.#durable).map(([log, state]) => [log, Lanes.load(state)]));
    const { last } = this;
    this.committed = last[CURRENT];
    const side = {
      get next() {
        return last[CURRENT] + 1;
      },
      committed: 0,
      keeper: {
        notices: async (request: { log: number; after: number; to: number; limit: number; key?: string | undefined }) => {
          await new Promise((resolve) => setImmediate(resolve));
          if (!this.readable) throw new SluiceError('log-read', 'the file cannot be read now');
          const { log, after, to, limit, key } = request;
          const found = this.rows.filter((r) => r.log === log && r.seq > after && r.seq <= to && (key ?? r.key) === r.key);
          this.reads++;
          this.read += Math.min(limit, found.length);
          return { id: 0, notices: found.slice(0, limit) };
        },
      },
    };
    Object.defineProperty(side, 'committed', { get: () => this.committed });
    const parts = [OLD, CURRENT].map((ordinal) => ({
      ...{ ordinal, lanes: this.#lanes[ordinal] as Lanes, end: ordinal === OLD ? last[OLD] : undefined },
    }));
    this.queue = new NoticeQueue(
      'alarm',
      side,
      parts,
      () => {},
      (json) => json,
    );
  }

  append(key: string, json = '{}'): OutNotice {
    const row = this.#row(CURRENT, key, json);
    const stored: StoredNotice = { seq: row.seq, at: row.seq, kind: 'alarm', key, json };
    this.queue.noticed(stored);
    return row;
  }
  #row(log: typeof OLD | typeof CURRENT, key: string, json = '{}'): OutNotice {
    // Each third number is one of a reading.
    this.last[log] += this.last[log] % 3 === 1 ? 2 : 1;
    const row: OutNotice = { log, seq: this.last[log], kind: 'alarm', key, json };
    this.rows.push(row);
    return row;
  }

  /** What is in memory is in the file as well, and so are the cursors. */
  commit(): void {
    this.committed = this.last[CURRENT];
    for (const log of [OLD, CURRENT]) this.#durable[log] = JSON.parse(JSON.stringify((this.#lanes[log] as Lanes).state()));
  }

  /** What the file says of alarms beyond the cursor of the current log. */
  get saved(): LaneState['beyond'] {
    return this.#durable[CURRENT]?.beyond;
  }
  cursor(log: number): number {
    return (this.#lanes[log] as Lanes).noticesAcked('alarm');
  }
}
