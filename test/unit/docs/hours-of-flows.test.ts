/** Hours and shifts of the shipped flows: their borders, whose clock decides about them, and what is made of the readings. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { OLDEST_PUT } from '../../../src/node-red/door/limits.ts';
import { functionOf } from '../../harness/flow-function.ts';

/** The context of a tab, and a clock of the system that nobody may ask: the one of the gateway counts. */
function tabContext(env: Readonly<Record<string, string>> = {}) {
  const kept = new Map<string, unknown>();
  const shown: string[] = [];
  class NoSystemClock extends Date {
    constructor(...given: readonly [number | string | Date] | readonly []) {
      assert.equal(given.length, 1, 'a flow asks the clock of the system');
      super(...(given as [number]));
    }
    static override now(): number {
      assert.fail('a flow asks the clock of the system');
    }
  }
  const more = {
    flow: { get: (key: string) => kept.get(key), set: (key: string, value: unknown) => void kept.set(key, value) },
    env: { get: (key: string) => env[key] },
    node: { status: ({ text }: { text: string }) => shown.push(text), error: (text: string) => shown.push(`error: ${text}`) },
    Date: NoSystemClock,
  };
  return { shown, kept, of: (name: string, flow: string) => functionOf(name, flow, more) };
}

/** What the node *status* sends. */
const status = (time: number, known = true) => ({ payload: { clock: { known, time } } });
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function inZone(t: TestContext, zone: string): void {
  const before = process.env.TZ;
  t.after(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
  process.env.TZ = zone;
}

interface Hour {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/** In a year without and with summer time, with a full, a half and a three-quarter hour to UTC. */
for (const zone of ['UTC', 'Asia/Dhaka', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/St_Johns', 'Europe/Berlin']) {
  test(`hourly averages take the clock hour that is over, in ${zone}`, (t) => {
    inZone(t, zone);
    const hourOf = tabContext().of('the clock hour that is over', 'hourly-averages');
    for (let time = Date.UTC(2026, 0, 1); time < Date.UTC(2027, 0, 1); time += 7 * (HOUR / 2)) {
      for (const late of [0, 1, 119_999, 120_000, HOUR / 2]) {
        const { from, to } = hourOf({ ...status(time + late), again: true }) as Hour;
        const end = to + 1;
        assert.equal(end - from, HOUR);
        const since = time + late - end;
        assert.ok(since >= 2 * MINUTE && since < HOUR + 2 * MINUTE, `the one that is over, and no earlier one: ${since}`);
        assert.deepEqual([new Date(end).getMinutes(), end % MINUTE], [0, 0], new Date(time).toISOString());
      }
    }
  });

  test(`a shift ends at its hour, and begins as many hours before, in ${zone}`, (t) => {
    inZone(t, zone);
    const shiftOf = tabContext({ POINTS: 'a.b', ENDS: '6,14,22', HOURS: '8' }).of('the shift that is over', 'shift-report');
    const ends = [6, 14, 22];
    for (let time = Date.UTC(2026, 0, 1); time < Date.UTC(2027, 0, 1); time += 5 * (HOUR / 2)) {
      const [[{ since, until } = assert.fail('no question')]] = shiftOf({ ...status(time), again: true }) as [Question[]];
      const [begin, end] = [new Date(since), new Date(until + 1)];
      assert.ok(ends.includes(end.getHours()), String(end));
      assert.equal(begin.getHours(), (end.getHours() + 16) % 24, `${begin} to ${end}`);
      assert.deepEqual([begin.getMinutes(), end.getMinutes(), since % MINUTE, (until + 1) % MINUTE], [0, 0, 0, 0]);
      assert.ok(time - (until + 1) >= 2 * MINUTE && time - (until + 1) < 10 * HOUR, String(new Date(time)));
    }
  });
}

interface Question {
  readonly point: string;
  readonly since: number;
  /** Inclusive. */
  readonly until: number;
  readonly report: string;
}

/** 14:00 in UTC. */
const TWO = Date.UTC(2031, 4, 5, 14);
/** What flows make as the clock of the gateway shows these times: ends, in hours after TWO. */
const endsOf = (made: unknown): number[] => {
  const asked = Array.isArray(made) ? (made[0] as Question[])[0]?.until : (made as Hour | null)?.to;
  return asked === undefined ? [] : [(asked + 1 - TWO) / HOUR];
};
const SHIFTS = { POINTS: 'a.b', ENDS: '6,14,22', HOURS: '8' };
const CLOCKS: readonly [
  flow: string,
  name: string,
  steps: readonly (readonly [hours: number, known: boolean, ends: number[]])[],
][] = [
  [
    'hourly-averages',
    'the clock hour that is over',
    [
      [0.5, true, []],
      [1.01, true, []],
      [1.04, true, [1]],
      [1.06, true, []],
      // It was off for a while: the last hour only.
      [4.5, true, [4]],
      // The time is not known: no hour is over, whatever the clock shows.
      [6.5, false, []],
      [-300_000, false, []],
      [6.6, true, [6]],
      // Set back over a border, and on again.
      [5.9, true, []],
      [6.7, true, []],
      [7.04, true, [7]],
      // It was wrong by years, and is right now.
      [50_000.5, true, [50_000]],
      [8.5, true, [8]],
    ],
  ],
  [
    'shift-report',
    'the shift that is over',
    [
      [-1, true, []],
      [0.01, true, []],
      [0.04, true, [0]],
      [7.9, true, []],
      [20, true, [16]],
      [40, false, []],
      [41, true, [40]],
      [39.9, true, []],
      [48.04, true, [48]],
      // 5 years of days later, and back.
      [43_800, true, [43_792]],
      [56.04, true, [56]],
    ],
  ],
];
for (const [flow, name, steps] of CLOCKS)
  test(`${flow}: each end is judged once, by the clock of the gateway while it is known`, (t) => {
    inZone(t, 'UTC');
    const tab = tabContext(SHIFTS);
    const over = tab.of(name, flow);
    for (const [hours, known, ends] of steps) {
      assert.deepEqual(endsOf(over(status(TWO + hours * HOUR, known))), ends, `at ${hours} h`);
      if (!known) assert.equal(tab.shown.at(-1), 'the gateway does not know the time');
    }
    // The button: the last one again, or why there is none.
    const last = endsOf(over({ ...status(TWO + 9 * HOUR), again: true }));
    assert.deepEqual(last, [8]);
    assert.equal(over({ ...status(TWO + 9 * HOUR, false), again: true }), null);
    assert.match(tab.shown.at(-1) ?? '', /^error: the gateway does not know the time/);
    // A gateway that says nothing of its clock.
    assert.equal(over({ payload: {} }), null);
  });

test('hourly averages wait until no reading of the hour can come any more', (t) => {
  inZone(t, 'UTC');
  const hourOf = tabContext().of('the clock hour that is over', 'hourly-averages');
  const { to } = hourOf({ ...status(TWO + 30 * MINUTE), again: true }) as Hour;
  assert.equal(to + 1, TWO);
  let first = TWO + HOUR;
  while (hourOf(status(first)) === null) first += 1000;
  assert.ok(first - (TWO + HOUR) > OLDEST_PUT, 'a flow may give a reading so late');
});

test('hourly averages count the good readings of the hour, in any order', () => {
  const mean = (payload: unknown) => functionOf('mean', 'hourly-averages')({ payload, from: 0, to: HOUR - 1 });
  const hour = { from: 0, to: HOUR };
  const means = [
    { time: 120_000, mean: null, count: 0, bad: 60 },
    { time: 60_000, mean: 40, count: 30, bad: 30 },
    // The hours before and after.
    { time: -60_000, mean: 1000, count: 30, bad: 0, clock: 'estimated' },
    { time: HOUR, mean: 1000, count: 30, bad: 0, clock: 'estimated' },
    { time: 0, mean: 10, count: 60, bad: 0 },
  ];
  assert.deepEqual(mean(means), { payload: 20, ...hour });
  assert.deepEqual(mean([means[1], { ...means[4], clock: 'estimated' }]), {
    ...{ payload: 20, quality: 'uncertain', reason: 'partial' },
    ...hour,
  });
  const none = { payload: null, quality: 'bad', reason: 'not-ready', ...hour };
  assert.deepEqual(mean(means.slice(0, 1)), none);
  assert.deepEqual(mean([]), none);
});

test('a shift report has a line for each point, in any order, also of a shift that stays empty', (t) => {
  inZone(t, 'UTC');
  const tab = tabContext({ ...SHIFTS, POINTS: 'a.b, c.d,a.b,e.f' });
  const [asked] = tab.of('the shift that is over', 'shift-report')({ ...status(TWO + HOUR), again: true }) as [Question[]];
  assert.deepEqual(
    asked.map(({ point }) => point),
    ['a.b', 'c.d', 'e.f'],
  );
  const line = tab.of('line', 'shift-report');
  const begin = TWO - 8 * HOUR;
  const rows = [
    { time: TWO - 900_000, min: 1, mean: 2, max: 3, count: 10, bad: 1 },
    { time: begin, min: 4, mean: 5, max: 6, count: 20, bad: 0, clock: 'estimated' },
    // The shifts before and after.
    { time: begin - 900_000, min: -99, mean: -99, max: -99, count: 99, bad: 99 },
    { time: TWO, min: 99, mean: 99, max: 99, count: 99, bad: 99 },
  ];
  const about = { report: asked[0]?.report };
  assert.equal(line({ ...about, point: 'e.f', payload: [], unit: 'bar' }), null);
  assert.equal(line({ ...about, point: 'a.b', payload: rows, unit: 'Cel' }), null);
  // Twice, and of a report before.
  assert.equal(line({ ...about, point: 'a.b', payload: [], unit: 'Cel' }), null);
  assert.equal(line({ report: 'before', point: 'c.d', payload: [] }), null);
  const { filename, payload } = line({ ...about, point: 'c.d', error: { message: 'no "c"' } }) as Record<string, string>;
  assert.equal(filename, 'shift-Mon-14.csv');
  assert.deepEqual(payload?.split('\r\n'), [
    '# 2031-05-05T06:00:00.000Z to 2031-05-05T14:00:00.000Z',
    'point,unit,min,mean,max,readings,bad,fault,time',
    '"a.b","Cel",1,4,6,30,1,"","estimated"',
    '"c.d","",,,,0,0,"no ""c""",""',
    '"e.f","bar",,,,0,0,"",""',
    '',
  ]);
});
