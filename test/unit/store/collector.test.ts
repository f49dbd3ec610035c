import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Collector } from '../../../src/store/archive/collector.ts';

test('garbage is collected when enough readings were packed, and not before', async () => {
  const collector = new Collector();
  const garbage = new WeakRef({});
  // What is made in a turn of the event loop lives as long as that does.
  await setImmediate();
  collector.worked(15_999);
  assert.ok(garbage.deref() !== undefined);
  await setImmediate();
  collector.worked(1);
  assert.equal(garbage.deref(), undefined);
});
