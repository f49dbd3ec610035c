/** Derived points: what is computed when, how good it is, and what a device reports. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { derivedBench, sampleWords } from '../../fakes/derived-bench.ts';

const ROOM = { 'hall.temperature': 'Cel', 'hall.humidity': '%', 'yard.temperature': '[degF]' };
const DEW = `
  air:
    bus: sums
    staleAfter: 1m
    points:
      dew: {compute: dew-point, from: {temperature: hall.temperature, humidity: hall.humidity}}
      mean: {compute: average, from: [hall.temperature, yard.temperature], unit: Cel}
      above: {compute: average, from: [air.dew, air.mean], unit: Cel}`;

test('derived: one sample gives one record, in its turn, after all inputs of a point are there', async () => {
  const { give, told, clock, bus } = derivedBench(ROOM, DEW);
  await assert.rejects(bus.read('air'), { code: 'timeout', message: /waits for hall\.temperature/ });
  give('hall', { temperature: 20, humidity: 50 });
  assert.deepEqual(told(), ['air.dew=9.26']);
  await clock.advance(1000);
  give('yard', { temperature: 50 });
  assert.deepEqual(told(), ['air.mean=15 air.above=12.13']);
  assert.deepEqual((await bus.read('air')).map(sampleWords), ['air.dew=9.26 air.mean=15 air.above=12.13']);
  await assert.rejects(bus.read('nobody'), { code: 'not-found' });
  await clock.advance(1000);
  give('hall', { temperature: 22, humidity: 50 });
  // Values of the new temperature only: none of an old and a new input of one sample.
  assert.deepEqual(told(), ['air.dew=11.09 air.mean=16 air.above=13.545']);
});

test('derived: a record has the time of the sample that caused it', () => {
  const { give, samples } = derivedBench(ROOM, DEW);
  give('hall', { temperature: 20, humidity: 50 }, 1234.5);
  assert.deepEqual(
    samples.map(({ at }) => at),
    [1234.5],
  );
});

test('derived: a bad input makes a point bad for the same reason, an uncertain one uncertain', () => {
  const { give, told, device } = derivedBench(ROOM, DEW);
  give('hall', { temperature: 20, humidity: 50 });
  give('yard', { temperature: 50 });
  told();
  give('hall', { temperature: { reason: 'crc' } });
  assert.deepEqual(told(), ['air.dew!crc air.mean!crc air.above!crc']);
  assert.match(device('air').fault ?? '', /points are bad \(dew: hall\.temperature is bad, crc; mean: hall\.temperature/);
  give('hall', { temperature: { reason: 'out-of-range', value: 20 } });
  assert.deepEqual(told(), ['air.dew=9.26?out-of-range air.mean=15?out-of-range air.above=12.13?out-of-range']);
  assert.equal(device('air').fault, undefined);
  give('hall', { humidity: 0 });
  assert.deepEqual(told(), ['air.dew!invalid air.above!invalid']);
});

test('derived: an input that is too old makes its points bad when it becomes too old, once', async () => {
  const { give, told, clock, samples, device } = derivedBench(ROOM, DEW);
  give('hall', { temperature: 20, humidity: 50 });
  give('yard', { temperature: 50 });
  told();
  await clock.advance(40_000);
  give('hall', { temperature: 20, humidity: 50 });
  assert.deepEqual(told(), ['air.dew=9.26 air.mean=15 air.above=12.13']);
  await clock.advance(30_000);
  assert.deepEqual(told(), ['air.mean!timeout air.above!timeout']);
  assert.equal(samples.at(-1)?.at, 60_001);
  assert.match(device('air').fault ?? '', /mean: no new reading of yard\.temperature/);
  await clock.advance(3_600_000);
  assert.deepEqual(told(), ['air.dew!timeout air.above!timeout']);
  give('yard', { temperature: 50 });
  assert.deepEqual(told(), ['air.mean!timeout air.above!timeout']);
  give('hall', { temperature: 20, humidity: 50 });
  assert.deepEqual(told(), ['air.dew=9.26 air.mean=15 air.above=12.13']);
});

const PLACE = { 'dust.aqi': '1', 'ozone.aqi': '1', 'gas.so2': '[ppb]', 'gas.day': '[ppb]' };
const BROKEN = `
  place:
    bus: sums
    staleAfter: 1m
    points:
      aqi: {compute: maximum, from: [dust.aqi, ozone.aqi], unit: '1', missing: skip}
      strict: {compute: maximum, from: [dust.aqi, ozone.aqi], unit: '1'}
      so2: {compute: aqi-so2, from: {so2: gas.so2, day: gas.day}}`;

test('derived: an input that never had a reading is left out once it had its time', async () => {
  const { give, told, clock, samples, device } = derivedBench(PLACE, BROKEN);
  await clock.advance(3_600_000);
  give('dust', { aqi: 70 });
  await clock.advance(50_000);
  give('dust', { aqi: 71 });
  await clock.advance(10_000);
  assert.deepEqual(told(), [], 'the wait begins with the first reading of another input');
  await clock.advance(1);
  assert.deepEqual(told(), ['place.aqi=71?partial']);
  assert.equal(samples.at(-1)?.at, 3_660_001);
  give('dust', { aqi: 72 });
  assert.deepEqual(told(), ['place.aqi=72?partial']);
  // The others are bad or too old as ever, and for their own reason.
  give('dust', { aqi: { reason: 'crc' } });
  assert.deepEqual(told(), ['place.aqi!crc']);
  assert.match(device('place').fault ?? '', /aqi: dust\.aqi is bad, crc/);
  give('dust', { aqi: 73 });
  await clock.advance(3_600_000);
  assert.deepEqual(told(), ['place.aqi=73?partial', 'place.aqi!timeout']);
  give('ozone', { aqi: 40 });
  give('dust', { aqi: 74 });
  assert.deepEqual(told(), ['place.aqi=40?partial place.strict!timeout', 'place.aqi=74 place.strict=74']);
});

test('derived: the index of a gas with two means leaves out one that never comes', async () => {
  const { give, told, clock } = derivedBench(PLACE, BROKEN);
  give('gas', { so2: 50 });
  await clock.advance(60_000);
  give('gas', { so2: 50 });
  assert.deepEqual(told(), []);
  await clock.advance(1);
  assert.deepEqual(told(), ['place.so2=69?partial']);
  give('gas', { day: 10, so2: 50 });
  assert.deepEqual(told(), ['place.so2=69']);
});

test('derived: a point whose inputs are all bad names one that never came', async () => {
  const { give, told, clock, device } = derivedBench(PLACE, BROKEN);
  give('ozone', { aqi: { reason: 'timeout' } });
  await clock.advance(3_600_000);
  assert.deepEqual(told(), ['place.aqi!timeout']);
  assert.match(device('place').fault ?? '', /aqi: ozone\.aqi is bad, timeout/);
  give('ozone', { aqi: 40 });
  await clock.advance(60_001);
  assert.deepEqual(told(), ['place.aqi=40?partial', 'place.aqi!timeout']);
  assert.match(device('place').fault ?? '', /aqi: no reading of dust\.aqi yet/);
});

test('derived: a reading older than the newest of its point changes nothing', () => {
  const { give, told } = derivedBench(ROOM, DEW);
  give('hall', { temperature: 20, humidity: 50 }, 5000);
  told();
  give('hall', { temperature: 30, humidity: 50 }, 4000);
  assert.deepEqual(told(), []);
});

test('derived: every bounds the records, keeps the newest values, and lets bad ones through', async () => {
  const { give, told, clock, device } = derivedBench(ROOM, DEW.replace('staleAfter: 1m', 'staleAfter: 1h\n    every: 10s'));
  for (let i = 0; i <= 5; i++) {
    give('hall', { temperature: 20 + i, humidity: 50 });
    await clock.advance(1000);
  }
  assert.deepEqual(told(), ['air.dew=9.26']);
  await clock.advance(4000);
  assert.deepEqual(told(), ['air.dew=13.85']);
  assert.equal(device('air').counters.leftOut, 5);
  give('hall', { temperature: 30 });
  give('hall', { temperature: { reason: 'timeout' } });
  give('hall', { temperature: { reason: 'timeout' } });
  assert.deepEqual(told(), ['air.dew!timeout']);
  await clock.advance(60_000);
  assert.deepEqual(told(), ['air.dew!timeout']);
});

test('derived: what waited for `every` has the time of its record, also at a stop', async () => {
  const { give, samples, clock, bus } = derivedBench(ROOM, DEW.replace('staleAfter: 1m', 'staleAfter: 1h\n    every: 10m'));
  give('hall', { temperature: 20, humidity: 50 });
  await clock.advance(5000);
  give('hall', { temperature: 21 });
  await clock.advance(595_000);
  // The log passes over stretches whose records are older than a question: one that is old behind newer ones would hide those.
  assert.deepEqual(
    samples.map(({ at }) => at),
    [0, 600_000],
  );
  await clock.advance(5000);
  give('hall', { temperature: 22 });
  await clock.advance(95_000);
  await bus.stop();
  assert.deepEqual(
    samples.map(({ at }) => at),
    [0, 600_000, 700_000],
  );
});

test('derived: energy counts what lies between readings, and marks what a gap leaves out', async () => {
  const { give, told, clock } = derivedBench(
    { 'meter.power': 'W' },
    `
  sums:
    bus: sums
    staleAfter: 1m
    points:
      energy: {compute: energy, from: meter.power, unit: kW.h}
      euros: {compute: sum, from: [sums.energy], unit: MW.h}`,
  );
  give('meter', { power: 3600 });
  await clock.advance(10_000);
  give('meter', { power: 7200 });
  await clock.advance(10_000);
  give('meter', { power: { reason: 'timeout' } });
  await clock.advance(10_000);
  give('meter', { power: 7200 });
  await clock.advance(120_000);
  give('meter', { power: 7200 });
  assert.deepEqual(told(), [
    'sums.energy=0 sums.euros=0',
    'sums.energy=0.015 sums.euros=0.000015',
    'sums.energy!timeout sums.euros!timeout',
    'sums.energy=0.055 sums.euros=0.000055',
    'sums.energy!timeout sums.euros!timeout',
    'sums.energy=0.055?partial sums.euros=0.000055?partial',
  ]);
});

test('derived: the rate of a counter sees rollovers and resets, of 64 bits too', async () => {
  const { give, told, clock } = derivedBench(
    { 'water.count': 'm3', 'heat.count': 'int64 kW.h' },
    `
  flow:
    bus: sums
    points:
      water: {compute: rate, from: water.count, unit: L/min, modulus: 1000}
      heat: {compute: rate, from: heat.count, unit: kW}`,
  );
  for (const count of [990, 996, 2, 1, 1]) {
    give('water', { count });
    await clock.advance(60_000);
  }
  assert.deepEqual(told(), [
    'flow.water!not-ready',
    'flow.water=6000',
    // 996 -> 2 of 1000 is 6; 2 -> 1 is a reset, and 1 has come since.
    'flow.water=6000',
    'flow.water=1000',
    'flow.water=0',
  ]);
  give('heat', { count: 9_007_199_254_740_993n });
  await clock.advance(3_600_000);
  told();
  give('heat', { count: 9_007_199_254_740_995n });
  assert.deepEqual(told(), ['flow.heat=2?partial']);
});
