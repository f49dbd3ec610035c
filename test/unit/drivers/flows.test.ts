/** Points that flows make: what is taken, what is refused, what waits, and what is known of the device. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { loadConfigText } from '../../../src/config/load.ts';
import type { FlowReading, FlowTaken } from '../../../src/core/flow-points.ts';
import { hasValue, reasonAt, type Value } from '../../../src/core/point.ts';
import { qualityOf } from '../../../src/core/reasons.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { flowsBench } from '../../fakes/flows-bench.ts';

const CALC = `
  calc:
    bus: derived
    silentAfter: 5m
    points:
      mean: {unit: Cel, range: {min: -40, max: 80}}
      count: {type: int64}
      open: {type: bool}
      word: {type: string}`;
const ROOMS = `
  rooms:
    bus: derived
    silentAfter: 1h
    accept: {prefix: room-, points: 3}`;

const codeOf = (taken: FlowTaken): string => (typeof taken === 'string' ? taken : taken.code);
const wordsOf = (taken: FlowTaken): string => (typeof taken === 'string' ? taken : taken.message);

test('flows: values become readings of the type, the unit and the range of their point', () => {
  const { put, told } = flowsBench(CALC);
  assert.equal(put('calc.mean', 21.5, { unit: 'Cel' }), 'taken');
  assert.equal(put('calc.mean', 99), 'taken');
  assert.equal(put('calc.mean', '7.5'), 'taken');
  assert.equal(put('calc.count', '9007199254740993'), 'taken');
  assert.equal(put('calc.open', 1), 'taken');
  assert.equal(put('calc.word', 'on'), 'taken');
  assert.deepEqual(told(), [
    'calc.mean=21.5',
    'calc.mean=99?out-of-range',
    'calc.mean=7.5',
    'calc.count=9007199254740993',
    'calc.open=true',
    'calc.word=on',
  ]);
});

test('flows: a reading without a value is bad, and one with a doubt is uncertain', () => {
  const { put, told } = flowsBench(CALC);
  put('calc.mean', null);
  put('calc.mean', null, { reason: 'timeout' });
  put('calc.mean', 4, { reason: 'disconnected' });
  put('calc.mean', 4, { reason: 'retained' });
  put('calc.mean', null, { reason: 'retained' });
  assert.deepEqual(told(), [
    'calc.mean!not-a-number',
    'calc.mean!timeout',
    'calc.mean!disconnected',
    'calc.mean=4?retained',
    'calc.mean!not-a-number',
  ]);
});

test('flows: what does not fit is refused with words, changes nothing and is no sign of life', () => {
  const { put, told, device } = flowsBench(CALC);
  assert.match(wordsOf(put('calc.mean', 'warm')), /calc\.mean is a number, and "warm" is none/);
  assert.match(wordsOf(put('calc.mean', 4, { unit: '[degF]' })), /calc\.mean is in Cel, and the reading in \[degF\]; convert it/);
  assert.match(wordsOf(put('calc.open', 'maybe')), /calc\.open is a bool/);
  assert.match(wordsOf(put('calc.count', 1.5)), /calc\.count is a whole number/);
  assert.match(wordsOf(put('calc.word', 'x', { unit: 'Cel' })), /calc\.word has no unit/);
  assert.match(wordsOf(put('calc.nothing', 1)), /no point nothing; it has: calc\.mean, calc\.count, calc\.open, calc\.word/);
  assert.match(wordsOf(put('fridge.temperature', 1)), /fridge is none; there are: calc/);
  assert.equal(codeOf(put('calc.__proto__', 1)), 'not-found');
  assert.equal(codeOf(put('__proto__.mean', 1)), 'not-found');
  assert.deepEqual([told(), device().state, device().counters.badReplies], [[], 'unknown', 7]);
  assert.match(device().fault ?? '', /no point __proto__/);
  put('calc.mean', 4);
  assert.deepEqual([device().fault, device().state], [undefined, 'answering']);
});

test('flows: a read that ends without a reading quotes nothing that a flow gave', async () => {
  const { put, device, bus, clock } = flowsBench(CALC);
  for (const [point, value] of [['calc.mean', 'Anna'] as const, ['calc.anna', 1] as const]) {
    put(point, value);
    assert.match(device().fault ?? '', /anna/i, 'the status on the board has the words');
    const read = assert.rejects(bus.read('calc'), (thrown: Error) => {
      assert.match(
        thrown.message,
        /no reading of flows within .*: the gateway refuses what flows give; sluice status shows why$/,
      );
      return true;
    });
    await clock.advance(60_000);
    await read;
  }
});

test('flows: a device without readings is silent, says so once, and comes back', async () => {
  const { put, told, device, clock, hub } = flowsBench(CALC);
  put('calc.mean', 4);
  await clock.advance(299_000);
  assert.equal(device().state, 'answering');
  told();
  await clock.advance(2000);
  assert.deepEqual(told(), ['calc.mean!timeout', 'calc.count!timeout', 'calc.open!timeout', 'calc.word!timeout']);
  assert.match(device().fault ?? '', /no flow gives a reading of calc/);
  hub.open = false;
  assert.equal(device().fault, 'Node-RED does not run');
  await clock.advance(3_600_000);
  assert.deepEqual(told(), []);
  hub.open = true;
  put('calc.mean', 5);
  assert.deepEqual([told(), device().state], [['calc.mean=5'], 'answering']);
});

test('flows: of too many readings the newest of each point is used, and the others are counted', async () => {
  const { put, told, device, clock, events } = flowsBench(CALC);
  for (let i = 0; i < 1000; i++) put('calc.mean', i % 50);
  put('calc.open', true);
  assert.equal(told().length, 21, 'twice what a second has, and the other point');
  await clock.advance(1000);
  assert.deepEqual(told(), ['calc.mean=49']);
  const { counters, fault } = device();
  assert.deepEqual([counters.replies, counters.leftOut], [22, 979]);
  assert.match(fault ?? '', /more than 10 readings a second/);
  assert.deepEqual(
    events.map(({ event }) => event),
    ['overload'],
  );
});

test('flows: points come by the beginning of their name, as many as the device accepts', () => {
  const { put, told, grown, bus, kept } = flowsBench(ROOMS);
  assert.equal(bus.shapes.length, 0);
  assert.equal(codeOf(put('rooms.room-0', null)), 'request-invalid');
  assert.match(wordsOf(put('rooms.room-1', 1, { unit: 'degrees' })), /"degrees" is not a UCUM code/);
  assert.equal(put('rooms.room-1', 21, { unit: 'Cel' }), 'taken');
  assert.equal(put('rooms.room-2', true), 'taken');
  assert.equal(put('rooms.room-1', 22), 'taken');
  assert.match(wordsOf(put('rooms.room-1', 22, { unit: 'K' })), /is in Cel/);
  assert.equal(codeOf(put('rooms.hall', 1)), 'not-found');
  assert.equal(codeOf(put(`rooms.room-${'x'.repeat(80)}`, 1)), 'request-invalid');
  assert.equal(put('rooms.room-3', 'cold'), 'taken');
  assert.match(wordsOf(put('rooms.room-4', 1)), /has all 3 points that it accepts; raise accept\.points/);
  assert.deepEqual(told(), ['rooms.room-1=21', 'rooms.room-2=true', 'rooms.room-1=22', 'rooms.room-3=cold']);
  assert.deepEqual(
    bus.shapes.map(({ points }) => points[0]?.name),
    ['room-1', 'room-2', 'room-3'],
  );
  assert.equal(grown(), 3);
  assert.deepEqual(kept.get('rooms'), [
    { name: 'room-1', type: 'float64', unit: 'Cel' },
    { name: 'room-2', type: 'bool' },
    { name: 'room-3', type: 'string' },
  ]);
});

test('flows: accepted points that the configuration still accepts outlive a restart', () => {
  const kept = new Map([
    ['rooms', [{ name: 'room-1', type: 'float64', unit: 'Cel' } as const, { name: 'hall', type: 'bool' } as const]],
  ]);
  const { bus, put, told } = flowsBench(ROOMS, { kept });
  assert.deepEqual(
    bus.shapes.map(({ points }) => [points[0]?.name, points[0]?.unit]),
    [['room-1', 'Cel']],
  );
  put('rooms.room-1', 3);
  assert.deepEqual(told(), ['rooms.room-1=3']);
});

test('flows: a million new names cost three points', () => {
  const { put, bus, device, grown } = flowsBench(ROOMS);
  for (let i = 0; i < 1_000_000; i++) put(`rooms.room-${i}`, i);
  assert.deepEqual([bus.shapes.length, grown()], [3, 3]);
  assert.equal(device().counters.badReplies, 999_997);
});

test('flows: the readings of a point are in order of time', async () => {
  const { put, samples, clock } = flowsBench(CALC);
  await clock.advance(10_000);
  put('calc.mean', 1, { at: 9000 });
  put('calc.mean', 2, { at: 3000 });
  put('calc.open', true, { at: 3000 });
  assert.deepEqual(
    samples.map(({ at }) => at),
    [9000, 9000, 3000],
  );
});

test('flows: a bus without Node-RED is a warning, and a device without points is a fault', () => {
  const load = (nodeRed: string, devices: string) =>
    loadConfigText(
      `gateway: {id: g}\n${nodeRed}\nbuses: {derived: {protocol: flows}}\ndevices:\n${devices}\n`,
      '/tmp/gateway.yaml',
      kinds,
      { profileDirs: [] },
    );
  for (const off of ['', 'nodeRed: {enabled: false}'])
    assert.match(load(off, CALC).warnings[0]?.message ?? '', /Node-RED is not switched on, so no flow gives readings/);
  assert.deepEqual(load('nodeRed: {enabled: true}', CALC + ROOMS).warnings, []);
  assert.match(load('nodeRed: {enabled: true}', '  none: {bus: derived}').faults[0]?.message ?? '', /the device has no points/);
});

/** Whatever flows give: what is emitted is in the type of its point, and nothing is bad with a value of no sense. */
test('flows: any readings give samples of the type of their point, and each is counted', () => {
  const name = fc.constantFrom(
    'calc.mean',
    'calc.count',
    'calc.open',
    'calc.word',
    'calc.other',
    'rooms.room-a',
    'rooms.room-b',
    'x.y',
  );
  const value = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.string({ maxLength: 30 }),
    fc.constantFrom<FlowReading['value']>(null, '', '1e999', '-0', '12', 'true', 'NaN', '__proto__'),
  );
  const unit = fc.constantFrom(undefined, 'Cel', 'K', '');
  const reason = fc.constantFrom<FlowReading['reason']>(undefined, 'timeout', 'out-of-range');
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value, unit, reason), { maxLength: 40 }), (readings) => {
      const { put, samples, device } = flowsBench(CALC + ROOMS);
      const outcomes = readings.map(([point, v, u, r]) => put(point, v, { unit: u, reason: r }));
      for (const { shape, values, ...sample } of samples) {
        const [info] = shape.points;
        const code = reasonAt({ shape, values, ...sample }, 0);
        assert.notEqual(code, 255);
        if (!hasValue(code)) continue;
        const [got] = values as [Value];
        const types = { boolean: 'boolean', string: 'string', number: 'number', integer64: 'bigint' } as const;
        assert.equal(typeof got, types[info?.storage ?? 'number']);
        if (typeof got === 'number') assert.ok(Number.isFinite(got));
        assert.notEqual(qualityOf(code), 'bad');
      }
      const taken = outcomes.filter((one) => one === 'taken' || one === 'replaced').length;
      const counted = ['calc', 'rooms'].map((one) => device(one).counters);
      const [replies, leftOut] = [sum(counted.map((c) => c.replies)), sum(counted.map((c) => c.leftOut ?? 0))];
      // What is neither given nor left out waits, one reading a point at most.
      assert.ok(taken - replies - leftOut >= 0 && taken - replies - leftOut <= 7);
    }),
  );
});

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
