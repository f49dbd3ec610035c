/** Counters in the frames of serial instruments: the cumulative value beside the reading, by the rules of codecs/counter.ts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type CounterKey, type CounterMemory, CounterStates } from '../../../src/codecs/counter.ts';
import { Talker } from '../../../src/codecs/serial/talker.ts';
import type { PointConfig, TalkerConfig } from '../../../src/codecs/serial/types.ts';
import { hasValue, reasonAt } from '../../../src/core/point.ts';
import { ABSENT, reasonName } from '../../../src/core/reasons.ts';
import { serial } from '../../../src/drivers/serial/kind.ts';
import { deviceOf, LEVELS } from '../../harness/serial-site.ts';

const LINE = { type: 'line', maxLength: 100 } as const;
type Keys = Partial<PointConfig>;

function talkerOf(
  points: Record<string, Keys>,
  memory?: CounterMemory,
  decode: TalkerConfig['decode'] = { type: 'key-value', assign: '=' },
) {
  const of = new Map(Object.entries(points).map(([name, keys]) => [name, { type: 'float64', ...keys } as PointConfig]));
  const talker = new Talker({ device: 'rain', frame: LINE, decode, points: of }, undefined, memory);
  let at = 0;
  /** Point -> value, or the reason why it has none; with `(reason)` where a value is in doubt. */
  const say = (line: string, after = 1000) => {
    at += after;
    const [sample] = talker.push(new TextEncoder().encode(`${line}\n`), at);
    assert.ok(sample, line);
    return Object.fromEntries(
      sample.shape.points.map(({ name }, i) => {
        const reason = reasonAt(sample, i);
        if (reason === 0) return [name, sample.values[i]];
        if (reason === ABSENT) return [name, 'absent'];
        return [name, hasValue(reason) ? `${String(sample.values[i])} (${reasonName(reason)})` : reasonName(reason)];
      }),
    );
  };
  return { talker, say };
}

test('a pulse counter in lines: a rollover is no reset, raw and total stand side by side', () => {
  const { talker, say } = talkerOf({ pulses: { counter: { modulus: 10_000 }, unit: '1' } });
  assert.deepEqual(
    talker.shapes[0]?.points.map(({ name, type, unit, writable }) => [name, type, unit, writable]),
    [
      ['pulses', 'float64', '1', false],
      ['pulses-total', 'float64', '1', false],
    ],
  );
  assert.deepEqual(say('pulses=9990'), { pulses: 9990, 'pulses-total': 9990 });
  assert.deepEqual(say('pulses=9998'), { pulses: 9998, 'pulses-total': 9998 });
  // From near its end: it rolled over, 2 up to the modulus and 5 more.
  assert.deepEqual(say('pulses=5'), { pulses: 5, 'pulses-total': 10_005 });
  assert.deepEqual(say('pulses=5000'), { pulses: 5000, 'pulses-total': 15_000 });
  // From anywhere else: it was reset, and has counted 3 since.
  assert.deepEqual(say('pulses=3'), { pulses: 3, 'pulses-total': 15_003 });
  assert.deepEqual(say('pulses=10001'), { pulses: '10001 (out-of-range)', 'pulses-total': '15003 (out-of-range)' });
  assert.deepEqual(say('pulses=?'), { pulses: 'unparsable', 'pulses-total': 'unparsable' });
  assert.deepEqual(say('pulses=4'), { pulses: 4, 'pulses-total': 15_004 });
});

test('scaled, of 64 bits, too fast, under a name of its own, and not in every frame', () => {
  const { say } = talkerOf({
    rain: { from: 'tips', scale: 0.2, unit: 'mm', counter: { modulus: 100, maxPerSecond: 1, total: 'rain-all' } },
    big: { type: 'int64', counter: { modulus: '9007199254740995' } },
    level: {},
  });
  const rain = (line: string, after?: number) => {
    const { rain: value, 'rain-all': total } = say(line, after);
    return [value, total];
  };
  assert.deepEqual(rain('tips=99'), [19.8, 19.8]);
  assert.deepEqual(rain('tips=1'), [0.2, 20.2], 'the modulus is 100 × 0.2');
  assert.deepEqual(rain('tips=51'), ['10.2 (too-fast)', '20.2 (too-fast)']);
  assert.deepEqual(rain('tips=2'), [0.4, 20.4]);
  assert.deepEqual(rain('level=1'), ['absent', 'absent']);
  assert.deepEqual(say('big=9007199254740993')['big-total'], 9007199254740993n);
  assert.deepEqual(say('big=1')['big-total'], 9007199254740996n);
});

test('each sentence of NMEA has its own totals, and what a frame lacks changes none', () => {
  const { talker } = talkerOf(
    { fixes: { from: 'GGA.satellites', counter: { modulus: 100 } }, speed: { from: 'RMC.speed' } },
    undefined,
    {
      type: 'nmea',
    },
  );
  assert.deepEqual(
    talker.shapes.map((shape) => shape.points.map(({ name }) => name)),
    [['fixes', 'fixes-total'], ['speed']],
  );
});

test('what was known is gone on from; another field or scale under the name is another counter', () => {
  const memory = new CounterStates();
  const keys: CounterKey[] = [];
  const watched: CounterMemory = {
    get: (key) => memory.get(key),
    set: (key, state) => {
      keys.push(key);
      memory.set(key, state);
    },
  };
  const counter = { modulus: 1000 };
  assert.equal(talkerOf({ n: { counter } }, watched).say('n=500')['n-total'], 500);
  assert.equal(talkerOf({ n: { counter } }, watched).say('n=7')['n-total'], 507);
  assert.deepEqual([keys[0]?.device, keys[0]?.point, keys[0]?.total], ['rain', 'n', 'n-total']);
  assert.equal(talkerOf({ n: { counter, scale: 2 } }, watched).say('n=7')['n-total'], 14);
  assert.equal(talkerOf({ n: { counter, from: 'm' } }, watched).say('m=7')['n-total'], 7);
});

test('the report of a counter holds for its total as well', () => {
  const report = { change: 5 };
  const { talker } = talkerOf({ level: {}, n: { counter: { modulus: 9 }, report } });
  assert.deepEqual(talker.shapes[0]?.report, [undefined, report, 1]);
});

test('faults are told with what to write instead, and rules may watch the total', () => {
  const faults = (points: Record<string, object>, device: object = LEVELS) =>
    serial.checkDevice(deviceOf(device, points)).map((fault) => `${fault.path.join('.')}: ${fault.message}`);
  const counter = { modulus: 1000 };
  assert.deepEqual(faults({ n: { counter, scale: 0.2 }, m: { type: 'int64', counter } }), []);
  const binary = {
    frame: { type: 'length', length: 4, start: '55' },
    decode: { type: 'binary', fields: { n: { offset: 1, type: 'uint16' } } },
  };
  assert.deepEqual(faults({ n: { counter: { modulus: 65_536 } } }, binary), []);
  for (const [points, words, device] of [
    [{ n: { type: 'string', counter } }, /points\.n\.counter: only numbers count/],
    [{ n: { type: 'bool', counter } }, /only numbers count/],
    [{ n: { scale: -1, counter } }, /its scale is above 0/],
    [{ n: { offset: 4, counter } }, /it has no offset/],
    [{ n: { counter: { modulus: 0 } } }, /points\.n\.counter\.modulus: .*above 0/],
    [{ n: { type: 'int64', counter: { modulus: 9.5 } } }, /a int64 counts whole raw numbers/],
    [{ n: { counter: { modulus: 70_000 } } }, /a uint16 cannot reach this modulus: it holds less than 65536/, binary],
    [{ n: { counter }, 'n-total': {} }, /already has a point n-total/],
  ] as const)
    assert.match(faults(points, device).join('\n'), words);
  const points = deviceOf(LEVELS, { n: { counter }, m: { type: 'int64', counter: { ...counter, total: 'all' } }, o: {} }).points;
  assert.deepEqual(
    [...serial.derivedPoints(points)],
    [
      ['n-total', { type: 'float64', of: 'n', unit: undefined }],
      ['all', { type: 'uint64', of: 'm', unit: undefined }],
    ],
  );
});
