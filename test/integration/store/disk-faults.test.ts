/**
 * Faults of the disk under a running gateway: it goes on polling, alarming and forwarding, says what is wrong, recovers
 * by itself, and in the end every reading is upstream exactly once. What must not wait for the disk is judged by order:
 * it arrives while no commit ends.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { GatewayStatus, ReadyReport } from '../../../src/admin/target.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { fakeTcp, type Script, withMbap } from '../../fakes/modbus-device.ts';
import { inject } from '../../harness/injected-fault.ts';
import { loopDisk, mayMount, mountPoint, run } from '../../harness/loop-disk.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { Pauses } from '../../harness/pauses.ts';
import { type Site, site, type Upstream } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type AcceptedRecord, Consumer } from '../../oracles/consumer.ts';
import type { Mosquitto } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

interface OnDisk extends Site<SettableDevice>, Upstream<Mosquitto> {
  readonly stateDir: string;
  /** A subscriber of the embedded broker. */
  local(): Promise<Peek>;
}

interface Others {
  /** A device whose values fill the log: history.db is written every some seconds. */
  readonly noise?: boolean;
  /** A device that is polled on the grid of whole seconds. */
  readonly grid?: boolean;
}
async function onDisk(t: TestContext, stateDir?: string, { noise, grid }: Others = {}): Promise<OnDisk | undefined> {
  const loud = noise ? await fakeTcp(t, babble) : undefined;
  const paced = grid ? await fakeTcp(t) : undefined;
  const bus = (name: string, port: number) => `  ${name}: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}}\n`;
  const uint64s = Array.from({ length: 25 }, (_, i) => `p${i}: {table: holding, address: ${4 * i}, type: uint64}`).join(', ');
  const s = await site(t, {
    device: SettableDevice.start,
    upstream: { topics: ['sluice/#'] },
    buses: `${loud === undefined ? '' : bus('loud', loud.port)}${paced === undefined ? '' : bus('paced', paced.port)}`,
    devices: `
  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}}}
  ${paced === undefined ? '' : 'grid: {bus: paced, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}}}'}
  ${loud === undefined ? '' : `d2: {bus: loud, interval: 20ms, points: {${uint64s}}}`}`,
    rules: '  high: {point: d1.n, above: 5}',
    buffer: 'commitEvery: 100ms, maxSize: 1MB, minFree: 0MB',
    broker: true,
  });
  if (s === undefined) return undefined;
  const { gateway } = s;
  if (stateDir !== undefined) gateway.write(s.yaml().replaceAll(gateway.stateDir, stateDir));
  return {
    ...s,
    stateDir: stateDir ?? gateway.stateDir,
    local: async () => {
      const address = await waitFor('the embedded broker', async () => (await statusOf(gateway, stateDir)).broker?.address);
      return Peek.start(t, address.port);
    },
  };
}
const socketOf = (gateway: Gateway, stateDir = gateway.stateDir) => path.join(stateDir, 'sluice.sock');
const statusOf = (gateway: Gateway, stateDir?: string) =>
  request(socketOf(gateway, stateDir), 'GET', '/api/v1/status') as Promise<GatewayStatus>;

const accepted = (s: OnDisk): AcceptedRecord[] => [...new Consumer().feedAll(s.subscriber.messages()).accepted.values()];
const records = (s: OnDisk) => accepted(s).filter((r) => r.kind === 'data' || r.kind === 'history');

async function up(s: OnDisk): Promise<void> {
  await s.gateway.up();
  const before = records(s).length;
  await waitFor('readings upstream', () => records(s).length > before + 3);
}

/** Registers that no codec makes small. */
const babble: Script = ({ unit, code, count, transaction }, reply) =>
  reply.send(withMbap(Buffer.concat([Buffer.from([unit, code, 2 * count]), randomBytes(2 * count)]), transaction));

/** Alarms and readings pass. */
async function forwards(s: OnDisk): Promise<void> {
  const before = records(s).length;
  const alarms = () => accepted(s).filter((r) => r.kind === 'alarm').length;
  for (const value of [9, 1]) {
    const then = alarms();
    await s.device.set(0, value);
    await waitFor('the alarm upstream', () => alarms() > then);
  }
  await waitFor('readings upstream', () => records(s).length > before + 20);
}

/** Alarms and readings pass. @param nothing is committed meanwhile; on a full disk single commits may find room in the files */
async function goesOn(s: OnDisk, local: Peek, nothing = true): Promise<void> {
  const { commits } = (await statusOf(s.gateway, s.stateDir)).log;
  const upstream = () => accepted(s).filter((r) => r.kind === 'alarm').length;
  const here = () => local.messages.filter((m) => /alarm\/high$/.test(m.topic) && !m.retained).length;
  for (const value of [10, 1]) {
    const before = { upstream: upstream(), here: here(), records: records(s).length };
    await s.device.set(0, value);
    await waitFor('the alarm at the embedded broker', () => here() > before.here);
    await waitFor('the alarm upstream', () => upstream() > before.upstream);
    await waitFor('readings upstream', () => records(s).length > before.records + 3);
  }
  if (nothing) assert.equal((await statusOf(s.gateway, s.stateDir)).log.commits, commits, 'nothing was committed meanwhile');
}

async function says(s: OnDisk, pattern: RegExp): Promise<void> {
  await waitFor(`a fault like ${pattern}`, async () =>
    (await statusOf(s.gateway, s.stateDir)).log.faults.some((f) => pattern.test(f)),
  );
  const ready = (await request(socketOf(s.gateway, s.stateDir), 'GET', '/readyz')) as ReadyReport;
  assert.ok(ready.reasons.some((reason) => pattern.test(reason)));
}
/** Compaction, which may wait a minute before it tries again, is not waited for. */
const recovered = (s: OnDisk) =>
  waitFor('the log to be well', async () =>
    (await statusOf(s.gateway, s.stateDir)).log.faults.every((fault) =>
      /^the history of the log cannot be written: (?!the log cannot be read)/.test(fault),
    ),
  );

/** Every number up to the last one is upstream, once, as a record, an alarm or an event. */
async function complete(s: OnDisk): Promise<void> {
  const missing = (): number[] => {
    const all = accepted(s).sort((a, b) => a.seq - b.seq);
    const boots = Map.groupBy(all, (r) => r.boot);
    return all.flatMap((one, i) => {
      const next = all[i + 1];
      // Behind a kill the rest of the lease is skipped.
      const follows = next === undefined || next.seq === one.seq + 1 || (boots.size > 1 && next.seq - one.seq > 40_000);
      return follows ? [] : [one.seq + 1];
    });
  };
  // The broker has all of it when the gateway ends; the subscriber may still be writing it down.
  await waitFor(
    () => `numbers that are nowhere: ${missing()}`,
    () => missing().length === 0,
  );
  const consumer = new Consumer().feedAll(s.subscriber.messages());
  assert.deepEqual(consumer.judge(), []);
  const all = [...consumer.accepted.values()];
  assert.equal(new Set(all.map((r) => r.log)).size, 1);
  assert.ok(all.length > 20);
}

/** The events of a part of the log, each once. */
const logEvents = (s: OnDisk, part = 'log') =>
  s.subscriber
    .messages()
    .filter((m) => m.topic === 'sluice/g1/event')
    .map((m) => JSON.parse(m.payload) as { seq: number; event: string; data: Record<string, unknown> })
    .filter((e) => e.event === 'log' && e.data.part === part)
    .filter((e, i, all) => all.findIndex((x) => x.seq === e.seq) === i);

test('disk errors: readings and alarms go on, each fault is reported, nothing lost or doubled', {
  timeout: 600_000,
}, async (t) => {
  const s = await onDisk(t);
  if (s === undefined) return;
  await up(s);
  const local = await s.local();
  const wal = `${path.join(s.stateDir, LOG_FILE)}-wal`;
  for (const [calls, word] of [
    ['fdatasync:error=EIO', /cannot be written: .*(EIO|i\/o error)/],
    ['pwrite64:error=EIO', /cannot be written: disk I\/O error/],
    ['pwrite64:error=ENOSPC', /cannot be written: database or disk is full/],
    // Two of three: what SQLite has taken and the disk has not comes again and again.
    ['fdatasync:error=ENOSPC', /cannot be written: .*ENOSPC/],
  ] as const) {
    const fault = await inject(t, s.gateway.pid, calls, wal);
    if (fault === undefined) return;
    await says(s, word);
    await goesOn(s, local);
    await fault.end();
    await recovered(s);
  }
  const now = await statusOf(s.gateway);
  assert.equal(now.log.dropped, 0);
  assert.ok(now.log.writeFaults >= 1 && now.log.writeFaultTime > 0);
  await waitFor('the end of the fault to be told', () => logEvents(s).some((e) => e.data.writable === true));
  const told = logEvents(s).map((e) => e.data.writable);
  assert.deepEqual(
    told,
    told.map((_, i) => i % 2 === 1),
    'begin and end by turns, each once',
  );
  assert.ok(logEvents(s).every((e) => e.data.writable === false || (e.data.notKept === 0 && Number(e.data.failures) > 0)));
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

test('a disk that fails every other time, and a kill between: every reading is there once', { timeout: 400_000 }, async (t) => {
  const s = await onDisk(t);
  if (s === undefined) return;
  await up(s);
  const wal = `${path.join(s.stateDir, LOG_FILE)}-wal`;
  const fault = await inject(t, s.gateway.pid, 'fdatasync:error=EIO:when=3+3', wal);
  if (fault === undefined) return;
  const { commits } = (await s.gateway.status()).log;
  await waitFor('failures', async () => (await s.gateway.status()).log.faults.length > 0);
  await waitFor('commits between them', async () => (await s.gateway.status()).log.commits > commits + 2);
  await waitFor('a failure again', async () => (await s.gateway.status()).log.faults.length > 0);
  // Records that SQLite has and the disk did not confirm are in the runtime directory as well.
  await s.gateway.kill();
  await fault.end();
  await up(s);
  assert.deepEqual((await s.gateway.status()).log.faults, []);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

test('a database file that takes nothing: commits go on in the write-ahead file, and it is told', {
  timeout: 600_000,
}, async (t) => {
  const s = await onDisk(t);
  if (s === undefined) return;
  await up(s);
  const fault = await inject(t, s.gateway.pid, 'pwrite64,fsync:error=EIO', path.join(s.stateDir, LOG_FILE));
  if (fault === undefined) return;
  await says(s, /log's file takes nothing.*disk I\/O error/);
  const { commits } = (await s.gateway.status()).log;
  await waitFor('commits', async () => (await s.gateway.status()).log.commits > commits + 3);
  await fault.end();
  await recovered(s);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

/** Seconds of the grid that have to pass while the disk hangs. */
const TICKS = 12;
/** A pause of the machine that may cost a poll, ms; and rounds of TICKS until one is without such a pause. */
const PAUSE = 300;
const ROUNDS = 8;

test('a disk that takes a minute for a commit delays no poll, no rule and no alarm', { timeout: 600_000 }, async (t) => {
  const s = await onDisk(t, undefined, { grid: true });
  if (s === undefined) return;
  await up(s);
  const local = await s.local();
  const wal = `${path.join(s.stateDir, LOG_FILE)}-wal`;
  const fault = await inject(t, s.gateway.pid, 'fdatasync:delay_enter=60000000', wal);
  if (fault === undefined) return;
  const before = (await s.gateway.status()).log;
  await waitFor('readings to wait for the disk', async () => {
    const { log } = await s.gateway.status();
    return log.commits === before.commits + 1 ? undefined : log.pending > 20;
  });
  // First: the commit that hangs ends after a minute, and nothing may be committed meanwhile.
  await goesOn(s, local);
  const polled = () => records(s).filter((r) => r.device === 'grid');
  const missed = async () =>
    (await s.gateway.status()).buses.flatMap((bus) => bus.devices).find((d) => d.name === 'grid')?.counters.missedPolls;
  // A machine that stands still misses polls by itself: such a round says nothing of the disk.
  const pauses = new Pauses(t);
  for (let round = 1; ; round++) {
    pauses.begin();
    const [from, before] = [polled().length, await missed()];
    await waitFor('polls on the grid', () => polled().length > from + TICKS, { every: 200 });
    const times = polled()
      .slice(from)
      .map((r) => r.time);
    const after = await missed();
    if (pauses.longest > PAUSE && round < ROUNDS) continue;
    // Each second of the grid has its poll: none was left out, none came so late that it belongs to the next one.
    assert.deepEqual(
      times.map((time) => Math.round((time - (times[0] as number)) / 1000)),
      times.map((_, i) => i),
    );
    assert.equal(after, before);
    break;
  }
  await fault.end();
  const { commits } = (await s.gateway.status()).log;
  await waitFor('commits', async () => (await s.gateway.status()).log.commits > commits + 1);
  assert.deepEqual((await s.gateway.status()).log.faults, []);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

test('a full file system: goes on from memory, says so, recovers when there is room', { timeout: 400_000 }, async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'full', 8);
  const s = await onDisk(t, path.join(disk, 'state'));
  if (s === undefined) return;
  await up(s);
  const local = await s.local();
  const ballast = path.join(disk, 'ballast');
  const file = openSync(ballast, 'w');
  assert.throws(
    () => {
      for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
    },
    { code: 'ENOSPC' },
  );
  fsyncSync(file);
  closeSync(file);
  await says(s, /disk is full|takes nothing/);
  await waitFor('commits to fail', async () =>
    (await statusOf(s.gateway, s.stateDir)).log.faults.some((f) => /cannot be written/.test(f)),
  );
  await goesOn(s, local, false);
  rmSync(ballast);
  await recovered(s);
  assert.equal((await statusOf(s.gateway, s.stateDir)).log.dropped, 0);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

test('a file system turned read-only: work goes on from memory, all is there afterwards', {
  timeout: 600_000,
}, async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'readonly', 8);
  const s = await onDisk(t, path.join(disk, 'state'));
  if (s === undefined) return;
  await up(s);
  const local = await s.local();
  // The kernel does this on its own when a card fails. Only a new mount makes it writable again.
  run('mount', '-o', 'remount,abort', disk);
  await says(s, /cannot be written/);
  await goesOn(s, local);
  await s.gateway.kill();
  run('umount', disk);
  run('mount', '-o', 'loop', path.join(path.dirname(disk), 'disk.img'), disk);
  await up(s);
  await recovered(s);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

for (const [calls, word] of [
  ['pwrite64:error=ENOSPC', /disk is full/],
  ['fsync,fdatasync:error=EIO', /disk I\/O error/],
] as const)
  test(`${calls} of history.db: polls and alarms go on; it is reported, and ends`, {
    timeout: 600_000,
  }, async (t) => {
    const s = await onDisk(t, undefined, { noise: true });
    if (s === undefined) return;
    await up(s);
    const history = path.join(s.stateDir, HISTORY_FILE);
    await waitFor('a history', () => existsSync(history));
    const injected = await inject(t, s.gateway.pid, calls, history);
    if (injected === undefined) return;
    const fault = () => statusOf(s.gateway).then(({ log }) => log.faults.find((f) => /^the history of the log cannot/.test(f)));
    assert.match(await waitFor('a fault of the history', fault, { timeout: 240_000 }), word);
    const ready = (await request(s.gateway.socket, 'GET', '/readyz')) as ReadyReport;
    assert.ok(ready.reasons.some((reason) => word.test(reason)));
    await waitFor('the fault to be told', () => logEvents(s, 'history').length === 1);
    const { commits } = (await statusOf(s.gateway)).log;
    await forwards(s);
    await waitFor('commits', async () => (await statusOf(s.gateway)).log.commits > commits + 5);
    await injected.end();
    // It waits a minute before it tries again.
    await waitFor('the history to be well', async () => (await fault()) === undefined, { timeout: 240_000 });
    await waitFor('its end to be told', () => logEvents(s, 'history').length === 2);
    assert.deepEqual(
      logEvents(s, 'history').map((e) => e.data.writable),
      [false, true],
    );
    assert.deepEqual((await statusOf(s.gateway)).log.faults, []);
    assert.deepEqual(logEvents(s), [], 'the log itself was well');
    assert.equal(await s.gateway.stop(), 0);
    await complete(s);
  });

test('unreadable files: all goes on, nothing is taken for damaged, and the fault ends', {
  timeout: 600_000,
}, async (t) => {
  const s = await onDisk(t, undefined, { noise: true });
  if (s === undefined) return;
  await up(s);
  const history = path.join(s.stateDir, HISTORY_FILE);
  await waitFor('a history', () => existsSync(history) && statSync(history).size > 100_000);
  const injected = await inject(t, s.gateway.pid, 'pread64:error=EIO', history, path.join(s.stateDir, LOG_FILE));
  if (injected === undefined) return;
  const faults = async () => (await statusOf(s.gateway)).log.faults;
  // A commit or the history meets it first, depending on what SQLite still has in memory.
  await waitFor('a fault', async () => (await faults()).length > 0, { timeout: 240_000 });
  assert.equal(((await request(s.gateway.socket, 'GET', '/readyz')) as ReadyReport).ready, false);
  const told = () => [...logEvents(s), ...logEvents(s, 'history')];
  await waitFor('the fault to be told', () => told().some((e) => e.data.writable === false));
  await forwards(s);
  await injected.end();
  await waitFor('the log to be well', async () => (await faults()).length === 0, { timeout: 240_000 });
  for (const part of ['log', 'history'])
    await waitFor('the end of each fault to be told', () => logEvents(s, part).at(-1)?.data.writable !== false);
  const { log } = await statusOf(s.gateway);
  assert.deepEqual([log.salvage, readdirSync(s.stateDir).filter((name) => name.endsWith('.damaged'))], [[], []]);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});

test('a full runtime directory: forwarding waits for commits; fault and end are reported', {
  timeout: 600_000,
}, async (t) => {
  if (!mayMount(t)) return;
  const s = await onDisk(t);
  if (s === undefined) return;
  const runtime = mountPoint(t, 'runtime');
  // A folder that others may write in is refused.
  run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', runtime);
  s.gateway.write(readFileSync(s.gateway.config, 'utf8').replace(s.gateway.runtimeDir, runtime));
  await up(s);
  const ballast = path.join(runtime, 'ballast');
  const file = openSync(ballast, 'w');
  // Each commit gives a little room back, which somebody else takes.
  const piece = Buffer.alloc(4096, 1);
  const greed = setInterval(() => {
    try {
      for (;;) writeSync(file, piece);
    } catch {
      // It is full.
    }
  }, 5);
  t.after(() => clearInterval(greed));
  const word = /the newest readings are lost if the process is killed before their commit: .*ENOSPC/;
  await waitFor('status to say so', async () => (await statusOf(s.gateway)).log.faults.some((f) => word.test(f)));
  await waitFor('readyz to say so', async () =>
    ((await request(s.gateway.socket, 'GET', '/readyz')) as ReadyReport).reasons.some((r) => word.test(r)),
  );
  await waitFor('the fault to be told', () => logEvents(s, 'runtime').length === 1);
  await forwards(s);
  clearInterval(greed);
  closeSync(file);
  rmSync(ballast);
  await waitFor('its end to be told', () => logEvents(s, 'runtime').length === 2);
  assert.deepEqual(
    logEvents(s, 'runtime').map((e) => e.data.writable),
    [false, true],
  );
  assert.deepEqual(logEvents(s), [], 'the log itself was well');
  assert.deepEqual((await statusOf(s.gateway)).log.faults, []);
  assert.equal(await s.gateway.stop(), 0);
  await complete(s);
});
