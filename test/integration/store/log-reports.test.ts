/**
 * A damaged, a full and a small log as operators see them: `sluice status` in words and JSON, `/metrics`,
 * `/readyz` and `…/event` of a real gateway.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { request, text } from '../../../src/admin/client.ts';
import type { RemovedOfPoint, RemovedReply } from '../../../src/admin/log-questions.ts';
import type { ReadyReport } from '../../../src/admin/target.ts';
import { removedLine } from '../../../src/cli/removed.ts';
import type { Shape } from '../../../src/core/point.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { answerTcp, type FakeDevice, fakeTcp } from '../../fakes/modbus-device.ts';
import { type Site, site, type Upstream } from '../../harness/site.ts';
import { type Gateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import type { Mosquitto } from '../../peers/mosquitto.ts';

const TANK: Shape = {
  device: 'tank',
  points: Array.from({ length: 100 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const HOURS = 3;
/** The first page of either file is spared. */
const HEADER = 4096;

interface Told {
  readonly seq: number;
  readonly log: string;
  readonly event: string;
  readonly severity: string;
  readonly message: string;
  readonly data: Readonly<Record<string, string | number | boolean>>;
}
type Reported = Site<FakeDevice> & Upstream<Mosquitto>;

const reported = (t: TestContext, buffer = ''): Promise<Reported | undefined> =>
  site(t, {
    device: (t) => fakeTcp(t, answerTcp),
    upstream: { topics: ['sluice/g1/event'] },
    devices: '  d1: {bus: plant, interval: 50ms, points: {n: {table: holding, address: 0, type: uint16}}}',
    buffer: `commitEvery: 100ms, minFree: 0MB${buffer}`,
    cloud: 'from: now',
  });

/** Hours of readings that no codec makes small, the older ones compacted; closed. */
async function fill(gateway: Gateway): Promise<void> {
  const clock = new ManualClock(Date.now() - (HOURS + 1) * 3_600_000);
  const log = await Log.open({
    ...{ stateDir: gateway.stateDir, runtimeDir: gateway.runtimeDir, clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 1e9 },
  });
  log.setClock(Math.round(clock.wall() - clock.monotonic()), false);
  log.setInventory('{}');
  let n = 0;
  for (let hour = 0; hour < HOURS; hour++) {
    for (let i = 0; i < 3600; i += 5) {
      await clock.advance(5000);
      log.append({
        shape: TANK,
        at: clock.monotonic(),
        values: TANK.points.map((_, p) => Math.sin(++n * 7919 + p) * 1e6),
        reasons: null,
      });
      if (i % 100 === 0) await log.flush();
    }
    if (hour < HOURS - 1) await log.compact();
  }
  await log.close(60_000);
}

/** Zeros in a file. @param from part of its size */
function damage(file: string, from: number, bytes: number): void {
  const fd = openSync(file, 'r+');
  const at = Math.max(HEADER, Math.floor(statSync(file).size * from));
  writeSync(fd, Buffer.alloc(bytes), 0, bytes, at);
  closeSync(fd);
}

const events = (s: Reported, event: string): Told[] =>
  s.subscriber
    .messages()
    .map((m) => JSON.parse(m.payload) as Told)
    .filter((e, i, all) => e.event === event && all.findIndex((x) => x.log === e.log && x.seq === e.seq) === i);
const told = (s: Reported, event: string) =>
  waitFor(
    () =>
      `an event ${event}: ${s.subscriber
        .messages()
        .map((m) => m.payload)
        .join('\n')}`,
    () => (events(s, event).length > 0 ? events(s, event) : undefined),
  );
const ready = (s: Reported) => request(s.gateway.socket, 'GET', '/readyz') as Promise<ReadyReport>;
async function metric(s: Reported, name: string): Promise<number> {
  let page = '';
  for await (const piece of text(s.gateway.socket, '/metrics')) page += piece;
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1]);
}
async function statusWords(t: TestContext, s: Reported): Promise<string> {
  const { code, stdout, stderr } = await sluice(t, 'status', '-v', '-c', s.gateway.config);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Damage inside a block or part is found when that is read; the indices are damaged, too. */
const PLACES = [0, 0.6];

for (const file of [LOG_FILE, HISTORY_FILE])
  test(`a damaged ${file}: status, metrics and events say what came back and what did not`, {
    timeout: 600_000,
  }, async (t) => {
    const s = await reported(t);
    if (s === undefined) return;
    await fill(s.gateway);
    for (const place of PLACES) damage(path.join(s.gateway.stateDir, file), place, 20_000);
    await s.gateway.up();
    // A salvage of log.db is reported when it begins as well: what came of it is in the event at its end.
    const salvaged = await waitFor('the end of the salvage', () =>
      events(s, 'salvage').find(({ data }) => data.quarantine !== undefined),
    );
    const [lost] = (await told(s, 'loss')) as [Told];
    assert.deepEqual([salvaged.severity, lost.severity], ['warning', 'critical']);
    const { data } = salvaged;
    assert.equal(data.file, file);
    const aside = path.join(s.gateway.stateDir, `${file}.damaged`);
    assert.equal(data.quarantine, aside);
    assert.ok(Number(data.records) > 20, `${data.records} records came back`);
    assert.match(salvaged.message, new RegExp(`^${file} was damaged .* records and .* came back. The old file is in ${aside}`));
    assert.equal(lost.data.file, file);
    assert.ok(Number(lost.data.lostRecords) > 0 || String(lost.data.gaps) !== '');

    const { log } = await s.gateway.status();
    assert.equal(log.salvages, events(s, 'salvage').filter(({ data }) => data.quarantine !== undefined).length);
    const [one] = log.salvage;
    assert.deepEqual(
      [one?.file, one?.why, one?.quarantine, one?.records, one?.lostRecords],
      [file, data.why, data.quarantine, data.records, lost.data.lostRecords],
    );
    const words = await statusWords(t, s);
    assert.match(words, new RegExp(`^salvage  ${file} at `, 'm'));
    assert.match(words, new RegExp(`${data.records} records, .* came back.*; the old file: ${aside}`));
    assert.equal(await metric(s, 'sluice_log_salvages_total'), log.salvages);
    assert.equal(await metric(s, 'sluice_log_salvaged_records_total'), log.salvagedRecords);
    assert.equal(await metric(s, 'sluice_log_lost_records_total'), log.lostRecords);
    // A tidying that ran while history.db was made again may have to try again in a minute.
    await waitFor('the gateway to be ready', async () => (await ready(s)).ready);
    assert.equal(await metric(s, 'sluice_log_faults'), 0);
    assert.equal(await s.gateway.stop(), 0);
  });

test('a log that is too small: status, metrics and events agree on what was removed', {
  timeout: 600_000,
}, async (t) => {
  const s = await reported(t, ', maxSize: 1MB');
  if (s === undefined) return;
  await fill(s.gateway);
  await s.gateway.up();
  const [thinned] = (await told(s, 'thinning')) as [Told];
  assert.equal(thinned.severity, 'info');
  assert.match(thinned.message, /^The log is full: /);
  const now = await waitFor('room to be made', async () => {
    const { log } = await s.gateway.status();
    return log.bytes <= log.maxBytes && log.thinned + log.removed > 0 ? log : undefined;
  });
  assert.match(await statusWords(t, s), /^ {9}full: .*(old readings thinned out|oldest readings dropped).* since the start$/m);
  assert.ok((await metric(s, 'sluice_log_thinned_readings_total')) >= now.thinned);
  assert.ok((await metric(s, 'sluice_log_removed_readings_total')) >= now.removed);
  // What lies in memory, with its bounds; names of metrics are patterns here.
  for (const part of ['pending', 'tail', 'live']) {
    const bytes = await metric(s, `sluice_log_memory_bytes\\{part="${part}"\\}`);
    const limit = await metric(s, `sluice_log_memory_limit_bytes\\{part="${part}"\\}`);
    assert.ok(bytes >= 0 && bytes <= limit && limit > 1e6, `${part}: ${bytes} of ${limit}`);
  }
  assert.ok((await metric(s, 'sluice_log_memory_bytes\\{part="tail"\\}')) > 0, 'its head at least');
  assert.match(
    await statusWords(t, s),
    /^ {9}in memory .* for the disk, .*B of .*MB in the runtime directory, .* for live batches/m,
  );
  assert.equal((await ready(s)).ready, true);
  const { points, before } = await waitFor('by point as much as together', async () => {
    // In steps of seven, as a site of thousands of points is asked for.
    const all: RemovedOfPoint[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const reply = (await request(s.gateway.socket, 'GET', `/api/v1/removed?limit=7&after=${after}`)) as RemovedReply;
      assert.ok(reply.points.length <= 7);
      all.push(...reply.points);
      after = reply.next;
    }
    const { log } = await s.gateway.status();
    const sum = (key: 'thinned' | 'dropped' | 'aged') => all.reduce((total, p) => total + p[key].readings, 0);
    const same = sum('thinned') === log.thinned && sum('dropped') === log.removed && sum('aged') === log.aged;
    return same ? { points: all, before: log } : undefined;
  });
  const names = points.map((p) => p.point);
  assert.deepEqual(names, [...new Set(names)].sort());
  for (const p of TANK.points) {
    const of = points.find(({ point }) => point === `tank.${p.name}`);
    assert.ok(of !== undefined, p.name);
    for (const { readings, from, to } of [of.thinned, of.dropped])
      if (readings > 0) assert.ok(from !== null && to !== null && from <= to && to <= Date.now(), JSON.stringify(of));
    assert.equal(of.undelivered, 0, 'a forwarder that came later does not wait for it');
  }
  // The gateway goes on, and may take more away between two questions.
  const one = async (point: string) =>
    ((await request(s.gateway.socket, 'GET', `/api/v1/removed?points=${point}`)) as RemovedReply).points[0] as RemovedOfPoint;
  await waitFor('the same in words', async () => {
    const asked = await one('tank.p0');
    const { stdout } = await sluice(t, 'status', '--removed', '-c', s.gateway.config);
    return stdout.split('\n').includes(removedLine(asked));
  });
  await waitFor('the same in JSON', async () => {
    const asked = await one('tank.p99');
    const { stdout } = await sluice(t, 'status', '--removed', '--json', '-c', s.gateway.config);
    return isDeepStrictEqual(
      (JSON.parse(stdout) as RemovedReply).points.find((p) => p.point === 'tank.p99'),
      asked,
    );
  });
  // Most of it came within the hour after the first event: the stop tells the rest.
  assert.equal(await s.gateway.stop(), 0);
  await s.gateway.up();
  const [later, earlier] = [await one('tank.p0'), points.find((p) => p.point === 'tank.p0')];
  assert.ok(earlier !== undefined && later.thinned.readings >= earlier.thinned.readings, 'a restart forgets none of it');
  assert.ok(later.dropped.readings >= earlier.dropped.readings);
  await waitFor('the sums of the first run', () => {
    const sum = (key: string) => events(s, 'thinning').reduce((total, e) => total + Number(e.data[key]), 0);
    return sum('thinned') >= before.thinned && sum('dropped') >= before.removed;
  });
  for (const { data } of events(s, 'thinning')) {
    const named = (word: string) =>
      Object.entries(data).reduce((sum, [key, n]) => sum + (key.endsWith(` ${word}`) ? Number(n) : 0), 0);
    assert.deepEqual([named('thinned'), named('dropped')], [data.thinned, data.dropped], 'by point as much as together');
  }
  assert.equal(await s.gateway.stop(), 0);
});
