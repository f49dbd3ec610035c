/** What forwarders keep under their names: the newest state, the one of an earlier start, and never more than the bound. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MAX_FORWARDER_STATE } from '../../../src/forwarders/forwarder-kind.ts';
import { ForwarderMemories } from '../../../src/forwarders/forwarder-memories.ts';

function bench() {
  const kept: [string, unknown][] = [];
  const log = {
    opened: { savedStates: [['@forwarder.a', '"from the file"']] as [string, string][] },
    saveState: (key: string, state: unknown) => void kept.push([key, state]),
  };
  return { kept, log, memories: new ForwarderMemories() };
}

test('a name has its own state: that of the file until it keeps another', () => {
  const { kept, log, memories } = bench();
  const [a, b] = [memories.of('a', log), memories.of('b', log)];
  assert.deepEqual([a.load(), b.load()], ['from the file', undefined]);
  a.save({ n: 1 });
  b.save(null);
  // The successor of a reload is given another object for the same name.
  assert.deepEqual([memories.of('a', log).load(), memories.of('b', log).load()], [{ n: 1 }, null]);
  assert.deepEqual(kept, [
    ['@forwarder.a', { n: 1 }],
    ['@forwarder.b', null],
  ]);
});

test('a state beyond its bound is refused, and what was kept before stays', () => {
  const { kept, log, memories } = bench();
  const memory = memories.of('a', log);
  memory.save('x'.repeat(MAX_FORWARDER_STATE - 2));
  assert.throws(() => memory.save('y'.repeat(MAX_FORWARDER_STATE - 1)), /keeps 65537 letters of state; at most 65536/);
  assert.equal(memory.load(), 'x'.repeat(MAX_FORWARDER_STATE - 2));
  assert.equal(kept.length, 1);
});
