/** Commands of the API with an id: one id acts once and answers the same, expiry, roles, kills. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Ledger, PER_OWNER } from '../../../src/control/remote/ledger.ts';
import { Once } from '../../../src/control/remote/once.ts';
import type { Asking, Command, Principal } from '../../../src/core/commands.ts';
import { SluiceError } from '../../../src/core/errors.ts';

const ANNA: Principal = { who: 'uid 64001', door: 'socket', role: 'operator' };
const WRITE: Command = { do: 'write', point: 'pump.speed', value: 40 };

function onceBench(rows = new Map<string, unknown>()) {
  const one = { now: 1000, known: true, flushes: 0 };
  const ledger = new Ledger({
    saved: [...rows],
    save: (key, state) => (state === null ? rows.delete(key) : rows.set(key, JSON.parse(JSON.stringify(state)))),
    soon: () => {},
    flush: async () => {
      one.flushes++;
    },
  });
  const once = new Once({ ledger: () => ledger, now: () => one.now, clockKnown: () => one.known });
  let acts = 0;
  const run = (asking: Asking, { by = ANNA, command = WRITE, act = async (): Promise<object> => ({ n: acts }) } = {}) =>
    once.run(command, by, asking, ({ begin }) => {
      begin?.();
      acts++;
      return act();
    });
  return { one, rows, run, acts: () => acts };
}

test('the same id acts once and answers the same, also after a restart', async () => {
  const s = onceBench();
  assert.deepEqual(await s.run({ id: 'a' }), { n: 1 });
  assert.deepEqual(await s.run({ id: 'a' }), { n: 1 });
  assert.equal(s.one.flushes, 1, 'the id was on the disk before the command began');
  const after = onceBench(s.rows);
  assert.deepEqual(await after.run({ id: 'a' }), { n: 1 });
  assert.equal(after.acts(), 0);
  assert.deepEqual(await after.run({ id: 'b' }), { n: 1 });
  assert.deepEqual(await after.run({}), { n: 2 });
});

test('the same id asked twice at once acts once', async () => {
  const s = onceBench();
  const gate = Promise.withResolvers<object>();
  const both = [s.run({ id: 'a' }, { act: () => gate.promise }), s.run({ id: 'a' }, { act: () => gate.promise })];
  gate.resolve({ n: 7 });
  assert.deepEqual(await Promise.all(both), [{ n: 7 }, { n: 7 }]);
  assert.equal(s.acts(), 1);
});

test('a fault is answered the same; what expired may be asked again with its id', async () => {
  const s = onceBench();
  const fail = async (): Promise<object> => {
    throw new SluiceError('write-refused', 'too high');
  };
  await assert.rejects(s.run({ id: 'a' }, { act: fail }), { code: 'write-refused', message: 'too high' });
  await assert.rejects(s.run({ id: 'a' }), { code: 'write-refused', message: 'too high' });
  assert.equal(s.acts(), 1);
  await assert.rejects(s.run({ id: 'b', expires: 1000 }), { code: 'expired' });
  assert.deepEqual(await s.run({ id: 'b', expires: 1001 }), { n: 2 });
  const late = async (): Promise<object> => {
    throw new SluiceError('expired', 'it waited too long');
  };
  await assert.rejects(s.run({ id: 'c' }, { act: late }), { code: 'expired' });
  assert.deepEqual(await s.run({ id: 'c' }), { n: 4 });
  s.one.known = false;
  await assert.rejects(s.run({ expires: 9000 }), { code: 'clock-unknown' });
});

test('an id whose command was busy stays free, and acts once when it is asked again', async () => {
  const s = onceBench();
  const command: Command = { do: 'restart-flows' };
  const busy = async (): Promise<object> => {
    throw new SluiceError('busy', 'Node-RED is starting already; nothing was done');
  };
  await assert.rejects(s.run({ id: 'a' }, { command, act: busy }), { code: 'busy' });
  assert.equal(s.rows.size, 0);
  assert.deepEqual(await s.run({ id: 'a' }, { command }), { n: 2 });
  assert.deepEqual(await s.run({ id: 'a' }, { command }), { n: 2 });
  assert.equal(s.acts(), 2);
});

test('a command of which a kill left no result is not done again', async () => {
  const s = onceBench();
  void s.run({ id: 'a' }, { act: () => new Promise(() => {}) });
  const after = onceBench(s.rows);
  await assert.rejects(after.run({ id: 'a' }), { code: 'outcome-unknown' });
  assert.equal(after.acts(), 0);
});

test('another command, another caller and a caller without the role get no answer of this id', async () => {
  const s = onceBench();
  await s.run({ id: 'a' });
  await assert.rejects(s.run({ id: 'a' }, { command: { ...WRITE, value: 41 } }), { code: 'request-invalid' });
  assert.deepEqual(await s.run({ id: 'a' }, { by: { ...ANNA, who: 'root' } }), { n: 2 });
  const rows = s.rows.size;
  // The command port refuses; here it only counts.
  assert.deepEqual(await s.run({ id: 'a' }, { by: { ...ANNA, role: 'viewer' } }), { n: 3 });
  assert.equal(s.rows.size, rows, 'a caller without the role leaves nothing behind');
});

test('ids belong to the account and not to its name', async () => {
  const s = onceBench();
  const callers: Principal[] = ['user:anna.aaaaaaaa', 'user:anna.bbbbbbbb', 'token:cccccccc', undefined].map((account) => ({
    ...{ who: 'anna', door: 'https', role: 'operator', account },
  }));
  for (const [i, by] of callers.entries()) assert.deepEqual(await s.run({ id: 'a' }, { by }), { n: i + 1 });
  for (const [i, by] of callers.entries()) assert.deepEqual(await s.run({ id: 'a' }, { by }), { n: i + 1 }, 'each its own');
  assert.equal(s.rows.size, callers.length);
});

test('what only looks runs again, and more ids than the ledger keeps push out the oldest', async () => {
  const s = onceBench();
  const read: Command = { do: 'read', device: 'pump' };
  await s.run({ id: 'r' }, { command: read });
  await s.run({ id: 'r' }, { command: read });
  assert.deepEqual([s.acts(), s.rows.size], [2, 0]);
  for (let i = 0; i <= PER_OWNER; i++) await s.run({ id: `w${i}` });
  assert.equal(s.rows.size, PER_OWNER);
  await assert.rejects(
    s.run({ id: 'x' }, { act: async () => ({ text: 'y'.repeat(2000) }) }).then(() => s.run({ id: 'x' })),
    {
      code: 'exists',
    },
  );
});
