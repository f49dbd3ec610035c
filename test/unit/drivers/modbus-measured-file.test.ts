/** The file in which measured answering times outlive a restart: what is damaged is not there, and nothing in it is unbounded. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { silentLogger } from '../../../src/core/logger.ts';
import { MeasuredFile, measuredText, parseMeasured, readMeasured } from '../../../src/drivers/modbus/measured-file.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const NAME = 'modbus-times.json';
const signed = (times: unknown) => JSON.stringify({ v: 1, crc: crc32(JSON.stringify(times)), times });

test('what was written is read; a damaged byte makes it nothing, or changes nothing', () => {
  const times = new Map([
    ['field/m1/modbus-rtu/1', 2.13],
    ['field/m2/modbus-rtu/2', 45],
  ]);
  const text = measuredText(times);
  assert.deepEqual(parseMeasured(text), times);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(text.length), (at, byte, cut) => {
      const damaged = Buffer.from(text);
      damaged[at] = byte;
      for (const found of [parseMeasured(damaged.toString()), parseMeasured(text.slice(0, cut))])
        if (found.size > 0) assert.deepEqual(found, times);
    }),
    { numRuns: 500 },
  );
});

test('a foreign or damaged file counts as empty, and only possible times are taken', () => {
  for (const text of ['', 'null', '[]', '{}', '7', signed(null), signed([]), '{"v":1,"crc":1,"times":{"a":1}}', '{"v":2}'])
    assert.equal(parseMeasured(text).size, 0, text);
  const odd = { a: -1, b: 60_001, c: '5', d: null, e: { f: 1 }, g: 3, ['k'.repeat(301)]: 4 };
  assert.deepEqual([...parseMeasured(signed(odd))], [['g', 3]]);
  const polluting = `{"__proto__":{"x":1},"h":2}`;
  const text = `{"v":1,"crc":${crc32(JSON.stringify(JSON.parse(polluting)))},"times":${polluting}}`;
  assert.deepEqual([...parseMeasured(text)], [['h', 2]]);
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, 1]));
  assert.equal(parseMeasured(signed(many)).size, 4096);
});

test('no file, a folder, a pipe, a link or a million bytes in its place are no file', (t) => {
  const folder = scratch(t, 'times');
  const file = path.join(folder, NAME);
  assert.equal(readMeasured(folder).size, 0);
  assert.equal(readMeasured(path.join(folder, 'nowhere')).size, 0);
  mkdirSync(file);
  assert.equal(readMeasured(folder).size, 0);
  rmSync(file, { recursive: true });
  execFileSync('mkfifo', [file]);
  assert.equal(readMeasured(folder).size, 0, 'nobody waits for a writer');
  rmSync(file);
  writeFileSync(path.join(folder, 'other'), signed({ a: 1 }));
  symlinkSync('other', file);
  assert.equal(readMeasured(folder).size, 0, 'a link is not followed');
  rmSync(file);
  writeFileSync(file, `${signed({ a: 1 })}${' '.repeat(1_000_000)}`);
  assert.equal(readMeasured(folder).size, 0);
});

test('it is written soon for what is new, each ten minutes for what has changed, and at a stop', async (t) => {
  const folder = scratch(t, 'times');
  const clock = new ManualClock();
  const file = new MeasuredFile(folder, clock, silentLogger);
  const stored = () => Object.fromEntries(readMeasured(folder));
  // The disk is a real one: what `stop` waits for was written.
  const settled = () => file.stop();
  file.set('a', 2.004);
  file.set('b', 20);
  assert.deepEqual(stored(), {});
  await clock.advance(1000);
  await settled();
  assert.deepEqual(stored(), { a: 2, b: 20 });
  file.set('a', 7);
  await clock.advance(500_000);
  assert.deepEqual(stored(), { a: 2, b: 20 }, 'not yet');
  await clock.advance(100_000);
  await settled();
  assert.deepEqual(stored(), { a: 7, b: 20 });
  file.set('b', 30);
  await clock.advance(30_000);
  file.set('d', 4);
  await clock.advance(29_000);
  assert.deepEqual(stored(), { a: 7, b: 20 }, 'not within a minute');
  await clock.advance(1000);
  await settled();
  assert.deepEqual(stored(), { a: 7, b: 30, d: 4 }, 'with what waits besides');
  file.set('c', 1);
  await file.stop();
  assert.deepEqual(stored(), { a: 7, b: 30, d: 4, c: 1 });
  assert.deepEqual(readdirSync(folder), [NAME]);
  assert.equal(statSync(path.join(folder, NAME)).mode & 0o037, 0, 'others read nothing');
  assert.equal(new MeasuredFile(folder, clock, silentLogger).get('c'), 1);
});

test('more than it holds: what was set longest ago goes', async (t) => {
  const folder = scratch(t, 'times');
  const file = new MeasuredFile(folder, new ManualClock(), silentLogger);
  for (let i = 0; i < 5000; i++) file.set(`k${i}`, 1);
  file.set('k904', 3);
  file.set('last', 2);
  await file.stop();
  const stored = readMeasured(folder);
  assert.equal(stored.size, 4096);
  assert.deepEqual([stored.get('k904'), stored.get('k905'), stored.get('k906'), stored.get('last')], [3, undefined, 1, 2]);
  assert.ok(readFileSync(path.join(folder, NAME)).length < 200_000);
});

test('a folder that takes no file costs one warning', async (t) => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_data: object, words: string) => void warnings.push(words) };
  const folder = path.join(scratch(t, 'times'), 'gone');
  const file = new MeasuredFile(folder, new ManualClock(), logger);
  for (const ms of [1, 5, 9]) {
    file.set('a', ms);
    await file.stop();
  }
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /modbus-times\.json cannot be written/);
});
