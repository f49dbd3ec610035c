/** `sluice alarm stats`: every line with a value, and without one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { figureLines, statsText } from '../../../src/cli/alarm-stats.ts';

process.env.TZ = 'Asia/Dhaka';

const SINCE = Date.UTC(2026, 10, 26, 8, 2, 11);
const QUIET: GatewayStatus['alarmFigures'] = {
  ...{ since: SINCE, annunciated: 0, perHour: 0, perDay: 0 },
  flood: { active: false, alarms: 0, floods: 0, time: 0 },
  chattering: { now: 0, rules: [], episodes: 0 },
  standing: { now: 0, rules: [] },
  worst: [],
};
const BUSY: GatewayStatus['alarmFigures'] = {
  ...{ since: SINCE, annunciated: 412, perHour: 1.25, perDay: 17.04 },
  flood: { active: true, since: SINCE, alarms: 31, floods: 3, time: 52 * 60_000 },
  chattering: { now: 2, rules: ['door-open', 'pump-pressure'], episodes: 9 },
  standing: { now: 12, rules: Array.from({ length: 10 }, (_, i) => `old-${i}`) },
  worst: [
    { rule: 'door-open', count: 300, share: 300 / 412 },
    { rule: 'pump-pressure', count: 112, share: 112 / 412 },
  ],
};

test('the figures of a gateway with a flood, chattering, standing and frequent alarms', () => {
  assert.equal(
    statsText(BUSY),
    [
      'alarms      412 since 26 Nov 2026 14:02:11 UTC+06:00',
      'average     1.3 an hour (24 hours), 17 a day (30 days)',
      'floods      one continues, 31 alarms so far',
      'chattering  door-open, pump-pressure (9 times so far)',
      'standing    old-0, old-1, old-2, old-3, old-4, old-5, old-6, old-7, old-8, old-9 and 2 more',
      'worst       door-open: 300 in 30 days (73 %)',
      '            pump-pressure: 112 in 30 days (27 %)',
      '',
    ].join('\n'),
  );
  assert.deepEqual(figureLines(BUSY), [
    '  alarm flood: 31 alarms so far; see `sluice alarm stats`',
    '  chattering: door-open, pump-pressure; a deadband or a delay calms an alarm',
    '  active for more than 24 hours: old-0, old-1, old-2, old-3, old-4, old-5, old-6, old-7, old-8, old-9 and 2 more',
  ]);
});

test('a flood and a chatter that are over stay in the figures, and out of the status', () => {
  const over = {
    ...BUSY,
    flood: { active: false, alarms: 31, floods: 3, time: 52 * 60_000 },
    chattering: { now: 0, rules: [], episodes: 9 },
    standing: { now: 0, rules: [] },
  };
  const lines = statsText(over).split('\n');
  assert.deepEqual(lines.slice(2, 5), [
    'floods      3, 52m in all; 31 alarms in the last one',
    'chattering  none (9 times so far)',
    'standing    none is active for more than 24 hours',
  ]);
  assert.deepEqual(figureLines(over), []);
});

test('a gateway without an alarm says none in every line', () => {
  assert.deepEqual(statsText(QUIET).split('\n').slice(2), [
    'floods      none',
    'chattering  none',
    'standing    none is active for more than 24 hours',
    '',
  ]);
  assert.deepEqual(figureLines(QUIET), []);
});
