/**
 * A gateway on a board without a clock, in a world that knows what time it truly is: the real log with its threads and
 * files, a broker that notes what it was given, and the promises of the contract's rule 8 checked at every hand-over.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { Machine } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import type { OutBatch } from '../../src/store/delivery/out.ts';
import type { Outlet } from '../../src/store/delivery/outlet.ts';
import type { Lane } from '../../src/store/files/lane-state.ts';
import { bootName, keyOf, LOG_FILE } from '../../src/store/files/layout.ts';
import { Log } from '../../src/store/log.ts';
import { ClockTable } from '../../src/store/time/clock-table.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { Consumer } from '../oracles/consumer.ts';
import { payloadText } from './payload-text.ts';

const SHAPE: Shape = { device: 'tank', points: [{ name: 'level', type: 'uint16', storage: 'number' }] };
const LANES: readonly Lane[] = ['history', 'data'];
const GATEWAY = 'g1';
/** 2027: what the board should show and does not. */
export const MORNING = Date.UTC(2027, 2, 1, 6);

export interface Taken {
  readonly key: string;
  readonly seq: number;
  readonly boot: number;
  readonly machine: string;
  /** Monotonic ms of its boot. */
  readonly at: number;
  /** UTC ms. */
  readonly truth: number;
}
export interface Given {
  readonly time: number;
  readonly estimated: boolean;
}

export class ClockSite {
  readonly #dir: string;
  /** UTC ms, as nobody on the board knows it. */
  now = MORNING;
  /** Every record, in order. */
  readonly taken: Taken[] = [];
  readonly given = new Map<string, Given>();
  readonly consumer = new Consumer();
  clock = new ManualClock();
  log!: Log;
  outlet!: Outlet;
  #machines = 0;
  /** True UTC at which the kernel's monotonic time was 0. */
  #switchedOn = 0;
  /** What the board's clock shows, minus the truth. */
  #wrong = 0;
  connected = false;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Power comes. @param shows UTC ms that the board's clock begins with */
  async switchOn(shows: number): Promise<void> {
    this.now += 20_000;
    this.#machines++;
    this.#switchedOn = this.now;
    this.#wrong = shows - this.now;
    this.now += 15_000;
    await this.start();
  }

  get machine(): Machine {
    return { id: `machine-${this.#machines}`, origin: this.now - this.#switchedOn - this.clock.monotonic() };
  }

  /** A test that failed on the way must not leave threads behind. */
  async leave(): Promise<void> {
    await this.log?.abandon();
  }

  /** The daemon starts. */
  async start(options: { machine?: boolean } = {}): Promise<void> {
    this.clock = new ManualClock(this.now + this.#wrong);
    this.log = await Log.open({
      stateDir: path.join(this.#dir, 'state'),
      runtimeDir: path.join(this.#dir, 'run'),
      clock: this.clock,
      machine: options.machine === false ? undefined : this.machine,
      maxSize: 64e6,
      maxAge: 1e13,
      commitEvery: 10_000,
    });
    this.log.on('fault', (fault) => assert.equal(fault, undefined));
    this.outlet = this.log.outlet('cloud', 'oldest', GATEWAY, 'json');
    this.guess();
    this.log.setInventory('{}');
    await this.outlet.ready();
  }

  /** The board's clock is all there is. */
  guess(): void {
    this.log.setClock(Math.round(this.clock.wall() - this.clock.monotonic()), true);
  }
  /** @param error ms by which what is taken for right is wrong */
  sync(error = 0): ReturnType<Log['setClock']> {
    this.#wrong = error;
    this.clock.step(this.now + error - this.clock.wall());
    return this.log.setClock(Math.round(this.now + error - this.clock.monotonic()), false);
  }

  /** A record every `every` ms, for `ms`. */
  async run(ms: number, every: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += every) {
      await this.clock.advance(every);
      this.now += every;
      const record = this.log.append({
        shape: SHAPE,
        at: this.clock.monotonic(),
        values: [this.taken.length % 65_536],
        reasons: null,
      });
      assert.ok(record !== undefined);
      const { boot } = this.log.opened;
      this.taken.push({
        key: `${GATEWAY}/${this.log.id}/${record.seq}`,
        ...{ seq: record.seq, boot, machine: `machine-${this.#machines}`, at: record.sample.at, truth: this.now },
      });
      this.outlet.tend(this.connected, this.clock.monotonic());
    }
  }

  /** Everything that can be sent now, at most `batches` of each lane. @returns how many records */
  async deliver(batches = Number.POSITIVE_INFINITY, size = 50, acknowledge = true): Promise<number> {
    let records = 0;
    await this.log.flush();
    for (const lane of LANES) {
      let idle = 0;
      for (let i = 0; i < batches && idle < 3; ) {
        const batch = await this.outlet.next(lane, size);
        if (batch === undefined || !this.outlet.handOver(batch)) {
          // A mapping or a promise is on its way to the file.
          idle++;
          await this.log.flush();
          continue;
        }
        idle = 0;
        i++;
        records += batch.records;
        this.took(batch);
        if (!acknowledge) break;
        this.outlet.done(batch);
      }
    }
    return records;
  }

  /** What a broker sees of a batch that was handed over. */
  took(batch: OutBatch): void {
    const body = JSON.parse(payloadText(batch)) as {
      log: string;
      boot: string;
      clock?: string;
      records: { seq: number; time: number }[];
    };
    const table = this.#table();
    try {
      for (const { seq, time } of body.records) {
        const key = `${GATEWAY}/${body.log}/${seq}`;
        const item = this.taken.find((t) => t.key === key);
        assert.ok(item !== undefined, `${key} was never taken`);
        assert.equal(body.boot, bootName(item.boot));
        const estimated = body.clock === 'estimated';
        assert.deepEqual(
          table.of(item.boot, seq),
          { offset: time - item.at, estimated },
          `${key} left under a mapping that is not in the file`,
        );
        const before = this.given.get(key);
        if (before !== undefined) assert.deepEqual({ time, estimated }, before, `${key} has another time than before`);
        this.given.set(key, { time, estimated });
      }
    } finally {
      table.close();
    }
    this.consumer.feed(`sluice/${GATEWAY}/${batch.lane}`, payloadText(batch));
    assert.deepEqual(this.consumer.violations, []);
  }

  /** The last number of a log whose record is in the file. */
  #committed(id: string): number {
    const db = new Database(path.join(this.#dir, 'state', LOG_FILE), { readonly: true });
    try {
      const log = db.prepare<[string], number>('select ordinal from log where name = ?').pluck().get(id) as number;
      return Math.max(
        db.prepare<[number], number>('select seq from compacted where log = ?').pluck().get(log) ?? 0,
        db
          .prepare<[number, number], number>('select last from block where id > ? and id < ? order by id desc limit 1')
          .pluck()
          .get(keyOf(log, 0), keyOf(log + 1, 0)) ?? 0,
      );
    } finally {
      db.close();
    }
  }

  #table(): ClockTable & { close(): void } {
    const db = new Database(path.join(this.#dir, 'state', LOG_FILE), { readonly: true });
    return Object.assign(new ClockTable(db), { close: () => void db.close() });
  }

  /** Time and mark of every record as an export gives it, by key. */
  async exported(): Promise<Map<string, Given>> {
    await this.log.flush();
    const found = new Map<string, Given>();
    for (let after: number | undefined = 0; after !== undefined; ) {
      const slice: { text: string; next: number | undefined } = await this.log.keeper.export({
        ...{ after, from: -1e15, to: Number.MAX_SAFE_INTEGER, format: 'jsonl' },
      });
      for (const line of slice.text.split('\n').filter((l) => l !== '')) {
        const r = JSON.parse(line) as { log: string; seq: number; time: number; clock?: string };
        found.set(`${GATEWAY}/${r.log}/${r.seq}`, { time: r.time, estimated: r.clock === 'estimated' });
      }
      after = slice.next;
    }
    return found;
  }

  async stop(how: 'close' | 'kill'): Promise<void> {
    if (how === 'close') await this.log.close(60_000);
    else await this.log.abandon();
  }
  /** Readings that are not in the file are gone, and so are those that only the runtime directory had. */
  async cutPower(): Promise<void> {
    const { id } = this.log;
    await this.log.abandon();
    // Not what the log has been told: a commit may have been in the file already.
    const committed = this.#committed(id);
    rmSync(path.join(this.#dir, 'run'), { recursive: true, force: true });
    for (let i = this.taken.length - 1; i >= 0; i--) {
      const { key, seq } = this.taken[i] as Taken;
      if (key.split('/')[1] === id && seq > committed && !this.given.has(key)) this.taken.splice(i, 1);
    }
  }
}
