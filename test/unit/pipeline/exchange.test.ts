/** A device is read by other requests: what is known of its points goes on as if nothing had happened. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { validConfig } from '../../../src/cli/config-file.ts';
import type { PointInfo, Report, Sample, Shape } from '../../../src/core/point.ts';
import { inventoryDevices } from '../../../src/pipeline/inventory.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { Reports } from '../../../src/pipeline/report.ts';

const info = (name: string): PointInfo => ({ name, type: 'float64', storage: 'number' });
const limits: Report = { atMost: 60_000 };
const shape = (...names: string[]): Shape => ({ device: 'd', points: names.map(info), report: names.map(() => limits) });
const sample = (of: Shape, at: number, ...values: number[]): Sample => ({ shape: of, at, values, reasons: null });

const [ab, c] = [shape('a', 'b'), shape('c')];
const [a, bc] = [shape('a'), shape('b', 'c')];

test('latest values stay until the first reply to a new request brings newer ones', () => {
  const latest = new Latest(() => 0);
  latest.setShapes([ab, c]);
  latest.take(sample(ab, 10, 1, 2));
  latest.take(sample(c, 20, 3));
  const seen = () => [...latest.all()].map(({ point, value, time }) => `${point}=${String(value)}@${time}`).sort();
  latest.exchange([a, bc]);
  assert.deepEqual(seen(), ['a=1@10', 'b=2@10', 'c=3@20']);
  latest.take(sample(bc, 30, 5, 6));
  assert.deepEqual(seen(), ['a=1@10', 'b=5@30', 'c=6@30']);
  latest.take(sample(a, 40, 4));
  assert.deepEqual(seen(), ['a=4@40', 'b=5@30', 'c=6@30']);
  assert.equal(latest.get('d', 'b')?.value, 5);
  // A reload knows of no others.
  latest.setShapes([a, bc]);
  assert.deepEqual(seen(), ['a=4@40', 'b=5@30', 'c=6@30']);
  // Back again, as a device that has become slow is read.
  latest.exchange([ab, c]);
  latest.take(sample(ab, 50, 7, 8));
  assert.deepEqual(seen(), ['a=7@50', 'b=8@50', 'c=6@30']);
});

test('`report:` goes on measuring by what was kept before', () => {
  const reports = new Reports();
  assert.ok(reports.take(sample(ab, 0, 1, 2)));
  assert.ok(reports.take(sample(c, 0, 3)));
  reports.carry([ab, c], [a, bc]);
  assert.equal(reports.take(sample(a, 1000, 9)), undefined, 'not the first of a run');
  assert.equal(reports.take(sample(bc, 50_000, 9, 9)), undefined);
  assert.ok(reports.take(sample(bc, 60_000, 9, 9)));
  assert.ok(reports.take(sample(a, 60_000, 9)));
});

test('the inventory, its order too, is the same whatever the requests are', () => {
  const file = path.join(import.meta.dirname, '../../cases/check/two-intervals/gateway.yaml');
  const { config } = validConfig(file, { readSecrets: false });
  const [device] = config.devices.values();
  assert.ok(device);
  const names = [...device.points.keys(), 'total-2', 'total-1'];
  const of = (...parts: string[][]) => parts.map((each): Shape => ({ device: device.name, points: each.map(info) }));
  const whole = JSON.stringify(inventoryDevices(config, of(names)));
  assert.equal(JSON.stringify(inventoryDevices(config, of(names.slice(2), names.slice(0, 2)))), whole);
  assert.equal(JSON.stringify(inventoryDevices(config, of(names.toReversed()))), whole);
});
