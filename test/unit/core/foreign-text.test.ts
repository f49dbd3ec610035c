import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { foreignText } from '../../../src/core/foreign-text.ts';

test('what cannot be seen in a foreign text is written as a code', () => {
  assert.equal(foreignText('Küche 1/温度', 99), 'Küche 1/温度');
  assert.equal(
    foreignText('a\u001b[2J\r\n\u009b\u202e\u2028\ud800 \u{e0001}', 99),
    'a\\u001b[2J\\u000d\\u000a\\u009b\\u202e\\u2028\\ud800 \\ue0001',
  );
});

test('a foreign text is bounded and holds nothing that a terminal obeys', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 0, max: 64 }), (text, longest) => {
      const shown = foreignText(text, longest);
      assert.ok(shown.length <= 7 * longest + 1);
      assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    }),
  );
  assert.equal(foreignText('x'.repeat(65_536), 4), 'xxxx…');
});
