/** The words about Node-RED say what happened and what to do. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { blockedWords, wordsOf } from '../../../src/node-red/flow-words.ts';

test('flows that do not start name what is missing, and the key that brings it', () => {
  const words = (missing: 'types' | 'modules', ...names: string[]) => blockedWords({ type: 'blocked', missing, names });
  assert.equal(blockedWords(undefined), undefined);
  assert.match(words('modules', 'left-pad', 'cron') ?? '', /npm modules are missing: left-pad, cron; .*nodeRed\.allow\.modules$/);
  assert.match(words('types', 'modbus-read') ?? '', /modbus-read; .*install the palette that brings them$/);
  assert.match(words('types', 'modbus-read', 'exec') ?? '', /nodeRed\.allow\.exec for the exec node$/);
});

test('only flows that stop for good are critical, and each cause is in the words', () => {
  for (const what of ['crash', 'hang', 'refused', 'safe-mode'] as const) {
    const [severity, message] = wordsOf(what, 'of a fault');
    assert.equal(severity, what === 'safe-mode' ? 'critical' : 'warning');
    assert.match(message, /of a fault/);
  }
  assert.equal(wordsOf('running', '')[0], 'info');
  assert.equal(wordsOf('safe-mode-left', '')[0], 'info');
});
