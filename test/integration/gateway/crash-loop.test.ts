/**
 * A gateway that is killed again and again in the first moments of its starts, by a supervisor without patience or a supply
 * that is too weak: the log stays the same one, no start repairs anything, and everything that was kept is upstream once.
 * SLUICE_CRASHES runs more of them, SLUICE_SEED the same again.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../../src/admin/client.ts';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { CountingDevice } from '../../peers/counting-device.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CRASHES = Number(process.env.SLUICE_CRASHES ?? 12);
/** The kill comes so long after the start, or after the gateway runs, milliseconds: at random below one of these. */
const OF_START = [300, 900, 1500];
const OF_RUN = [5, 60, 400];
const DEVICES = '  d1: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: 0, type: uint32}}}';

test(`a gateway killed in ${CRASHES} starts in a row: one log, no repair, everything upstream once`, {
  timeout: 3_600_000,
}, async (t) => {
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const s = await site(t, {
    device: (of) => CountingDevice.start(of, [1]),
    upstream: { topics: ['sluice/#'] },
    devices: DEVICES,
  });
  if (s === undefined) return;
  const { gateway } = s;
  const random = seeded(SEED);
  const pick = (of: readonly number[]): number => random() * (of[Math.floor(random() * of.length)] as number);
  let ran = 0;
  for (let i = 0; i < CRASHES; i++) {
    if (random() < 0.2) rmSync(gateway.runtimeDir, { recursive: true, force: true });
    // Nothing is committed before the kill, or now and then.
    gateway.write(s.yaml({ buffer: random() < 0.5 ? 'commitEvery: 1h' : 'commitEvery: 100ms' }));
    gateway.start();
    if (random() < 0.5) await sleep(pick(OF_START));
    else {
      await gateway.waitForLog(/The gateway is running/);
      ran++;
      await sleep(pick(OF_RUN));
    }
    await gateway.kill();
  }
  gateway.write(s.yaml());
  gateway.start();
  await gateway.waitForLog(/The gateway is running/);
  const status = () => request(gateway.socket, 'GET', '/api/v1/status') as Promise<GatewayStatus>;
  await waitFor('readings upstream', async () => ((await status()).forwarders[0]?.counters.readings ?? 0) > 10);
  assert.equal(await gateway.stop(), 0);
  const events = s.subscriber
    .messages()
    .filter((m) => m.topic === 'sluice/g1/event' && /"event":"(salvage|loss)"/.test(m.payload));
  assert.deepEqual(
    events.map((e) => e.payload),
    [],
    `SLUICE_SEED=${SEED}`,
  );
  assert.deepEqual(
    gateway.logs().filter((line) => /damaged|repair/.test(line.msg)),
    [],
  );
  assert.deepEqual(
    readdirSync(gateway.stateDir).filter((name) => /damaged|salvage|making|ready/.test(name)),
    [],
  );
  const consumer = new Consumer().feedAll(s.subscriber.messages());
  assert.deepEqual(consumer.judge(), [], `SLUICE_SEED=${SEED}`);
  const records = consumer.records();
  assert.equal(new Set(records.map((r) => r.log)).size, 1);
  const came = records.map((r) => r.values.n);
  assert.equal(new Set(came).size, came.length, 'no answer of the device has two numbers');
  const { code, stdout, stderr } = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl', '--quiet');
  assert.equal(code, 0, stderr);
  const kept = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { values: { n: number } }).values.n);
  const upstream = new Set(came);
  assert.deepEqual(
    kept.filter((n) => !upstream.has(n)),
    [],
    `SLUICE_SEED=${SEED}: kept, and not upstream`,
  );
  assert.equal(new Set(kept).size, kept.length);
  t.diagnostic(`${ran} of ${CRASHES} came to run; ${kept.length} readings kept, ${came.length} upstream`);
});
