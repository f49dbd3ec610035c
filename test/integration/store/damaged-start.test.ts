/**
 * A whole gateway after SIGKILL and damage to log.db and its write-ahead file together: the next start polls, evaluates
 * rules and delivers live, whether the salvage runs or is over, and nothing that is delivered is wrong.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { fakeTcp, withMbap } from '../../fakes/modbus-device.ts';
import { greedyPages } from '../../harness/greedy-pages.ts';
import { site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { walFile } from '../../harness/wal-file.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { random } from '../../oracles/store-samples.ts';

const KIB = 1024;
const SEED = 7;
const TANK: Shape = {
  device: 'tank',
  points: Array.from({ length: 50 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const RECORDS = 1_000;
/** No codec makes it small, and no two records share any. */
const tankValue = (record: number, point: number) => Math.sin(record * 7919 + point) * 1e6;

type Files = readonly [log: Buffer, wal: Buffer];
const next = random(SEED);
const noise = (length: number) => Buffer.from(Array.from({ length }, () => next(256)));
const eachKib = (bytes: Buffer) => {
  for (let at = 0; at < bytes.length; at += KIB) noise(24).copy(bytes, at);
};
/** Pages of the log itself, so that rows in them prove themselves, under the highest numbers that there are. */
const farPages = (log: Buffer) =>
  walFile(
    KIB,
    Array.from({ length: 64 }, (_, i) => ({ page: 2 ** 32 - 1 - i, content: log.subarray(i * KIB, (i + 1) * KIB) })),
  );
/** The salvage reaches a bound of its own. */
const GREEDY = 'rows claim all pages of the file again and again';
const attacks: Readonly<Record<string, (files: Files) => Files>> = {
  'the first 4 KiB of both files are random': (files) => {
    for (const bytes of files) noise(4 * KIB).copy(bytes);
    return files;
  },
  '24 bytes of every KiB of both files are random': (files) => {
    for (const bytes of files) eachKib(bytes);
    return files;
  },
  [GREEDY]: ([log, wal]) => {
    const pages = log.length / KIB;
    const first = Math.floor(pages / 2);
    greedyPages(first, 6, pages - 10).copy(log, (first - 1) * KIB);
    return [log, wal];
  },
  'a sound write-ahead file names pages near 2^32': ([log]) => [log, farPages(log)],
  'pages near 2^32, and both headers are random': ([log]) => {
    const wal = farPages(log);
    noise(4 * KIB).copy(log);
    noise(32).copy(wal);
    return [log, wal];
  },
};

/** Readings of the last minutes, none of them compacted. */
async function fill(gateway: Gateway): Promise<void> {
  const clock = new ManualClock(Date.now() - 1_000 * RECORDS);
  const log = await Log.open({
    ...{ stateDir: gateway.stateDir, runtimeDir: gateway.runtimeDir, clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 1e9 },
  });
  log.setClock(Math.round(clock.wall() - clock.monotonic()), false);
  log.setInventory('{}');
  for (let i = 1; i <= RECORDS; i++) {
    await clock.advance(500);
    log.append({ shape: TANK, at: clock.monotonic(), values: TANK.points.map((_, p) => tankValue(i, p)), reasons: null });
    if (i % 50 === 0) await log.flush();
  }
  await log.close(60_000);
}

/** A counter in register 0, which no two readings share, and `hot` in register 1. */
async function counting(t: TestContext) {
  const state = { count: 0, hot: 0 };
  const device = await fakeTcp(t, (request, reply) => {
    const pdu = Buffer.alloc(3 + request.count * 2);
    pdu.set([request.unit, request.code, request.count * 2]);
    if (request.start === 0) pdu.writeUInt16BE(++state.count, 3);
    if (request.start + request.count > 1) pdu.writeUInt16BE(state.hot, 3 + (1 - request.start) * 2);
    reply.send(withMbap(pdu, request.transaction));
  });
  return Object.assign(device, { state });
}

for (const [name, attack] of Object.entries(attacks))
  test(`${name}: it polls, judges and delivers at once`, { timeout: 600_000 }, async (t) => {
    const s = await site(t, {
      device: counting,
      upstream: { topics: ['sluice/g1/#'] },
      devices:
        '  d1: {bus: plant, unit: 1, interval: 50ms, points: {n: {table: holding, address: 0, type: uint16}, hot: {table: holding, address: 1, type: uint16}}}',
      rules: '  high: {point: d1.hot, above: 0, severity: critical}',
      buffer: 'commitEvery: 100ms, minFree: 0MB',
      cloud: 'from: oldest, batch: {maxAge: 50ms}',
    });
    if (s === undefined) return;
    const { gateway, device, subscriber } = s;
    const { state } = device;
    await fill(gateway);
    // Nobody has any of it before the kill: what is delivered afterwards has gone through the damage, or is new.
    gateway.write(s.yaml({ upstream: false }));
    await gateway.up();
    const files = [LOG_FILE, `${LOG_FILE}-wal`].map((file) => path.join(gateway.stateDir, file)) as [string, string];
    await waitFor('commits of polled readings', async () => state.count > 50 && (await gateway.status()).log.commits > 10);
    await gateway.kill();
    assert.ok(files.every((file) => statSync(file).size > 64 * KIB));
    const damaged = attack(files.map((file) => readFileSync(file)) as [Buffer, Buffer]);
    for (const [i, file] of files.entries()) writeFileSync(file, damaged[i] as Buffer);

    const consumer = () => new Consumer().feedAll(subscriber.messages());
    const mine = () =>
      consumer()
        .records()
        .filter((r) => r.device === 'd1');
    const before = state.count;
    gateway.write(s.yaml());
    await gateway.up();
    await waitFor(
      () => `a live reading that was polled after the kill; ${gateway.tail()}`,
      () => mine().some((r) => Number(r.values.n) > before),
    );
    state.hot = 1;
    const alarm = await waitFor('the alarm upstream', () =>
      subscriber
        .messages()
        .filter((m) => m.topic.startsWith('sluice/g1/alarm/') && m.payload !== '')
        .map((m) => JSON.parse(m.payload) as { rule: string; state: string; value: unknown })
        .find((a) => a.rule === 'high'),
    );
    assert.deepEqual([alarm.value, alarm.state.startsWith('active')], [1, true]);
    const ended = (): { data: Record<string, unknown> } | undefined =>
      subscriber
        .messages()
        .filter((m) => m.topic === 'sluice/g1/event')
        .map((m) => JSON.parse(m.payload) as { event: string; data: Record<string, unknown> })
        .find((e) => e.event === 'salvage' && e.data.file === LOG_FILE && e.data.quarantine !== undefined);
    t.diagnostic(ended() === undefined ? 'the salvage was still running' : 'the salvage was over already');
    const { data } = await waitFor('the end of the salvage', ended);
    const back = Number(data.records);

    // What came back is delivered, and what is polled goes on.
    const after = state.count;
    // What stands in log.db behind its first pages is whole in all cases but two.
    const isWhole = !name.startsWith('24 bytes') && name !== GREEDY;
    await waitFor('all that came back, and readings after it', () => {
      const records = consumer().records();
      return (
        records.filter((r) => r.device === 'tank' || Number(r.values.n) <= before).length >= back &&
        (!isWhole || records.filter((r) => r.device === 'tank').length >= RECORDS) &&
        mine().some((r) => Number(r.values.n) > after)
      );
    });
    assert.equal(await gateway.stop(), 0);
    const all = consumer();
    assert.deepEqual(all.judge(), []);
    const rows = new Map(Array.from({ length: RECORDS }, (_, i) => [tankValue(i + 1, 0), i + 1]));
    let tank = 0;
    const counts: number[] = [];
    for (const r of all.records()) {
      if (r.device === 'tank') {
        const row = rows.get(r.values.p0 as number);
        assert.ok(row !== undefined, `no record of the tank begins with ${r.values.p0}`);
        assert.deepEqual(r.values, Object.fromEntries(TANK.points.map((p, i) => [p.name, tankValue(row, i)])));
        tank++;
        continue;
      }
      assert.equal(r.device, 'd1');
      if (r.values.n === undefined || r.values.n === null) continue;
      counts.push(Number(r.values.n));
      assert.ok(r.values.hot === 0 || r.values.hot === 1, JSON.stringify(r.values));
    }
    if (isWhole) assert.equal(tank, RECORDS);
    // What the bound left is said, and what stands before it came back.
    assert.equal(Number(data.unreadRows ?? 0) > 0, name === GREEDY, JSON.stringify(data));
    if (name === GREEDY) assert.ok(tank > 0);
    assert.ok(back > 0);
    t.diagnostic(`${back} records came back; delivered: ${tank} of the tank, ${counts.length} of the device`);
    assert.equal(new Set(counts).size, counts.length, 'no reading has come under two numbers');
    assert.ok(
      counts.every((n) => n >= 1 && n <= state.count),
      'each is one that the device gave',
    );
  });
