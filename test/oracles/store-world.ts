/**
 * A world for the model test of the store: the real log with its threads and files, forwarders whose network is this
 * file, the contract's consumer behind each, and the simplest model there can be of what is owed to whom.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import type { RecordFilter } from '../../src/codecs/record-filter.ts';
import type { Shape } from '../../src/core/point.ts';
import type { OutBatch, OutNotice } from '../../src/store/delivery/out.ts';
import type { Outlet } from '../../src/store/delivery/outlet.ts';
import type { Lane, NoticeKind } from '../../src/store/files/lane-state.ts';
import { statesOf } from '../../src/store/hot/saved-states.ts';
import { Log } from '../../src/store/log.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { allNotices } from '../harness/all-notices.ts';
import { payloadText } from '../harness/payload-text.ts';
import { Consumer } from './consumer.ts';
import { contentOf, makeSample, makeShapes, type Random, random } from './store-samples.ts';

const GATEWAY = 'g1';
export const LANES: readonly Lane[] = ['data', 'history'];
/** What keeps a final drain that makes no progress from running for ever. */
const DRAIN_ROUNDS = 5000;

interface Item {
  readonly key: string;
  readonly kind: 'record' | 'alarm' | 'event';
  readonly log: string;
  readonly seq: number;
  readonly boot: number;
  readonly at: number;
  readonly inventory: number;
  /** Mappings of its boot that may give its time: this one and later ones. */
  readonly mappings: readonly number[];
  readonly firstMapping: number;
  /** Contents as the contract writes them. */
  readonly content: unknown;
  readonly device: string;
  /** Whether it was lost where it may be lost; it may still come. */
  forgiven: boolean;
}

export interface Forwarder {
  readonly name: string;
  readonly from: 'oldest' | 'now';
  readonly filter: RecordFilter | undefined;
  readonly consumer: Consumer;
  /** What the consumer was given; kept where the process will end. */
  readonly fed: [topic: string, payload: string][];
  readonly owed: Set<string>;
  outlet: Outlet | undefined;
  /** The log knows the name. */
  known: boolean;
  /** Made while the log was running, so that memory may lack what its data still needs. */
  late: boolean;
  ready: Promise<void> | undefined;
  isReady: boolean;
  connected: boolean;
  session: number;
  readonly underWay: Map<Lane, { batch: OutBatch; arrived: boolean }>;
  readonly asking: Map<Lane | NoticeKind, Promise<void>>;
  /** Batches that the broker refused: passed over, and they may come again when the cursor did not survive. */
  readonly refused: Set<string>;
}

/** What outlives the process: the model, as it was when the process ended. */
interface Saved {
  readonly step: number;
  readonly seed: number;
  readonly wall: number;
  readonly how: 'kill' | 'powerCut';
  readonly trace: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly items: ReadonlyMap<string, Item>;
  readonly knowing: ReadonlySet<number>;
  readonly alarms: ReadonlyMap<string, unknown>;
  readonly alarmCount: number;
  readonly forwarders: readonly {
    readonly fed: readonly [string, string][];
    readonly owed: ReadonlySet<string>;
    readonly refused: ReadonlySet<string>;
    readonly known: boolean;
    readonly configured: boolean;
  }[];
}

export class World {
  random: Random;
  /** Operations that were done. */
  step = 0;
  readonly trace: string[] = [];
  readonly faults: string[] = [];
  readonly forwarders: readonly Forwarder[];
  readonly items = new Map<string, Item>();
  readonly counts: Record<string, number> = {};
  log!: Log;
  clock = new ManualClock();
  #mappings: number[] = [];
  /** Boots that learnt the time: the others are placed before one of these. */
  readonly #knowing = new Set<number>();
  #devices: readonly Shape[] = [];
  #alarms = new Map<string, unknown>();
  #alarmCount = 0;
  readonly #dir: string;
  /** Ends the process as a kill does; undefined: kills and power cuts are played within it. */
  readonly #die: ((saved: Uint8Array) => never) | undefined;
  /** Configured when the process ended. */
  readonly #configured = new Set<string>();

  constructor(dir: string, seed: number, die?: (saved: Uint8Array) => never) {
    this.#dir = dir;
    this.#die = die;
    this.random = random(seed);
    this.#devices = makeShapes();
    const forwarder = (name: string, from: 'oldest' | 'now', filter?: RecordFilter): Forwarder => ({
      ...{
        name,
        from,
        filter,
        consumer: new Consumer(),
        fed: [],
        owed: new Set<string>(),
        outlet: undefined,
        known: false,
        late: false,
      },
      ...{
        ready: undefined,
        isReady: false,
        connected: false,
        session: 0,
        underWay: new Map(),
        asking: new Map(),
        refused: new Set<string>(),
      },
    });
    this.forwarders = [
      forwarder('cloud', 'oldest'),
      forwarder('second', this.random(2) === 0 ? 'oldest' : 'now'),
      forwarder('part', 'oldest', { devices: ['dust'], points: ['pump.flow', '*.energy'] }),
    ];
  }

  note(words: string): void {
    const op = words.split(' ')[0] as string;
    this.counts[op] = (this.counts[op] ?? 0) + 1;
    this.trace.push(words);
  }
  fault(words: string): void {
    this.faults.push(words);
    this.note(`FAULT ${words}`);
  }

  async open(): Promise<void> {
    this.clock = new ManualClock(this.clock.wall() + 1000 * this.random(100));
    await this.clock.advance(this.random(5000) + 0.25);
    this.log = await Log.open({
      stateDir: path.join(this.#dir, 'state'),
      runtimeDir: path.join(this.#dir, 'run'),
      clock: this.clock,
      maxSize: 1e9,
      maxAge: 1e13,
      commitEvery: this.random.pick([1000, 10_000, 60_000]),
    });
    this.log.on('fault', (fault) => fault !== undefined && this.fault(`commit failed: ${fault}`));
    this.log.on('dead', (error) => this.fault(`writer died: ${error.message}`));
    this.log.on('overflow', () => this.fault('overflow'));
    this.log.on('tidyFault', (fault) => fault !== undefined && this.fault(`tidying failed: ${fault}`));
    this.log.on('tidied', ({ more }) => more && this.note('unit'));
    for (const f of this.forwarders)
      if (f.known && (f.outlet !== undefined || this.#configured.delete(f.name))) this.#attach(f, false);
    this.#mappings = [];
    this.setClock();
    this.setInventory();
    const { boot, recovered } = this.log.opened;
    this.note(`opened log ${this.log.id} boot ${boot} next ${this.log.next} recovered ${recovered.records}+${recovered.notices}`);
  }

  /** Commit blocks become a unit; a kill may come in the middle. */
  async compact(): Promise<void> {
    this.note('compact');
    const made = this.log.compact();
    if (this.random(2) === 0) await made;
  }

  #attach(f: Forwarder, late: boolean): void {
    f.outlet = this.log.outlet(f.name, f.from, GATEWAY, 'json', {}, f.filter);
    f.late = late;
    f.isReady = false;
    f.ready = f.outlet.ready().then(() => {
      f.isReady = true;
    });
  }

  /** A forwarder is configured, for the first time or again. */
  add(f: Forwarder): void {
    if (f.outlet !== undefined) return;
    if (!f.known) {
      f.owed.clear();
      if (f.from === 'oldest') for (const item of this.items.values()) if (!item.forgiven && owes(f, item)) f.owed.add(item.key);
    }
    this.#attach(f, f.known);
    f.known = true;
    this.note(`add ${f.name}`);
  }
  async remove(f: Forwarder): Promise<void> {
    if (f.outlet === undefined) return;
    this.drop(f);
    await this.settle(f);
    f.outlet = undefined;
    f.isReady = false;
    this.note(`remove ${f.name}`);
    await this.log.release(f.name);
  }

  // What the gateway does.

  append(n: number): void {
    const first = this.log.next;
    for (let i = 0; i < n; i++) {
      if (this.random(40) === 0) this.#devices = makeShapes();
      const sample = makeSample(this.random, this.#devices, this.clock.monotonic());
      const record = this.log.append(sample);
      if (record === undefined) this.fault('no number was given');
      else this.#keep('record', record.seq, record.sample.at, contentOf(record), sample.shape.device);
    }
    this.note(`append ${first}..${this.log.next - 1}`);
  }
  notice(): void {
    const kind = this.random.pick(['alarm', 'event'] as const);
    const key = this.random.pick(['warm', 'silent']);
    const body = { rule: key, n: this.random(1000), time: 5, message: 'é\n"' };
    const told = this.log.notice(kind, key, this.clock.monotonic(), body);
    this.#keep(kind, told.seq, 0, { v: 1, log: this.log.id, seq: told.seq, ...body }, '');
    this.note(`notice ${kind} ${told.seq}`);
  }
  #keep(kind: Item['kind'], seq: number, at: number, content: unknown, device: string): void {
    const { id: log } = this.log;
    const key = `${GATEWAY}/${log}/${seq}`;
    if (this.items.has(key)) this.fault(`number ${seq} of ${log} was used twice`);
    const item: Item = {
      ...{ key, kind, log, seq, at, content, device, boot: this.log.opened.boot, inventory: this.log.inventoryRevision },
      ...{ mappings: this.#mappings, firstMapping: this.#mappings.length - 1, forgiven: false },
    };
    this.items.set(key, item);
    for (const f of this.forwarders) if (f.known && owes(f, item)) f.owed.add(key);
  }
  setClock(): void {
    const offset = Math.round(this.clock.wall() - this.clock.monotonic()) + this.random(1000);
    this.#mappings.push(offset);
    const estimated = this.random(3) === 0;
    if (!estimated) this.#knowing.add(this.log.opened.boot);
    const move = this.log.setClock(offset, estimated);
    this.note(`setClock ${offset}${estimated ? ' estimated' : ''} from ${move.fromSeq}`);
  }
  setInventory(): void {
    const revision = this.log.setInventory(JSON.stringify({ version: this.random(4) }));
    this.note(`setInventory ${revision}`);
  }
  saveAlarm(): void {
    const rule = this.random.pick(['warm', 'silent']);
    const state = { n: ++this.#alarmCount };
    this.#alarms.set(rule, state);
    this.log.saveState(rule, state);
    this.note(`saveAlarm ${rule} ${state.n}`);
  }
  tend(f: Forwarder): void {
    const change = f.outlet?.tend(f.connected, this.clock.monotonic());
    if (change !== undefined) this.note(`${change} ${f.name} at ${this.log.next}`);
  }

  // What the network does. One session is what one run of the drain loop is.

  connect(f: Forwarder): void {
    if (f.connected || f.outlet === undefined || !f.isReady || f.asking.size > 0) return;
    f.connected = true;
    this.note(`connect ${f.name}`);
  }
  /** Everything in flight is forgotten. */
  drop(f: Forwarder): void {
    if (f.connected) this.note(`drop ${f.name} with ${[...f.underWay].map(([l, b]) => `${l} ${range(b.batch)}`).join(', ')}`);
    f.connected = false;
    f.session++;
    f.underWay.clear();
  }
  /** A pump asks for its next batch; the answer comes later and is handed over in the same turn. */
  ask(f: Forwarder, lane: Lane, maxReadings: number): void {
    if (!f.connected || f.outlet === undefined || f.underWay.has(lane) || f.asking.has(lane)) return;
    const { outlet, session } = f;
    const { log } = this;
    const next = log.next;
    const settled = log.clock.pending.length === 0 && log.clock.known && log.status().mirrorFault === undefined && !f.late;
    const asked = outlet
      .next(lane, maxReadings)
      .then((batch) => {
        if (session !== f.session) return;
        if (batch === undefined) {
          // A mapping of the clock that came between question and answer has to be committed first.
          const undisturbed = settled && this.log === log && log.next === next && log.clock.pending.length === 0;
          if (lane === 'data' && undisturbed && outlet.backlog('data') !== undefined)
            this.fault(`data of ${f.name} waits for a commit: ${JSON.stringify(outlet.backlog('data'))}`);
          return;
        }
        if (!outlet.handOver(batch)) return;
        f.underWay.set(lane, { batch, arrived: false });
        this.note(`send ${f.name} ${lane} ${range(batch)}`);
        if (lane === 'history' && batch.log === log.ordinal && batch.last > log.committed)
          this.fault(`history ${range(batch)} carries what is not committed`);
      })
      .catch((thrown: unknown) => {
        if (session === f.session) this.fault(`${lane} of ${f.name} cannot be read: ${String(thrown)}`);
      })
      .finally(() => f.asking.delete(lane));
    f.asking.set(lane, asked);
  }
  arrive(f: Forwarder, lane: Lane): void {
    const sent = f.underWay.get(lane);
    if (sent === undefined || sent.arrived) return;
    sent.arrived = true;
    this.note(`arrive ${f.name} ${lane} ${range(sent.batch)}`);
    this.#feed(f, `sluice/${GATEWAY}/${lane}`, payloadText(sent.batch));
    this.#look(sent.batch);
    this.#judge(f);
  }
  acknowledge(f: Forwarder, lane: Lane): void {
    const sent = f.underWay.get(lane);
    if (sent?.arrived !== true) return;
    f.underWay.delete(lane);
    this.note(`ack ${f.name} ${lane} ${range(sent.batch)}`);
    f.outlet?.done(sent.batch);
  }
  /** The broker takes it never: counted, passed over. */
  refuse(f: Forwarder, lane: Lane): void {
    const sent = f.underWay.get(lane);
    if (sent === undefined || sent.arrived) return;
    f.underWay.delete(lane);
    this.note(`refuse ${f.name} ${lane} ${range(sent.batch)}`);
    const { log, records } = JSON.parse(payloadText(sent.batch)) as { log: string; records: { seq: number }[] };
    for (const { seq } of records) {
      const key = `${GATEWAY}/${log}/${seq}`;
      f.owed.delete(key);
      f.refused.add(key);
    }
    f.outlet?.done(sent.batch);
  }
  /** Alarms and events, as the drain loop sends them; some of the answers may be lost. */
  askNotices(f: Forwarder, loseAnswers: boolean): void {
    for (const kind of ['alarm', 'event'] as const) this.#askNotices(f, kind, loseAnswers);
  }
  #askNotices(f: Forwarder, kind: NoticeKind, loseAnswers: boolean): void {
    if (!f.connected || f.outlet === undefined || f.asking.has(kind)) return;
    const { outlet, session } = f;
    const asked = outlet
      .notices(kind, 1 + this.random(8))
      .then((waiting) => {
        if (session !== f.session) return;
        const topics = new Map<string, OutNotice>();
        for (const notice of waiting) {
          const topic = notice.kind === 'alarm' ? `sluice/${GATEWAY}/alarm/${notice.key}` : `sluice/${GATEWAY}/event`;
          if (topics.has(topic)) break;
          topics.set(topic, notice);
        }
        if (topics.size === 0) return;
        this.note(`${kind}s ${f.name} ${[...topics.values()].map((n) => n.seq).join(' ')}${loseAnswers ? ', answers lost' : ''}`);
        for (const [topic, notice] of topics) this.#feed(f, topic, notice.json);
        this.#judge(f);
        if (loseAnswers) this.drop(f);
        else outlet.noticesDone([...topics.values()].at(-1) as OutNotice);
      })
      .catch((thrown: unknown) => {
        if (session === f.session) this.fault(`${kind}s of ${f.name} cannot be read: ${String(thrown)}`);
      })
      .finally(() => f.asking.delete(kind));
    f.asking.set(kind, asked);
  }
  /** What was asked is answered. */
  async settle(f: Forwarder): Promise<void> {
    await Promise.all(f.asking.values());
  }

  #feed(f: Forwarder, topic: string, payload: string): void {
    f.consumer.feed(topic, payload);
    if (this.#die !== undefined) f.fed.push([topic, payload]);
  }
  #look(batch: OutBatch): void {
    const body = JSON.parse(payloadText(batch)) as {
      log: string;
      boot: string;
      inventory: number;
      records: { seq: number }[];
    };
    for (const { seq } of body.records) {
      const item = this.items.get(`${GATEWAY}/${body.log}/${seq}`);
      if (item === undefined) this.fault(`${seq} of ${body.log} was never appended`);
      else if (`b${item.boot}` !== body.boot || item.inventory !== body.inventory)
        this.fault(
          `${seq} of ${body.log}: boot ${body.boot} inventory ${body.inventory}, not b${item.boot} and ${item.inventory}`,
        );
    }
  }
  #judge(f: Forwarder): void {
    for (const { kind, message } of f.consumer.violations.splice(0))
      if (kind !== 'covered-before' || !f.refused.has(message.split(' ')[0] as string))
        this.fault(`${f.name}: ${kind}: ${message}`);
  }

  // What happens to the process and its files.

  async close(): Promise<void> {
    this.#cut();
    await this.log.close(60_000);
    this.note('close');
    await this.open();
    this.#compareAlarms();
  }
  async kill(): Promise<void> {
    this.#cut();
    this.note(`kill at ${this.log.next}, committed ${this.log.committed}`);
    if (this.#die !== undefined) this.#die(this.#save('kill'));
    await this.log.abandon();
    await this.#afterKill();
  }
  async #afterKill(): Promise<void> {
    await this.open();
    this.#compareAlarms();
  }
  async powerCut(): Promise<void> {
    this.#cut();
    const { id, committed } = this.log;
    if (this.log.clock.pending.length > 0) this.#knowing.delete(this.log.opened.boot);
    this.note(`powerCut at ${this.log.next}, committed ${committed}`);
    for (const item of this.items.values()) if (item.log === id && item.seq > committed) this.#forgive(item);
    if (this.#die !== undefined) this.#die(this.#save('powerCut'));
    await this.log.abandon();
    await this.#afterPowerCut();
  }
  async #afterPowerCut(): Promise<void> {
    rmSync(path.join(this.#dir, 'run'), { recursive: true, force: true });
    await this.open();
    this.#alarms = new Map(statesOf(this.log.opened.savedStates, () => true));
  }

  #save(how: Saved['how']): Uint8Array {
    const saved: Saved = {
      ...{ how, step: this.step, seed: this.random(2 ** 31), wall: this.clock.wall(), trace: this.trace, counts: this.counts },
      ...{ items: this.items, knowing: this.#knowing, alarms: this.#alarms, alarmCount: this.#alarmCount },
      forwarders: this.forwarders.map(({ fed, owed, refused, known, outlet }) => ({
        ...{ fed, owed, refused, known, configured: outlet !== undefined },
      })),
    };
    return serialize(saved);
  }
  /** In the process that follows. */
  async resume(bytes: Uint8Array): Promise<void> {
    const saved = deserialize(bytes) as Saved;
    this.step = saved.step;
    this.random = random(saved.seed);
    this.clock = new ManualClock(saved.wall);
    this.trace.push(...saved.trace);
    Object.assign(this.counts, saved.counts);
    for (const [key, item] of saved.items) this.items.set(key, item);
    for (const boot of saved.knowing) this.#knowing.add(boot);
    this.#alarms = new Map(saved.alarms);
    this.#alarmCount = saved.alarmCount;
    for (const [i, f] of this.forwarders.entries()) {
      const was = saved.forwarders[i];
      if (was === undefined) continue;
      for (const [topic, payload] of was.fed) this.#feed(f, topic, payload);
      // They were judged then.
      f.consumer.violations.length = 0;
      for (const key of was.owed) f.owed.add(key);
      for (const key of was.refused) f.refused.add(key);
      f.known = was.known;
      if (was.configured) this.#configured.add(f.name);
    }
    await (saved.how === 'kill' ? this.#afterKill() : this.#afterPowerCut());
  }
  /** Somebody deletes the state directory of a killed gateway; what lies in the runtime directory is still owed. */
  async loseState(): Promise<void> {
    this.#cut();
    const { id, committed } = this.log;
    await this.log.abandon();
    this.note(`loseState at ${this.log.next}, committed ${committed}`);
    rmSync(path.join(this.#dir, 'state'), { recursive: true, force: true });
    for (const item of this.items.values()) if (item.log !== id || item.seq <= committed) this.#forgive(item);
    for (const f of this.forwarders) {
      if (f.outlet !== undefined) continue;
      f.known = false;
      f.owed.clear();
    }
    await this.open();
    if (this.log.id === id) this.fault('a log without its file went on under its old id');
    this.#alarms = new Map(statesOf(this.log.opened.savedStates, () => true));
  }
  #cut(): void {
    for (const f of this.forwarders) this.drop(f);
  }
  #forgive(item: Item): void {
    item.forgiven = true;
    for (const f of this.forwarders) f.owed.delete(item.key);
  }
  #compareAlarms(): void {
    const opened = new Map(statesOf(this.log.opened.savedStates, () => true));
    if (!isDeepStrictEqual(opened, this.#alarms))
      this.fault(`alarm states ${JSON.stringify([...opened])}, not ${JSON.stringify([...this.#alarms])}`);
  }

  /** Fair weather: everything is committed, sent and acknowledged. */
  async drain(): Promise<void> {
    this.note('drain');
    for (const f of this.forwarders) {
      this.drop(f);
      await this.settle(f);
      if (f.known) this.add(f);
    }
    await this.log.flush();
    for (const f of this.forwarders) {
      if (f.outlet === undefined) continue;
      await f.ready;
      this.connect(f);
      for (let round = 0; ; round++) {
        for (const lane of LANES) this.ask(f, lane, 1000);
        this.askNotices(f, false);
        await this.settle(f);
        if (f.underWay.size === 0 && !LANES.some((l) => f.outlet?.pending(l)) && (await allNotices(f.outlet, 1)).length === 0)
          break;
        for (const lane of LANES) {
          this.arrive(f, lane);
          this.acknowledge(f, lane);
        }
        if (round > DRAIN_ROUNDS || this.faults.length > 0) {
          this.fault(`the drain of ${f.name} does not end: ${JSON.stringify(LANES.map((l) => f.outlet?.backlog(l)))}`);
          break;
        }
      }
    }
    await this.log.flush();
  }

  /** What can only be judged at the end. */
  judge(): void {
    const times = new Map<string, number>();
    for (const f of this.forwarders) {
      f.consumer.judge();
      this.#judge(f);
      const missing = [...f.owed].filter((key) => !f.consumer.accepted.has(key));
      if (missing.length > 0) this.fault(`${f.name} never got ${missing.length}: ${missing.slice(0, 20).join(' ')}`);
      for (const [key, got] of f.consumer.accepted) {
        const item = this.items.get(key);
        if (item === undefined) {
          this.fault(`${f.name} got ${key}, which was never appended`);
          continue;
        }
        const { values, bad, uncertain } = got;
        const content = item.kind === 'record' ? { values, bad, uncertain } : values;
        if (got.device !== item.device || !isDeepStrictEqual(content, contentFor(f, item)))
          this.fault(`${f.name} got ${key} as ${JSON.stringify(content)}, not ${JSON.stringify(item.content)}`);
        if (item.kind !== 'record') continue;
        if (this.#knowing.has(item.boot) && !item.mappings.slice(item.firstMapping).includes(got.time - item.at))
          this.fault(`${f.name} got ${key} at ${got.time - item.at}, not one of ${item.mappings.slice(item.firstMapping)}`);
        if ((times.get(key) ?? got.time) !== got.time) this.fault(`${key} has two times`);
        times.set(key, got.time);
      }
    }
  }
}

/** The points of `part`, written down once more. */
const WANTED = ['dust pm', 'pump flow', 'meter energy'];

/** What a forwarder gets of an item: with a filter a part of a record. */
function contentFor(f: Forwarder, item: Item): unknown {
  if (f.filter === undefined || item.kind !== 'record') return item.content;
  const parts = Object.entries(item.content as Record<string, Record<string, unknown>>).map(([part, points]) => [
    part,
    Object.fromEntries(Object.entries(points).filter(([point]) => WANTED.includes(`${item.device} ${point}`))),
  ]);
  return Object.fromEntries(parts);
}
/** Without a filter also a record without readings is. */
function owes(f: Forwarder, item: Item): boolean {
  if (f.filter === undefined || item.kind !== 'record') return true;
  const { values, bad } = contentFor(f, item) as Record<string, object>;
  return Object.keys({ ...values, ...bad }).length > 0;
}

function range(batch: OutBatch): string {
  return `${batch.log}:${batch.first}..${batch.last}`;
}
