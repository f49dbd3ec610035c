/**
 * The logs of a fleet. A real log has three threads, which a thousand in one process are too many of. So most gateways have a log
 * in memory: real are the outlet with its lanes, cursors and hand-overs, the recent records, the clock and the encoding of
 * batches; the file and its threads are an array, and a commit is a timer. Some gateways have a real log, with the same records.
 */
import { EventEmitter } from 'node:events';
import { encodeBatch, formatNamed } from '../../src/codecs/formats.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { LogRecord, Shape } from '../../src/core/point.ts';
import type {
  Backlog,
  NoticesRequest,
  NoticesResult,
  ReadRequest,
  ReadResult,
} from '../../src/store/delivery/backlog-request.ts';
import { AllHandOvers } from '../../src/store/delivery/hand-over.ts';
import { type LogSide, Outlet } from '../../src/store/delivery/outlet.ts';
import { bootName } from '../../src/store/files/layout.ts';
import { Log } from '../../src/store/log.ts';
import { Recent } from '../../src/store/tail/recent.ts';
import { ClockBook } from '../../src/store/time/clock-book.ts';

/** Milliseconds between two commits of a log in memory, and of the real ones. */
const COMMIT_EVERY = 1000;
const BOOT = 1;
const FIRST = 1;

/** What a fleet does with the log of one gateway. */
export interface GatewayLog {
  readonly log: Log;
  /** Readings of a record. */
  readonly points: number;
  /** Numbers of records and of alarms that were given. */
  readonly records: readonly number[];
  readonly alarms: readonly number[];
  /** When each record was given to the log, ms UTC. */
  readonly taken: readonly number[];
  /** @param at monotonic ms */
  append(at: number): void;
  alarm(): void;
  close(): Promise<void>;
}

/** Values follow from the number, so that a receiver can tell a wrong one. */
export function valuesOf(seq: number, points: number): number[] {
  return Array.from({ length: points }, (_, i) => (i === 0 ? seq : ((seq * 7919 + i * 104729) % 100_000) / 100));
}

function shapeOf(points: number): Shape {
  return {
    device: 'plant',
    points: Array.from({ length: points }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' }) as const),
  };
}

/** Its file is an array: `read` is what the keeper thread does with blocks. */
class MemoryLog extends EventEmitter implements LogSide {
  readonly opened = {
    boot: BOOT,
    logs: [{ ordinal: 1, name: 'fleet00001', last: 0 }],
    forwarders: [],
  };
  readonly ordinal = 1;
  readonly mirrored = true;
  readonly inventoryRevision = 1;
  readonly options = { clock: systemClock, commitEvery: COMMIT_EVERY };
  readonly recent = new Recent(FIRST);
  readonly clock: ClockBook;
  readonly keeper: Backlog = {
    read: (request) => Promise.resolve(this.#read(request)),
    notices: (request) => Promise.resolve(this.#noticesOf(request)),
  };
  next = FIRST;
  committed = 0;
  readonly #shape: Shape;
  /** Monotonic ms of each record, by number; of an alarm undefined. */
  readonly #times: (number | undefined)[] = [undefined];
  readonly #notices: NoticesResult['notices'][number][] = [];
  #outlet: Outlet | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(points: number) {
    super();
    this.#shape = shapeOf(points);
    const machine = { id: '', origin: 0 };
    const clock = { boot: BOOT, version: 0, segments: [] };
    this.clock = new ClockBook(
      [{ boot: BOOT, log: 1, first: FIRST, last: Number.MAX_SAFE_INTEGER, machine, atLast: 0, proven: true, clock }],
      new AllHandOvers(
        () => (this.#outlet === undefined ? [] : [this.#outlet]),
        [],
        () => this.next,
      ),
    );
    this.clock.set(Date.now() - Math.round(systemClock.monotonic()), false);
    this.clock.committed(this.clock.pending);
  }

  get sendable(): number {
    return this.next - 1;
  }
  inventoryOf(): number {
    return this.inventoryRevision;
  }
  mirrorLanes(): void {}
  cursorMoved(): void {
    this.#trim();
    this.#arm();
  }
  flush(): Promise<void> {
    this.#commit();
    return Promise.resolve();
  }
  outlet(name: string, from: 'oldest' | 'now', gateway: string, format: string, options = {}): Outlet {
    this.#outlet ??= new Outlet(this, name, from, []).address(gateway, format, options, undefined);
    return this.#outlet;
  }

  append(at: number): number {
    const seq = this.next++;
    this.#times[seq] = at;
    this.recent.push(this.#record(seq, at), this.#shape.points.length * 8 + 21);
    this.#arm();
    this.emit('appended', this.#shape.points.length);
    return seq;
  }

  notice(key: string, body: object): number {
    const seq = this.next++;
    this.#times[seq] = undefined;
    const json = JSON.stringify({ v: 1, log: this.opened.logs[0]?.name, seq, ...body });
    this.#notices.push({ seq, kind: 'alarm', key, json });
    this.#outlet?.noticed({ seq, at: Math.round(systemClock.monotonic()), kind: 'alarm', key, json });
    this.#arm();
    this.emit('appended', 0);
    return seq;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #record(seq: number, at: number): LogRecord {
    return { seq, sample: { shape: this.#shape, at, values: valuesOf(seq, this.#shape.points.length), reasons: null } };
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#commit(), COMMIT_EVERY);
  }

  #commit(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#outlet?.commitBegins(this.next);
    this.#outlet?.takeStates();
    this.committed = this.next - 1;
    this.#trim();
    this.emit('committed');
  }

  #trim(): void {
    this.recent.trim((this.#outlet?.needsFrom ?? Number.POSITIVE_INFINITY) - 1, this.committed);
  }

  #read({
    id,
    from,
    to,
    maxReadings,
    lane,
    format,
    formatOptions,
    gateway,
    logName,
    sent,
  }: Omit<ReadRequest, 'id'> & { id?: number }): ReadResult {
    const records: LogRecord[] = [];
    for (let seq = from; seq <= to && (records.length + 1) * this.#shape.points.length <= maxReadings; seq++) {
      const at = this.#times[seq];
      if (at !== undefined) records.push(this.#record(seq, at));
    }
    const [first, last] = [records[0], records.at(-1)];
    if (first === undefined || last === undefined) return { id: id ?? 0, upTo: to, batch: undefined };
    const { offset = 0, estimated = false } = this.clock.last ?? {};
    const boot = bootName(BOOT);
    const messages = encodeBatch(
      formatNamed(format),
      { lane, gateway, log: logName, boot, inventory: 1, sent, offset, estimated, records },
      formatOptions,
    );
    const readings = records.length * this.#shape.points.length;
    return {
      id: id ?? 0,
      upTo: last.seq,
      batch: { boot, first: first.seq, last: last.seq, records: records.length, readings, messages },
    };
  }

  #noticesOf({ only, after, to, limit, key }: Omit<NoticesRequest, 'id'>): NoticesResult {
    const found = this.#notices.filter(
      ({ seq, kind, key: of }) => kind === only && seq > after && seq <= to && (key === undefined || of === key),
    );
    return { id: 0, notices: found.slice(0, limit) };
  }
}

/** The alarm of rule `full`, as an alarm of the gateway. */
const ALARM = { rule: 'full', severity: 'warning', state: 'raised', value: 1 };

export function memoryLog(points: number): GatewayLog {
  const inner = new MemoryLog(points);
  const records: number[] = [];
  const taken: number[] = [];
  const alarms: number[] = [];
  return {
    // A forwarder takes the outlet and the two events of a log, and nothing else.
    log: inner as unknown as Log,
    ...{ points, records, taken, alarms },
    append(at) {
      records.push(inner.append(at));
      taken.push(Date.now());
    },
    alarm: () => void alarms.push(inner.notice('full', { ...ALARM, time: Date.now() })),
    close: () => Promise.resolve(inner.stop()),
  };
}

/** @param folder of its own */
export async function realLog(points: number, folder: string): Promise<GatewayLog> {
  const log = await Log.open({
    ...{ stateDir: `${folder}/state`, runtimeDir: `${folder}/run`, clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: COMMIT_EVERY },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  const shape = shapeOf(points);
  const records: number[] = [];
  const taken: number[] = [];
  const alarms: number[] = [];
  return {
    ...{ log, points, records, taken, alarms },
    append(at) {
      const seq = log.next;
      if (log.append({ shape, at, values: valuesOf(seq, points), reasons: null })?.seq !== seq) throw new Error('no number');
      records.push(seq);
      taken.push(Date.now());
    },
    alarm() {
      const at = systemClock.monotonic();
      alarms.push(log.notice('alarm', 'full', at, { ...ALARM, time: Date.now() }).seq);
    },
    close: () => log.close(10_000),
  };
}
