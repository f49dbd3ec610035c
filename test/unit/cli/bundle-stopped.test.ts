/** Bundles of a gateway that does not run: a receipt must not move a cursor over what was not read, and no time may change later. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { GatewayKeyFile } from '../../../src/access/gateway-key.ts';
import type { BundleQuery } from '../../../src/admin/bundles.ts';
import { stoppedBundle } from '../../../src/cli/bundle/stopped.ts';
import { BundleFile } from '../../../src/codecs/bundle/container.ts';
import { makePlatformSecret } from '../../../src/codecs/bundle/keys.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import type { Machine } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Content, undelivered } from '../../../src/store/bundle/content.ts';
import { liveContent } from '../../../src/store/bundle/live.ts';
import { Log } from '../../../src/store/log.ts';
import { machineBoot } from '../../../src/time/probes.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { pushed } from '../../harness/pushed.ts';
import { scratch } from '../../harness/scratch.ts';

const SHAPE: Shape = { device: 'pump', points: [{ name: 'n', type: 'uint16', storage: 'number' }] };
const NO_TIME = 1_000_000;
const ELSEWHERE: Machine = { id: '11111111-2222-3333-4444-555555555555', origin: 0 };

const MQTT = 'type: mqtt, url: "mqtt://127.0.0.1:1"';

const OTHER = `buses: {b: {protocol: modbus-tcp, host: 127.0.0.1}}
devices: {other: {bus: b, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}}}}
`;

class Card {
  readonly state: string;
  readonly #run: string;
  readonly #config: string;
  readonly #platform = makePlatformSecret();

  constructor(t: TestContext, type = 'type: bundle') {
    const dir = scratch(t, 'stopped');
    this.state = path.join(dir, 'state');
    this.#run = path.join(dir, 'run');
    this.#config = path.join(dir, 'gateway.yaml');
    writeFileSync(
      this.#config,
      `gateway: {id: g1, stateDir: ${this.state}}\nforwarders:\n  carrier: {${type}, platform: "${this.#platform.text}"}\n`,
    );
  }

  /** One run of the gateway, which ends cleanly. @param estimated its clock never learns the time */
  async run(machine: Machine | undefined, estimated: boolean, work: (log: Log) => unknown): Promise<void> {
    const clock = new ManualClock();
    const log = await Log.open({
      ...{ stateDir: this.state, runtimeDir: this.#run, clock, machine },
      ...{ maxSize: 256e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    const outlet = log.outlet('carrier', 'oldest', 'g1', 'json');
    log.setClock(NO_TIME, estimated);
    log.setInventory('{}');
    await outlet.ready();
    await work(log);
    await log.flush();
    await log.close(10_000);
    await new GatewayKeyFile(this.state).get();
  }

  /** @returns the values in the bundle, the kinds of its notices, and up to where it covers `data` and `history` */
  async bundle(query: Partial<BundleQuery> = {}): Promise<{ values: unknown[]; notices: string[]; covers: number }> {
    const pieces: Uint8Array[] = [];
    for await (const piece of stoppedBundle(this.#config, { forwarder: undefined, ...query })) pieces.push(Buffer.from(piece));
    const bytes = Buffer.concat(pieces);
    const file = new BundleFile({ size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) });
    const { statement } = file.verify(await new GatewayKeyFile(this.state).get());
    const sections = [...file.sections(this.#platform)];
    const values = sections
      .filter(({ kind }) => kind === 'data' || kind === 'history' || kind === 'range')
      .flatMap(({ body }) => readColumns(body, 'history').records.flatMap(({ sample }) => [...sample.values]));
    const notices = sections
      .filter(({ kind }) => kind === 'alarm' || kind === 'event')
      .map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { severity: string }).severity);
    const lanes = statement.ranges.filter(({ lane }) => lane === 'data' || lane === 'history');
    return { values, notices, covers: Math.max(0, ...lanes.map(({ last }) => last)) };
  }

  /** A configuration from upstream is in force: the file with another forwarder. */
  async push(type: string): Promise<void> {
    const text = `gateway: {id: g1, stateDir: ${this.state}}\nforwarders:\n  carrier: {${type}, platform: "${this.#platform.text}"}\n${OTHER}`;
    await pushed(this.state, text, readFileSync(this.#config, 'utf8'));
  }

  db(work: (db: Database.Database) => void): void {
    const db = new Database(path.join(this.state, 'log.db'));
    work(db);
    db.close();
  }
}

function put(log: Log, from: number, to: number): void {
  for (let n = from; n <= to; n++) log.append({ shape: SHAPE, at: n, values: [n], reasons: null });
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

test('without a history.db that can be read there is no bundle', async (t) => {
  const card = new Card(t);
  await card.run(ELSEWHERE, false, async (log) => {
    put(log, 1, 20);
    await log.flush();
    await log.compact();
    await log.flush();
    put(log, 21, 25);
  });
  assert.deepEqual((await card.bundle()).values, upTo(25));
  const history = path.join(card.state, 'history.db');
  const words = /history\.db cannot be read \(.+\), so the older readings would be missing; no bundle was written/;
  writeFileSync(history, Buffer.alloc(8192, 'x'));
  for (const query of [{}, { from: 0 }]) await assert.rejects(card.bundle(query), words);
  rmSync(history);
  await assert.rejects(card.bundle(), words);
  writeFileSync(history, '');
  await assert.rejects(card.bundle(), words);
});

test('the filter is that of the configuration from upstream that is in force', async (t) => {
  const card = new Card(t, MQTT);
  await card.run(ELSEWHERE, false, (log) => put(log, 1, 5));
  await card.push(`${MQTT}, filter: {devices: [other]}`);
  assert.deepEqual((await card.bundle()).values, []);
  await card.push(MQTT);
  assert.deepEqual((await card.bundle()).values, upTo(5));
});

test('a lane of a stopped gateway ends before a damaged part', async (t) => {
  const card = new Card(t);
  await card.run(ELSEWHERE, false, async (log) => {
    for (const from of [1, 11, 21]) {
      put(log, from, from + 9);
      await log.flush();
    }
  });
  card.db((db) => {
    const ids = db.prepare<[], number>('select id from block order by id').pluck().all();
    assert.equal(ids.length, 3);
    db.prepare("update block set body = x'00112233445566' where id = ?").run(ids[1]);
  });
  t.after(() => {
    process.exitCode = 0;
  });
  const { values, covers } = await card.bundle();
  assert.deepEqual(values, upTo(10));
  assert.ok(covers >= 10 && covers < 20, `it covers ${covers}`);
  assert.equal(process.exitCode, 1);
});

test('times that this boot of the machine may still correct stay until they are handed over', async (t) => {
  const machine = machineBoot();
  assert.ok(machine !== undefined, 'Linux has a name for its boot');
  const card = new Card(t);
  await card.run(ELSEWHERE, false, (log) => put(log, 1, 5));
  await card.run(machine, false, (log) => put(log, 6, 10));
  for (const query of [{}, { from: 0 }]) assert.deepEqual((await card.bundle(query)).values, upTo(5));
  // A start of the gateway hands them over, and what it takes afterwards is not.
  await card.run(machine, false, async (log) => {
    const outlet = log.outletOf('carrier');
    assert.ok(outlet !== undefined);
    for await (const _ of undelivered(liveContent(log, outlet, 'g1'), new Content()));
    put(log, 11, 15);
  });
  for (const query of [{}, { from: 0 }]) assert.deepEqual((await card.bundle(query)).values, upTo(10));
});

test('estimated times stay until a later boot learnt the time', async (t) => {
  const card = new Card(t);
  await card.run(ELSEWHERE, true, (log) => put(log, 1, 5));
  for (const query of [{}, { from: 0 }]) await assert.rejects(card.bundle(query), /the time of some records is not certain/);
  await card.run({ ...ELSEWHERE, id: ELSEWHERE.id.replaceAll('1', '9') }, false, (log) => put(log, 6, 10));
  for (const query of [{}, { from: 0 }]) assert.deepEqual((await card.bundle(query)).values, upTo(10));
});

test('a stopped gateway sends the severities of the filter alone', async (t) => {
  const card = new Card(t, 'type: mqtt, url: "mqtt://127.0.0.1", filter: {severities: [critical]}');
  await card.run(ELSEWHERE, false, (log) => {
    for (const severity of ['info', 'critical', 'warning']) {
      log.notice('alarm', 'fast', 1, { rule: 'fast', severity });
      log.notice('event', 'clock', 1, { event: 'clock', severity });
    }
  });
  assert.deepEqual((await card.bundle()).notices, ['critical', 'critical']);
});
