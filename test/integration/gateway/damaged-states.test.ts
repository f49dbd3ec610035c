/**
 * What rules, actions, outputs, figures, counters and computed points keep, harmed in every row while the gateway is down, after a stop
 * and after a kill; then bytes of every file in the state directory, by each kind of damage at least once. The gateway starts,
 * polls, locks and writes what its rules say. SLUICE_STATE_RUNS (1 after each end), SLUICE_SEED (1).
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { request } from '../../../src/admin/client.ts';
import { rowSum } from '../../../src/store/files/sealed-rows.ts';
import { callAll } from '../../harness/api-call.ts';
import { damage, KINDS, type Kind } from '../../harness/damage.ts';
import { hostileJson } from '../../harness/hostile-json.ts';
import { type RegisterDevice, registerDevice } from '../../harness/register-device.ts';
import { site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { random } from '../../oracles/store-samples.ts';

const RUNS = Number(process.env.SLUICE_STATE_RUNS ?? 1);
const SEED = Number(process.env.SLUICE_SEED ?? 1);
/** What a start says of files that it mended or gave up. */
const REPAIR = /damaged|salvaged|not the newest|made anew/;
/** Letters of all states that are harmed: more than a start takes up. */
const MOST_HARM = 12_000_000;
/** Registers. */
const LEVEL = 5;
const SPEED = 0;
const LAMP = 1;
const COUNT = 6;

const DEVICES = `
  plant:
    bus: plant
    unit: 1
    interval: 50ms
    points:
      level: {table: holding, address: ${LEVEL}, type: int16, unit: W}
      speed: {table: holding, address: ${SPEED}, type: int16, write: {min: 0, max: 50, every: 0ms}}
      lamp: {table: holding, address: ${LAMP}, type: uint16, write: {min: 0, max: 1, every: 0ms}}
      count: {table: holding, address: ${COUNT}, type: uint16, counter: {modulus: 65536}}
  sums:
    bus: sums
    every: 1s
    points:
      mean: {compute: moving-average, from: plant.level, over: 1m, unit: W}
      energy: {compute: energy, from: plant.level, unit: W.h}`;
const RULES = `
  dry:
    point: plant.level
    below: 3
    message: The tank is empty
    acknowledge: required
    do:
      - {write: plant.speed, value: 0}
      - {output: plant.lamp, set: 1, clear: 0}
      - {publish: siren, payload: '{message} {time}'}
    interlock: [plant.speed]
    escalate: {after: 10m, do: [{write: plant.speed, value: 0}]}
  odd: {point: plant.level, anomaly: {}}
  fast: {point: plant.level, rate: {above: 1000, per: 1m, over: 10m}}
  many: {point: plant.count, delta: {above: 60000, over: 1h}}
  today: {point: plant.count, total: {above: 60000, per: day}}
  hot: {point: plant.level, beyond: {above: 900, for: 10h, within: 7d}}
  stuck: {point: plant.level, stuck: 6h}
  silent: {point: plant.level, stale: 1h}
  mean: {point: plant.level, average: {above: 900, over: 15m}}
  p95: {point: plant.level, percentile: {p: 95, above: 900, over: 8m}}
  both: {all: [{point: plant.level, above: 900}, {point: plant.count, average: {above: 900, over: 15m}}], onDelay: 10h}
  watched: {point: plant.level, below: 1, observe: true}`;

async function bench(t: TestContext) {
  const s = await site(t, {
    ...{ device: registerDevice, bus: 'timeout: 300ms, retries: 0', buses: '  sums: {protocol: derived}', devices: DEVICES },
    ...{ rules: RULES, broker: true },
  });
  assert.ok(s !== undefined);
  const { gateway, device } = s;
  device.registers[LEVEL] = 10;
  await gateway.up();
  device.registers[LEVEL] = 2;
  await waitFor('the alarm', () => device.registers[LAMP] === 1 && device.registers[SPEED] === 0);
  for (let i = 0; i < 20; i++) {
    device.registers[COUNT] = i * 3;
    const before = device.requests.length;
    await waitFor('polls', () => device.requests.length > before + 2);
  }
  await request(gateway.socket, 'POST', '/api/v1/shelve', { rule: 'odd', for: 3_600_000, reason: 'a test' });
  return { gateway, device };
}

/** Rows of the table of states, with the seal of rows that were written so. */
function harmStates(gateway: Gateway, seed: number): number {
  const next = random(seed * 7919);
  let left = MOST_HARM;
  const db = new Database(path.join(gateway.stateDir, 'log.db'));
  try {
    const rows = db.prepare<[], { rule: string; state: string }>('select rule, state from alarm').all();
    const put = db.prepare('insert or replace into alarm (rule, state, sum) values (?, ?, ?)');
    const save = (key: string, value: unknown): void => {
      const text = JSON.stringify(value);
      // States that were harmed before are harmed again: they must not fill the disk.
      left -= text.length;
      if (left < 0) return;
      put.run(key, text, rowSum('alarm', key, text));
    };
    for (const { rule, state } of rows) {
      save(rule, hostileJson(JSON.parse(state), next, next.pick([0, 0.1, 0.4])));
      if (next(3) === 0) save(`${rule}${next.pick(['#', '+', '/x', '\u0000', '.', ' '])}`, JSON.parse(state));
    }
    for (const key of ['@forwarder.x', '@flows.plant', '@derived.sums', '@action.gone', '@output.plant.speed', '@nobody', 'dry#'])
      save(
        key,
        hostileJson({ points: [{ name: 'p', type: 'float64' }], point: 'plant.speed', clear: 9, rule: 'dry#', at: 1 }, next, 0.2),
      );
    return rows.length;
  } finally {
    db.close();
  }
}

/** The gateway does its work, whatever it found. */
async function assertWorks(gateway: Gateway, device: RegisterDevice, what: string): Promise<void> {
  const polls = device.requests.length;
  await waitFor(`polls, ${what}`, () => device.requests.length > polls + 20);
  const status = await gateway.status();
  const dry = status.alarms.find(({ rule }) => rule === 'dry');
  assert.ok(dry !== undefined && dry.state !== 'normal', `${what}: the level is low, and the alarm says ${JSON.stringify(dry)}`);
  // An operator may be a forged state: out of service is no lock.
  if (dry.state !== 'out-of-service')
    await assert.rejects(
      request(gateway.socket, 'POST', '/api/v1/write', { point: 'plant.speed', value: 30 }),
      /is locked by the rule dry/,
      what,
    );
  await waitFor(`the lamp, ${what}`, () => device.registers[LAMP] === 1);
  assert.equal(
    device.writes.some(([address, value]) => address === SPEED && value !== 0),
    false,
    what,
  );
  const [answer] = await callAll({ socketPath: gateway.socket }, [{ method: 'GET', path: '/metrics' }]);
  const metrics = answer?.text ?? '';
  assert.match(metrics, /\n# EOF\n$/, what);
  assert.doesNotMatch(metrics, /\b(NaN|undefined)\b/, what);
  const bad = gateway.logs().filter(({ level, msg }) => (level >= 50 && !REPAIR.test(msg)) || /internal|unhandled/i.test(msg));
  assert.deepEqual(
    bad.map(({ msg }) => msg),
    [],
    what,
  );
}

test('hostile rows of states: the gateway starts, polls, locks and acts', { timeout: 600_000 }, async (t) => {
  const { gateway, device } = await bench(t);
  let rows = 0;
  for (let seed = SEED; seed < SEED + RUNS + 1; seed++) {
    if (seed % 2 === 0) assert.equal(await gateway.stop(), 0);
    else await gateway.kill();
    rows += harmStates(gateway, seed);
    device.registers[LAMP] = 0;
    device.writes.length = 0;
    await gateway.up();
    await assertWorks(gateway, device, `seed ${seed}`);
  }
  t.diagnostic(`${RUNS + 1} starts with ${rows} hostile rows`);
});

// The runtime directory is in memory, where nothing damages a file; and a name of another gateway in it is believed.
const FILE = /^(?!.*(sluice\.sock|sluice\.lock|\.damaged|run\/owner)).*$/;
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => FILE.test(name) && statSync(path.join(folder, name)).isFile())
    .sort();
}

test('damaged files of every kind: the gateway starts, polls, locks and acts', { timeout: 1_200_000 }, async (t) => {
  const { gateway, device } = await bench(t);
  const kept = path.join(gateway.folder, 'kept');
  // Each kind comes once at least, after one of the two ends. Their numbers have no common factor: later seeds meet the other end.
  const seeds = Array.from({ length: Math.max(KINDS.length, 2 * RUNS) }, (_, i) => SEED + i);
  const played = new Set<Kind>();
  for (const [parity, how, end] of [
    [0, 'stopped', () => gateway.stop()],
    [1, 'killed', () => gateway.kill()],
  ] as const) {
    if (how === 'killed') await gateway.up();
    await end();
    rmSync(kept, { recursive: true, force: true });
    const folders = ['state', 'run'].filter((name) => existsSync(path.join(gateway.folder, name)));
    for (const name of folders)
      cpSync(path.join(gateway.folder, name), path.join(kept, name), {
        recursive: true,
        filter: (file) => !file.endsWith('.sock'),
      });
    const files = new Map(filesOf(kept).map((name) => [name, readFileSync(path.join(kept, name))]));
    let slowest = 0;
    const mine = seeds.filter((seed) => seed % 2 === parity);
    for (const seed of mine) {
      const kind = KINDS[seed % KINDS.length] as Kind;
      played.add(kind);
      const harm = damage(kind, seed, files);
      for (const name of folders) rmSync(path.join(gateway.folder, name), { recursive: true, force: true });
      cpSync(kept, gateway.folder, { recursive: true });
      for (const [name, bytes] of harm.files) writeFileSync(path.join(gateway.folder, name), bytes);
      device.registers[LAMP] = 0;
      device.writes.length = 0;
      const begun = performance.now();
      await gateway.up();
      slowest = Math.max(slowest, performance.now() - begun);
      await assertWorks(gateway, device, `${how}, ${kind}, seed ${seed}: ${harm.done.join('; ')}`);
      await gateway.kill();
    }
    t.diagnostic(
      `${how}: ${mine.length} starts over ${files.size} files, the slowest ${(slowest / 1000).toFixed(1)} s: ${[...files.keys()].join(' ')}`,
    );
  }
  assert.deepEqual([...played].sort(), [...KINDS].sort());
});
