/**
 * The shipped flows that make hours and shifts, in the runtime of Node-RED. The clock of the gateway is years ahead of the one of the
 * system, which these flows never ask.
 */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { FakeAnswer, Fields } from '../../../fakes/flows-gateway.ts';
import { paletteBench } from '../../../harness/palette-bench.ts';
import { scratch } from '../../../harness/scratch.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

process.env.TZ = 'UTC';
const FLOWS = path.join(import.meta.dirname, '../../../../flows');
const CORE = ['common/20-inject.js', 'common/90-comment.js', 'function/10-function.js', 'storage/10-file.js'];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A Monday. */
const TWO = Date.UTC(2031, 4, 5, 14);
const UNKNOWN = 'the gateway does not know the time';

interface Row {
  readonly time: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  readonly count: number;
  readonly bad: number;
  readonly clock?: 'estimated';
}
const row = (time: number, mean: number, more: Partial<Row> = {}): Row => ({
  ...{ time, min: mean - 1, mean, max: mean + 1, count: 60, bad: 0 },
  ...more,
});

/** @param values variables of the tab */
async function shipped(t: TestContext, name: string, values: Readonly<Record<string, string>>) {
  const folder = scratch(t, 'hours');
  const bench = await paletteBench(t, { core: CORE, folder });
  const { gateway } = bench;
  const clock = { time: TWO - 30 * MINUTE, known: true };
  /** By point; the gateway gives them as they stand here. */
  const rows: Record<string, readonly object[]> = {};
  let looks = 0;
  gateway.time = clock.time;
  gateway.answer = (call): FakeAnswer => {
    if (call.do === 'put') return { result: { taken: (call.readings as unknown[]).length } };
    if (call.do === 'history') return { parts: [rows[String(call.point)] ?? []], result: { unit: 'Cel' } };
    looks++;
    return { result: { clock: { ...clock } } };
  };
  const all = JSON.parse(readFileSync(path.join(FLOWS, name, 'flow.json'), 'utf8')) as Fields[];
  await bench.deploy(
    all.map((node) => {
      if (node.type === 'tab')
        return { ...node, env: Object.entries(values).map(([key, value]) => ({ name: key, value, type: 'str' })) };
      // A minute is long for a test.
      return node.type === 'sluice status' ? { ...node, everyUnit: 's' } : node;
    }),
  );
  const calls = (what: string): Fields[] => gateway.calls.filter((call) => call.do === what);
  return {
    ...{ bench, clock, rows, folder, calls },
    idOf: (label: string) => String(all.find((node) => node.name === label)?.id ?? assert.fail(label)),
    /** The flow has looked at the clock, and has done what follows from it. */
    looked: async () => {
      const before = looks;
      await waitFor('two looks at the clock', () => looks >= before + 2);
    },
    puts: () => calls('put').flatMap(({ readings }) => readings as Fields[]),
  };
}

test('hourly averages follow the gateway, whose clock is years from the one of the system', async (t) => {
  if (!nodeRedPeer(t)) return;
  const s = await shipped(t, 'hourly-averages', { POINT: 'fridge.temperature', TARGET: 'calc.mean' });
  const { clock, rows, bench } = s;
  const hourNode = s.idOf('the clock hour that is over');
  /** Questions about the point itself. */
  const calls = (what: string): Fields[] => s.calls(what).filter(({ point }) => point === 'fridge.temperature');

  // The gateway does not know the time: no hour is over, and its borders are nowhere.
  Object.assign(clock, { time: TWO + 10 * HOUR, known: false });
  await bench.until(hourNode, UNKNOWN);
  await s.looked();
  Object.assign(clock, { time: TWO + 30 * MINUTE, known: true });
  await s.looked();
  assert.deepEqual(calls('history'), []);

  // Out of order, with readings of the hours around it.
  rows['fridge.temperature'] = [
    row(TWO + 59 * MINUTE, 30),
    row(TWO + HOUR, 1000),
    row(TWO, 10, { count: 20 }),
    row(TWO - MINUTE, 1000),
  ];
  clock.time = TWO + HOUR + MINUTE;
  await s.looked();
  assert.deepEqual(calls('history'), [], 'a reading may still come');
  clock.time = TWO + HOUR + 3 * MINUTE;
  const [mean] = await waitFor('the mean', () => (s.puts().length > 0 ? s.puts() : undefined));
  assert.deepEqual([mean?.point, mean?.value, mean?.bad], ['calc.mean', 25, undefined]);
  assert.equal(new Date(Number(mean?.time)).getUTCFullYear(), 2031);
  const [{ from, to, every } = assert.fail('no question')] = calls('history');
  assert.deepEqual([from, to, every], [TWO, TWO + HOUR - 1, MINUTE]);
  await s.looked();
  assert.equal(calls('history').length, 1, 'once for an hour');

  // An hour without a reading, and one with readings whose time was never confirmed.
  rows['fridge.temperature'] = [];
  clock.time = TWO + 2 * HOUR + 3 * MINUTE;
  await waitFor('a mean of nothing', () => s.puts().length === 2);
  assert.deepEqual([s.puts()[1]?.value, s.puts()[1]?.bad], [undefined, 'not-ready']);
  rows['fridge.temperature'] = [row(TWO + 2 * HOUR, 7), row(TWO + 2 * HOUR + MINUTE, 9, { clock: 'estimated' })];
  clock.time = TWO + 3 * HOUR + 3 * MINUTE;
  await waitFor('a doubtful mean', () => s.puts().length === 3);
  assert.deepEqual([s.puts()[2]?.value, s.puts()[2]?.bad], [8, 'partial']);

  bench.send(s.idOf('the last hour again'), {});
  await waitFor('the same again', () => s.puts().length === 4);
  assert.equal(calls('history')[3]?.from, TWO + 2 * HOUR);
  assert.deepEqual(bench.gateway.faults, []);
});

test('a mean that the log has is not made again after a power cut, and the next one is', async (t) => {
  if (!nodeRedPeer(t)) return;
  const s = await shipped(t, 'hourly-averages', { POINT: 'fridge.temperature', TARGET: 'calc.mean' });
  const { clock, rows, bench } = s;
  const asked = (point: string): Fields[] => s.calls('history').filter((call) => call.point === point);
  await s.looked();
  // The context of the flow is a minute older than the log.
  rows['calc.mean'] = [{ time: TWO + HOUR + 2 * MINUTE, value: 7, quality: 'good' }];
  rows['fridge.temperature'] = [row(TWO, 7)];
  clock.time = TWO + HOUR + 5 * MINUTE;
  await bench.until(s.idOf('not made yet'), 'made before the restart');
  const [{ from, to } = assert.fail('no question')] = asked('calc.mean');
  assert.deepEqual([from, to], [TWO + HOUR + 2 * MINUTE, TWO + HOUR + 5 * MINUTE + 1]);
  await s.looked();
  assert.deepEqual([s.puts(), asked('fridge.temperature')], [[], []]);
  clock.time = TWO + 2 * HOUR + 3 * MINUTE;
  await waitFor('the next mean', () => s.puts().length === 1);
  assert.equal(asked('fridge.temperature')[0]?.from, TWO + HOUR);
  bench.send(s.idOf('the last hour again'), {});
  await waitFor('the same again', () => s.puts().length === 2);
  assert.deepEqual(bench.gateway.faults, []);
});

const NO_MEAN: readonly [what: string, answer: FakeAnswer][] = [
  [
    'silence of the derived point',
    { parts: [[{ time: TWO + HOUR + 2 * MINUTE, value: null, quality: 'bad', reason: 'timeout' }]], result: {} },
  ],
  ['a log without the derived point', { error: { code: 'not-found', message: 'the log has no point calc.mean' } }],
];
for (const [what, answer] of NO_MEAN)
  test(`${what} keeps no mean back`, async (t) => {
    if (!nodeRedPeer(t)) return;
    const s = await shipped(t, 'hourly-averages', { POINT: 'fridge.temperature', TARGET: 'calc.mean' });
    const { gateway } = s.bench;
    const usual = gateway.answer;
    gateway.answer = (call) => (call.point === 'calc.mean' && call.do === 'history' ? answer : usual(call));
    await s.looked();
    s.rows['fridge.temperature'] = [row(TWO, 7)];
    s.clock.time = TWO + HOUR + 3 * MINUTE;
    await waitFor('the mean', () => s.puts().length === 1);
    assert.equal(s.puts()[0]?.value, 7);
    await s.looked();
    assert.equal(s.puts().length, 1);
  });

test('shift reports follow the clock and the readings of the gateway, also of an empty shift', async (t) => {
  if (!nodeRedPeer(t)) return;
  const s = await shipped(t, 'shift-report', { POINTS: 'fridge.temperature,pump.pressure', ENDS: '6,14,22', HOURS: '8' });
  const { clock, rows, bench, calls } = s;
  Object.assign(clock, { time: TWO + HOUR, known: false });
  await bench.until(s.idOf('the shift that is over'), UNKNOWN);
  await s.looked();
  Object.assign(clock, { time: TWO - 30 * MINUTE, known: true });
  await s.looked();
  assert.deepEqual(calls('history'), []);
  const report = (name: string): Promise<string[]> =>
    waitFor(`the file ${name}`, () => {
      const file = path.join(s.folder, name);
      const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
      return text.endsWith('\r\n') ? text.trimEnd().split('\r\n') : undefined;
    });
  const head = 'point,unit,min,mean,max,readings,bad,fault,time';

  const begin = TWO - 8 * HOUR;
  rows['fridge.temperature'] = [
    row(TWO - 15 * MINUTE, 30, { bad: 2 }),
    row(TWO, 1000),
    row(begin, 10, { count: 20 }),
    row(begin - 15 * MINUTE, -1000),
  ];
  rows['pump.pressure'] = [row(begin, 3, { clock: 'estimated' })];
  clock.time = TWO + 3 * MINUTE;
  assert.deepEqual(await report('shift-Mon-14.csv'), [
    '# 2031-05-05T06:00:00.000Z to 2031-05-05T14:00:00.000Z',
    head,
    '"fridge.temperature","Cel",9,25,31,80,2,"",""',
    '"pump.pressure","Cel",2,3,4,60,0,"","estimated"',
  ]);
  for (const { from, to, every } of calls('history')) assert.deepEqual([from, to, every], [begin, TWO - 1, 15 * MINUTE]);
  await s.looked();
  assert.equal(calls('history').length, 2, 'once for a shift');

  for (const point of Object.keys(rows)) rows[point] = [];
  clock.time = TWO + 8 * HOUR + 3 * MINUTE;
  assert.deepEqual(await report('shift-Mon-22.csv'), [
    '# 2031-05-05T14:00:00.000Z to 2031-05-05T22:00:00.000Z',
    head,
    '"fridge.temperature","Cel",,,,0,0,"",""',
    '"pump.pressure","Cel",,,,0,0,"",""',
  ]);
  assert.deepEqual(bench.gateway.faults, []);
});
