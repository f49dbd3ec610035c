/** What a page and a run of a program have in common: test/harness/walk-shape.ts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { difference, fits, joinLines, match, renewed, shapeOf } from '../../harness/walk-shape.ts';

const SAME: readonly (readonly [page: string, written: string])[] = [
  ['06:12:09.953  fridge.temperature            6.2 °C', '23:59:01.000  fridge.temperature            -12.25 °C'],
  ['26 Nov 2026 06:08:10 UTC, known for 1m 16s by system clock', '1 Jan 2027 12:00:00 UTC+06:00, known for 900ms by chrony'],
  ['log  1 record, 280.6kB of 256MB', 'log  8,040 records, 1.2MB of 256MB'],
  ['good again since 06:08:04 (1 reply)', 'good again since 14:00:59 (12 replies)'],
  ['  fridge  silent     4 of 8 requests answered', '  fridge  silent  1 of 1 request answered'],
  ['bus field (modbus-rtu) open', 'bus field (modbus-rtu) open, busy 15 % of the time'],
  ['gives no good answer since 06:07:20', 'gives no good answer since 06:07:21, asked again in 4s'],
  ['data 2..6: 5 of 5 records are new', 'data 100002..100006: 1 of 1 records are new'],
  [
    'f02500f820,2,b1,fridge,temperature,2026-11-26T06:12:06.073Z,6.3,Cel,good,',
    '53effbaea2,17,b1,fridge,temperature,2026-11-26T06:12:06Z,6,Cel,good,',
  ],
  [
    '2026-11-26T06:12:00.000Z,fridge.humidity,40.5,42.36666666666667,44.8,3,3',
    '2026-11-26T06:12:00.000Z,fridge.humidity,40,42,45,10,0',
  ],
  ['{"value":3.2,"unit":"bar","log":"21d765838c"}', '{"value":16,"unit":"bar","log":"0000000000"}'],
  ['INFO: The gateway is running.', '\u001b[32mINFO\u001b[39m: \u001b[36mThe gateway is running.\u001b[39m\r'],
  ['{"seq":9,"device":"pump",…', '{"seq":14,"device":"pump","time":1,"values":{}}'],
];
const DIFFERENT: readonly (readonly [page: string, written: string])[] = [
  ['fridge  answering  2 of 2 requests answered', 'fridge  silent  2 of 2 requests answered'],
  ['06:12:09.953  fridge.temperature  6.2 °C', '06:12:09.953  fridge.humidity  6.2 %'],
  ['06:12:09.953  fridge.temperature  6.2 °C', '06:12:09.953  fridge.temperature  bad (timeout)'],
  ['event start: The gateway started (b1).', 'event start: The gateway started (b2).'],
  ['there is no profile "xy-md01"', 'there is no profile "xy-md02"'],
  ['Nothing is wrong.', '1 thing is wrong:'],
  ['{"seq":9,"device":"pump",…', '{"seq":14,"device":"tank","time":1}'],
];

test('a line fits whatever the time, the numbers and the machine', () => {
  for (const [page, written] of SAME) assert.ok(fits(page, written), `${shapeOf(page)}\n${shapeOf(written)}`);
});

test('a line with another word, state, point or name does not fit', () => {
  for (const [page, written] of DIFFERENT) assert.ok(!fits(page, written), `${page}\n${written}`);
});

test('a broken line is one, wherever it was broken', () => {
  assert.deepEqual(joinLines(['  forwarder x', '    cannot be', '    reached', 'bus y']), [
    '  forwarder x cannot be reached',
    'bus y',
  ]);
  assert.deepEqual(joinLines(['    first']), ['    first']);
});

test('what ends has to write just the lines of the page', () => {
  assert.deepEqual(match(['a 1', 'b'], ['a 2', 'b']), { is: 'whole', used: 2 });
  assert.deepEqual(match(['a 1', 'b'], ['a 2']), { is: 'so far' });
  assert.deepEqual(match(['a 1', 'b'], ['a 2', 'c', 'b']), { is: 'different' });
  assert.deepEqual(match(['a 1'], ['a 2', 'c']), { is: 'different' });
  assert.deepEqual(match([], []), { is: 'whole', used: 0 });
  assert.deepEqual(match(['…', 'b'], ['x', 'y', 'b']), { is: 'whole', used: 3 });
  assert.deepEqual(match(['a', '…'], ['a', 'x']), { is: 'whole', used: 1 });
});

test('what runs on may repeat lines of the page, and write no others', () => {
  const known = ['t 1', 'h 1', 'ALARM'];
  assert.deepEqual(match(['t 1', 'ALARM'], ['t 5', 'h 6', 't 7', 'ALARM', 't 8'], known), { is: 'whole', used: 4 });
  assert.deepEqual(match(['t 1', 'ALARM'], ['t 5', 'fault', 'ALARM'], known), { is: 'different' });
  // The last line may still grow.
  assert.deepEqual(match(['t 1', 'ALARM'], ['t 5', 'fau'], known), { is: 'so far' });
  assert.deepEqual(match(['ALARM', 't 1'], ['t 5', 'h 1'], known), { is: 'so far' });
});

test('a difference is one column: only in the page, only in the program', () => {
  assert.equal(difference(['a 1', 'b', 'c'], ['a 9', 'x', 'c']), '  a 9\n- b\n+ x\n  c');
  assert.equal(difference(['a'], []), '- a');
});

test('a page gets the values of a run and keeps what stands for anything', () => {
  assert.deepEqual(renewed(['a 1', 'b 2'], ['a 7', 'b 8']), ['a 7', 'b 8']);
  assert.deepEqual(renewed(['…', 'b 2'], ['a 7', 'b 8']), ['…', 'b 8']);
  assert.deepEqual(renewed(['a 1', '{"x":1,…'], ['a 7', '{"x":2,"y":3}']), ['a 7', '{"x":1,…']);
  assert.deepEqual(renewed(['t 1', 'end'], ['t 2', 't 3', 'end']), ['t 2', 'end']);
  // A long line breaks elsewhere: the run's breaks are taken.
  assert.deepEqual(renewed(['a 1', '    b c'], ['a 22 b', '    c']), ['a 22 b', '    c']);
});
