/** The key `filter` of a forwarder, from what a person writes to what the keeper and the platform get. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { filteredInventory, recordFilter, severityLeaves } from '../../../src/forwarders/mqtt/filter-keys.ts';
import { siteFacts } from '../../../src/gateway/site-facts.ts';

test('counters and their totals have their last reading, as the configuration in force has them', () => {
  const points = new Map<string, object>([
    ['energy', { counter: { modulus: 65_536 } }],
    ['pulses', { counter: { modulus: 10, total: 'litres' } }],
    ['power', {}],
  ]);
  const config = { devices: new Map([['meter', { points }]]) } as unknown as GatewayConfig;
  const { counters } = siteFacts(
    () => config,
    () => [],
  );
  const filter = recordFilter({ every: 60_000 }, counters, 500);
  // What the keeper gets is a copy.
  const copied = structuredClone(filter);
  assert.deepEqual(copied, {
    ...{ devices: undefined, points: undefined, gather: 500 },
    thinning: { every: 60_000, as: 'mean', last: ['meter.energy', 'meter.energy-total', 'meter.pulses', 'meter.litres'] },
  });
  points.delete('pulses');
  assert.deepEqual(structuredClone(filter)?.thinning?.last, ['meter.energy', 'meter.energy-total']);
});

test('a filter of severities leaves every reading, and chooses alarms and events', () => {
  assert.equal(recordFilter({ severities: ['critical'] }), undefined);
  const filter = { severities: ['warning', 'critical'] as const };
  assert.equal(severityLeaves(filter, '{"severity":"critical"}'), true);
  assert.equal(severityLeaves(filter, '{"severity":"info"}'), false);
  assert.equal(severityLeaves(filter, '{}'), true, 'a message of an older version has none');
  assert.equal(severityLeaves({}, '{"severity":"info"}'), true);
});

test('the inventory of a forwarder names what leaves, and keeps what is said of it', () => {
  const point = { type: 'int16', writable: false };
  const devices = { a: { bus: 'x', points: { p: point, q: point } }, b: { bus: 'x', points: { p: point } } };
  const inventory = JSON.stringify({ v: 1, revision: 3, devices });
  assert.equal(filteredInventory(undefined, inventory), inventory);
  assert.deepEqual(JSON.parse(filteredInventory({ points: ['a.q'] }, inventory)), {
    ...{ v: 1, revision: 3 },
    devices: { a: { bus: 'x', points: { q: point } } },
  });
  assert.deepEqual(JSON.parse(filteredInventory({ devices: ['b'] }, inventory)).devices, { b: devices.b });
});
