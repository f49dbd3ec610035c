/** Bundles of a running gateway: what they hold of a filtered forwarder, and that times in them never change. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { GatewayKeyFile } from '../../../src/access/gateway-key.ts';
import { type BundleSide, Bundles } from '../../../src/admin/bundles.ts';
import { BundleFile, type Section } from '../../../src/codecs/bundle/container.ts';
import { makePlatformSecret } from '../../../src/codecs/bundle/keys.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { Inventory } from '../../../src/core/ports.ts';
import { recordFilter } from '../../../src/forwarders/mqtt/filter-keys.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const SHAPE: Shape = { device: 'pump', points: [{ name: 'n', type: 'uint16', storage: 'number' }] };
const OTHER: Shape = { ...SHAPE, device: 'fan' };
const FILTER = { devices: ['pump'], severities: ['critical'] } as const;
const WALL = 1_000_000;
/** As far as a filter looks at it. */
const INVENTORY = { devices: { pump: { points: { n: {} } }, fan: { points: { n: {} } } } } as unknown as Inventory;

async function gateway(t: TestContext): Promise<{ log: Log; bundle: (from?: number) => Promise<Section[]> }> {
  const dir = scratch(t, 'bundles');
  const clock = new ManualClock();
  const stateDir = path.join(dir, 'state');
  const log = await Log.open({
    ...{ stateDir, runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 256e6, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('carrier', 'oldest', 'g1', 'json', {}, recordFilter(FILTER));
  log.setClock(WALL, true);
  log.setInventory('{}');
  await outlet.ready();
  const platform = makePlatformSecret();
  const settings = { platform: platform.text, filter: FILTER };
  const config = { gateway: { id: 'g1', stateDir }, forwarders: new Map([['carrier', { name: 'carrier', settings }]]) };
  const side: BundleSide = {
    ...{ config: config as unknown as GatewayConfig, clock, log, inventory: INVENTORY },
    ...{ now: () => WALL, event: () => {} },
  };
  const bundles = new Bundles(() => side);
  const bundle = async (from?: number) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of bundles.export({ from })) pieces.push(Buffer.from(piece));
    const bytes = Buffer.concat(pieces);
    const file = new BundleFile({ size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) });
    file.verify(await new GatewayKeyFile(stateDir).get());
    return [...file.sections(platform)];
  };
  return { log, bundle };
}

const ofKind = (sections: Section[], ...kinds: string[]) => sections.filter(({ kind }) => kinds.includes(kind));
function timesOf(sections: Section[]): Map<number, number> {
  const batches = ofKind(sections, 'data', 'history', 'range').map(({ body }) => readColumns(body, 'history'));
  return new Map(batches.flatMap(({ records, offset }) => records.map(({ seq, sample }) => [seq, sample.at + offset] as const)));
}

test('a filter holds for devices and severities of a bundle, and not for a time range', async (t) => {
  const { log, bundle } = await gateway(t);
  for (const shape of [SHAPE, OTHER]) log.append({ shape, at: 1, values: [1], reasons: null });
  for (const severity of ['info', 'critical']) {
    log.notice('alarm', 'fast', 1, { rule: 'fast', severity });
    log.notice('event', 'clock', 1, { event: 'clock', severity });
  }
  const devicesIn = (sections: Section[]) =>
    ofKind(sections, 'inventory').flatMap(({ body }) => Object.keys((JSON.parse(body.toString()) as Inventory).devices ?? {}));
  const sections = await bundle();
  assert.deepEqual(devicesIn(sections), ['pump']);
  assert.equal(timesOf(sections).size, 1);
  const severities = ofKind(sections, 'alarm', 'event').map(
    ({ body }) => (JSON.parse(Buffer.from(body).toString()) as { severity: string }).severity,
  );
  assert.deepEqual(severities, ['critical', 'critical']);
  const range = await bundle(0);
  assert.deepEqual(devicesIn(range), ['pump', 'fan']);
  assert.equal(timesOf(range).size, 2);
});

test('a time that left in a bundle of a time range stays when the clock becomes known', async (t) => {
  const { log, bundle } = await gateway(t);
  for (let n = 1; n <= 5; n++) log.append({ shape: OTHER, at: n, values: [n], reasons: null });
  const before = timesOf(await bundle(0));
  assert.equal(before.size, 5);
  log.append({ shape: OTHER, at: 6, values: [6], reasons: null });
  log.setClock(WALL + 5000, false);
  const after = timesOf(await bundle(0));
  for (const [seq, time] of before) assert.equal(after.get(seq), time, `number ${seq}`);
  assert.equal([...after.values()].at(-1), WALL + 5006);
});
