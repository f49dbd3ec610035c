/** The back-off of log-ins: an example, and random histories against what has to hold whatever an attacker does. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BackOff, Budgets, FREE, LONGEST, MOST_ENTRIES } from '../../../src/access/back-off.ts';

/** A try with its outcome. @returns checked or how long it waits */
function attempt(backOff: BackOff, name: string, address: string, right: boolean, now: number, mark?: string): boolean {
  const paid = backOff.take({ name, address, mark }, now);
  if (typeof paid === 'number') return false;
  if (right) paid.right(now);
  return true;
}

test('waits grow to a quarter of an hour, and are forgotten after hours of quiet', () => {
  const backOff = new BackOff();
  const checkedAt: number[] = [];
  for (let now = 0; now < 3_600_000; now += 1000)
    if (attempt(backOff, 'anna', '10.0.0.1', false, now)) checkedAt.push(now / 1000);
  assert.deepEqual(checkedAt, [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131, 259, 515, 1027, 1927, 2827]);
  const later = 3_600_000 * 8;
  const burst = Array.from({ length: 10 }, () => attempt(backOff, 'anna', '10.0.0.1', false, later));
  assert.equal(burst.filter(Boolean).length, FREE);
});

test('tries at the same time are paid for before they are checked', () => {
  const backOff = new BackOff();
  const taken = Array.from({ length: 1000 }, () => backOff.take({ name: 'anna', address: '10.0.0.1' }, 0));
  assert.equal(taken.filter((paid) => typeof paid !== 'number').length, FREE);
});

test('one name from many addresses, and many names from one address, get as far', () => {
  const many = new BackOff();
  const byName = Array.from({ length: 500 }, (_, i) => attempt(many, 'anna', `10.0.${i >> 8}.${i & 255}`, false, 0));
  assert.equal(byName.filter(Boolean).length, FREE);
  const one = new BackOff();
  const byAddress = Array.from({ length: 500 }, (_, i) => attempt(one, `user${i}`, '10.0.0.1', false, 0));
  assert.equal(byAddress.filter(Boolean).length, FREE);
  assert.ok(Math.max(...one.sizes) <= FREE, 'what is not checked leaves no trace');
});

test('who got in before is not locked out, by address or by the mark of the browser', () => {
  const backOff = new BackOff();
  assert.ok(attempt(backOff, 'anna', '10.0.0.7', true, 0));
  const first = backOff.take({ name: 'anna', address: '10.0.0.8' }, 0);
  assert.ok(typeof first !== 'number');
  first.right(0, 'cookie');
  for (let now = 0; now < 100_000; now += 100) {
    attempt(backOff, 'anna', `10.0.1.${now % 200}`, false, now);
    // The same network address, behind which the owner is as well.
    attempt(backOff, 'anna', '10.0.0.8', false, now);
  }
  assert.ok(!attempt(backOff, 'anna', '10.0.0.9', true, 100_000), 'a stranger waits, even with the right password');
  assert.ok(attempt(backOff, 'anna', '10.0.0.7', true, 100_000));
  assert.ok(!attempt(backOff, 'anna', '10.0.0.8', true, 100_000), 'the attacker used up this address');
  assert.ok(attempt(backOff, 'anna', '10.0.0.8', true, 100_000, 'cookie'));
  backOff.forget('anna');
  assert.ok(!attempt(backOff, 'anna', '10.0.0.7', true, 100_000), 'another password: nobody is known any more');
});

test('a full table drops the one that failed least, not the one that is attacked', () => {
  const budgets = new Budgets(4);
  for (let i = 0; i < 10; i++) budgets.pay('attacked', i);
  for (let i = 0; i < 100; i++) budgets.pay(`flood ${i}`, 100 + i);
  assert.equal(budgets.size, 4);
  assert.ok(budgets.waits('attacked', 100) > 0);
});

test('all addresses of an IPv6 network have one budget', () => {
  const backOff = new BackOff();
  const tries = Array.from({ length: 500 }, (_, i) => attempt(backOff, `user${i}`, `2001:db8:0:7::${i.toString(16)}`, false, 0));
  assert.equal(tries.filter(Boolean).length, FREE);
  assert.ok(attempt(backOff, 'other', '2001:db8:0:8::1', false, 0), 'another network');
});

interface Step {
  readonly name: number;
  readonly address: number;
  readonly right: boolean;
  readonly wait: number;
}
/** Bursts, slow attacks, and days. */
const history = fc.constantFrom(0, 500, 5000, 3_600_000).chain((longest) =>
  fc.array(fc.record<Step>({ name: fc.nat(3), address: fc.nat(5), right: fc.boolean(), wait: fc.nat(longest) }), {
    maxLength: 200,
    size: 'max',
  }),
);
/** Wrong tries that may be checked within a time: the free ones, and one for each wait that fits. */
function most(ms: number): number {
  let count = FREE;
  for (let wait = 1000, sum = 1000; sum <= ms; wait = Math.min(2 * wait, LONGEST), sum += wait) count++;
  // Hours of quiet forgive, once an hour at most.
  return count + FREE * Math.ceil(ms / 3_600_000);
}

test('random histories: few wrong tries are checked, owners get in, tables stay bounded', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const backOff = new BackOff(3);
      const alone = new BackOff();
      let now = 0;
      attempt(backOff, 'owner', 'home', true, now);
      attempt(alone, 'owner', 'home', true, now);
      for (const { name, address, right, wait } of steps) {
        now += wait;
        // Strangers are never right here: a right one becomes known, and has a budget of its own.
        attempt(backOff, `n${name}`, `a${address}`, false, now);
        // What the owner meets is what he would meet without all the others.
        assert.equal(attempt(backOff, 'owner', 'home', right, now), attempt(alone, 'owner', 'home', right, now));
        for (const size of backOff.sizes) assert.ok(size <= 3);
      }
      // With small tables a flood may wash something away; with large ones nothing is.
      const large = new BackOff();
      const counts = new Map<string, number>();
      now = 0;
      for (const { name, address, wait } of steps) {
        now += wait;
        if (attempt(large, `n${name}`, `a${address}`, false, now))
          for (const key of [`n${name}`, `a${address}`]) counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      for (const [key, count] of counts) assert.ok(count <= most(now), `${key}: ${count} of ${most(now)} in ${now} ms`);
      assert.ok(Math.max(...large.sizes) <= MOST_ENTRIES);
    }),
    { numRuns: 300 },
  );
});
