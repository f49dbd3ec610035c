/** What the log says of clients that were turned away, and how much of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Logger } from '../../../src/core/logger.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { TurnedAway } from '../../../src/forwarders/broker/turned-away.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function bench() {
  const clock = new ManualClock();
  const lines: [data: object, message: string][] = [];
  const logger: Logger = { ...silentLogger, warn: (data, message) => lines.push([data, message]) };
  return { clock, lines, turnedAway: new TurnedAway({ clock, logger }) };
}

test('a million refused messages are six lines, and every one is counted', async () => {
  const { clock, lines, turnedAway } = bench();
  const million = 1_000_000;
  for (let i = 0; i < million; i++) turnedAway.log('publish', { client: `c${i}`, topic: 'a/b', qos: 0, bytes: 2 });
  assert.equal(lines.length, 5);
  assert.deepEqual(lines[4]?.[0], { client: 'c4', topic: 'a/b', qos: 0, bytes: 2 });
  await clock.advance(60_000);
  assert.equal(lines.length, 6);
  assert.deepEqual(lines[5]?.[0], { more: million - 5, client: `c${million - 1}`, topic: 'a/b', qos: 0, bytes: 2 });
  assert.match(lines[5]?.[1] ?? '', /topics of their account\. It happened 999995 more times/);
  await clock.advance(60_000);
  assert.equal(lines.length, 6);
});

test('kinds are capped apart, and what is counted is logged at the end', () => {
  const { lines, turnedAway } = bench();
  for (let i = 0; i < 7; i++) turnedAway.log('version', { client: 'five', protocolLevel: 5 });
  turnedAway.log('password', { client: '' });
  assert.equal(lines.length, 6);
  assert.deepEqual(lines[5]?.[0], {}, 'a client without an id');
  turnedAway.end();
  assert.deepEqual(lines[6]?.[0], { more: 2, client: 'five', protocolLevel: 5 });
});

test('client ids and topics of any length and content stay short and harmless', () => {
  const { lines, turnedAway } = bench();
  turnedAway.log('publish', { client: '\u001b[2J'.repeat(20_000), topic: '\u0000\u202e'.repeat(32_000) });
  const line = JSON.stringify(lines[0]?.[0]);
  assert.ok(line.length < 1600, `${line.length} characters`);
  assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  assert.match(line, /^\{"client":"\\\\u001b\[2J/);
});
