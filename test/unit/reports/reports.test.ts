/** Lost, dropped and thinned readings: how often they are reported, and that sums and names are right. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { NAMED } from '../../../src/reports/largest.ts';
import { LossReport } from '../../../src/reports/losses.ts';
import { RemovalReport } from '../../../src/reports/thinning.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR = 3_600_000;
type Counts = readonly (readonly [string, number])[];
const room = (thinned: Counts, dropped: Counts = [], aged: Counts = []) => ({ thinned, dropped, aged });

function bench(withheld?: (point: string) => boolean) {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  const tell = (event: GatewayEvent) => void events.push(event);
  return { clock, events, losses: new LossReport(clock, tell, withheld), report: new RemovalReport(clock, tell, withheld) };
}

test('a loss is told at once, further ones after a minute, as sums by point', async () => {
  const { clock, events, losses } = bench();
  losses.dropped([['tank.level', 5]], 0);
  assert.deepEqual(events, [
    {
      ...{ event: 'loss', severity: 'critical' },
      message: 'The log is full: the 5 oldest readings were dropped before they were delivered.',
      data: { dropped: 5, notKept: 0, notices: 0, 'tank.level': 5 },
    },
  ]);
  losses.dropped(
    [
      ['tank.level', 1],
      ['pump.speed', 2],
    ],
    3,
  );
  losses.dropped([['tank.level', 1]], 0);
  losses.overflow(7, 2);
  losses.dropped([], 0);
  assert.equal(events.length, 1);
  await clock.advance(60_000);
  assert.deepEqual(events[1]?.data, { dropped: 4, notKept: 7, notices: 3, noticesNotKept: 2, 'tank.level': 2, 'pump.speed': 2 });
  assert.match(
    events[1]?.message ?? '',
    /the 4 oldest readings .* The disk could not store 7 readings.* could not store 2 alarms and events; .* 3 alarms and events were dropped/,
  );
  assert.deepEqual(losses.totals, { dropped: 9, overflow: 7 });
  await clock.advance(HOUR);
  assert.equal(events.length, 2);
});

test('thinning is told at once, further ones after an hour; what grew too old is only counted', async () => {
  const { clock, events, report } = bench();
  report.taken(room([], [], [['tank.level', 100]]));
  assert.equal(events.length, 0);
  report.taken(room([['tank.level', 5]], [['pump.speed', 2]]));
  assert.deepEqual(events, [
    {
      ...{ event: 'thinning', severity: 'info' },
      message:
        'The log is full: 5 old readings were thinned out; every eighth record is kept. The 2 oldest readings were dropped. Minima, maxima and means of past hours stay longer.',
      data: { thinned: 5, dropped: 2, 'tank.level thinned': 5, 'pump.speed dropped': 2 },
    },
  ]);
  for (let i = 0; i < 10; i++) report.taken(room([['tank.level', 1]]));
  await clock.advance(HOUR - 1);
  assert.equal(events.length, 1);
  await clock.advance(1);
  assert.deepEqual(events[1]?.data, { thinned: 10, dropped: 0, 'tank.level thinned': 10 });
  assert.doesNotMatch(events[1]?.message ?? '', /dropped/);
  assert.deepEqual(report.totals, { thinned: 15, dropped: 2, aged: 100 });
});

test('of many points those with the most are named, the others summed up', () => {
  const { events, losses, report } = bench();
  const many = Array.from({ length: NAMED + 10 }, (_, i): [string, number] => [`d.p${i}`, i + 1]);
  losses.dropped(many, 0);
  report.taken(room(many, many));
  for (const [event, suffix] of [
    [events[0], ''],
    [events[1], ' thinned'],
    [events[1], ' dropped'],
  ] as const) {
    const data = event?.data ?? {};
    const named = many.filter(([point]) => `${point}${suffix}` in data);
    assert.equal(named.length, NAMED);
    assert.equal(data[`d.p${NAMED + 9}${suffix}`], NAMED + 10);
    assert.equal(data[`others${suffix}`], 55, 'one to ten');
  }
});

test('a stop tells what was not told yet, once', () => {
  const { events, losses, report } = bench();
  for (let i = 0; i < 3; i++) {
    losses.dropped([['tank.level', 1]], 0);
    report.taken(room([['tank.level', 1]]));
  }
  assert.equal(events.length, 2);
  for (let i = 0; i < 2; i++) {
    losses.stop();
    report.stop();
  }
  assert.deepEqual(
    events.map((e) => [e.event, e.data?.dropped, e.data?.thinned]),
    [
      ['loss', 1, undefined],
      ['thinning', 0, 1],
      ['loss', 2, undefined],
      ['thinning', 0, 2],
    ],
  );
});

test('points that say something about people are summed up and not named', () => {
  const { events, losses, report } = bench((point) => point === 'band.pulse');
  const counts: Counts = [
    ['band.pulse', 9],
    ['tank.level', 2],
  ];
  losses.dropped(counts, 0);
  report.taken(room(counts, counts));
  assert.doesNotMatch(JSON.stringify(events), /pulse/);
  assert.deepEqual(events[0]?.data, { dropped: 11, notKept: 0, notices: 0, 'tank.level': 2, others: 9 });
  assert.deepEqual(events[1]?.data, {
    ...{ thinned: 11, dropped: 11 },
    ...{ 'tank.level thinned': 2, 'others thinned': 9, 'tank.level dropped': 2, 'others dropped': 9 },
  });
});

test('undelivered readings that were too old are not told as a full log', () => {
  const only = bench();
  only.losses.dropped([['band.pulse', 4]], 0, { aged: [['band.pulse', 6]] });
  assert.equal(only.events[0]?.message, '4 readings were too old to be kept and were dropped before they were delivered.');
  const both = bench();
  const removed = {
    aged: [['d.a', 6]],
    dropped: [
      ['d.a', 1],
      ['d.b', 2],
    ],
  } as const;
  both.losses.dropped(
    [
      ['d.a', 4],
      ['d.b', 2],
    ],
    0,
    removed,
  );
  assert.match(both.events[0]?.message ?? '', /The log is full: the 3 oldest readings .* 3 readings were too old/);
  assert.equal(both.events[0]?.data?.dropped, 6);
});
