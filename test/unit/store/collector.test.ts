import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Collector } from '../../../src/store/archive/collector.ts';

const MB = 1024 * 1024;

test('garbage is collected when the heap has grown by 2 MB while readings were packed', async () => {
  let used = 8 * MB;
  const collector = new Collector(() => used);
  const garbage = new WeakRef({});
  // What is made in a turn of the event loop lives as long as that does.
  await setImmediate();
  // V8 collected by itself: the growth counts from there.
  used = 7 * MB;
  collector.worked(16_000);
  used = 9 * MB - 1;
  collector.worked(16_000);
  used = 9 * MB;
  collector.worked(15_999);
  assert.ok(garbage.deref() !== undefined);
  await setImmediate();
  collector.worked(1);
  assert.equal(garbage.deref(), undefined);
});

test('the growth of the heap counts anew from each collection', async () => {
  let used = 8 * MB;
  const collector = new Collector(() => used);
  used = 10 * MB;
  collector.worked(16_000);
  const garbage = new WeakRef({});
  await setImmediate();
  collector.worked(16_000);
  assert.ok(garbage.deref() !== undefined);
  await setImmediate();
  used = 12 * MB;
  collector.worked(16_000);
  assert.equal(garbage.deref(), undefined);
});
