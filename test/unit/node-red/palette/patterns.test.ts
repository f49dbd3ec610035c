/** Patterns of points, and what becomes of them on their way to the gateway. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { glob, isPattern, isRulePattern, matches, wirePattern } from '../../../../src/node-red/palette/runtime/patterns.ts';

const name = fc.stringMatching(/^[ab][ab_-]{0,5}$/);
const part = fc.stringMatching(/^[ab*][ab*]{0,5}$/).filter((text) => text.split('*').length < 9);
const point = fc.tuple(name, name).map((two) => two.join('.'));
const pattern = fc.oneof(
  fc.constant('*'),
  fc.tuple(part, part).map((two) => two.join('.')),
);
/** As the page of the reference says it. */
const oracle = (given: string): RegExp => {
  const [device = '', of] = given.split('.').map((one) => one.replaceAll('*', '.*').replaceAll('-', '\\-'));
  return of === undefined ? /^/ : new RegExp(`^${device.replaceAll('.*', '[^.]*')}\\.${of.replaceAll('.*', '[^.]*')}$`);
};

test('a pattern matches exactly what it says', () => {
  fc.assert(fc.property(pattern, point, (one, other) => assert.equal(matches(one, other), oracle(one).test(other))));
});

test('the pattern for the gateway is one that it takes, and matches at least as much', () => {
  fc.assert(
    fc.property(pattern, point, (one, other) => {
      assert.ok(isPattern(one));
      const wire = wirePattern(one);
      assert.match(wire, /^(\*|(\*|[a-z0-9][a-z0-9_-]*)\.(\*|[a-z0-9][a-z0-9_-]*))$/);
      if (matches(one, other)) assert.ok(matches(wire, other), `${one} ${wire} ${other}`);
    }),
  );
});

test('any text is a pattern or none, and only short ones with few stars are', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      if (isPattern(text)) assert.match(wirePattern(text), /^[a-z0-9_*.-]+$/);
      assert.equal(typeof matches(text, text), 'boolean');
      assert.equal(typeof isRulePattern(text), 'boolean');
    }),
  );
  assert.ok(!isPattern('*'.repeat(60)));
  assert.ok(!isPattern(`${'a'.repeat(200)}.b`));
  assert.ok(!isPattern('a.b.c') && !isPattern('') && !isPattern('a') && !isPattern('A.b') && !isPattern('a. b'));
});

test('a pattern with the most stars is answered for the longest name', () => {
  const text = 'a'.repeat(200);
  assert.equal(glob(`${'*a'.repeat(8)}b`, text), false);
  assert.equal(glob('*a*a*a*a*a*a*a*', text), true);
});
