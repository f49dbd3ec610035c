import assert from 'node:assert/strict';
import test from 'node:test';
import { ExportProgress } from '../../../src/cli/export-progress.ts';

const NOON = Date.UTC(2027, 2, 1, 12);
const MINUTE = 60_000;

function bench(from: number, to: number) {
  let now = 0;
  const drawn: string[] = [];
  const progress = new ExportProgress({ write: (text: string) => drawn.push(text) }, from, to, () => now);
  return {
    drawn,
    progress,
    take: (piece: string, ms = 1000) => {
      now += ms;
      progress.took(piece);
    },
  };
}
const csv = (...minutes: number[]) =>
  minutes.map((m) => `0123456789,7,b1,pump,pressure,${new Date(NOON + m * MINUTE).toISOString()},1.5,bar,good,\n`).join('');

test('the bar follows the times in the lines, from the asked range, and ends full', () => {
  const { drawn, progress, take } = bench(NOON, NOON + 10 * MINUTE);
  take(`log,seq,boot,device,point,time,value,unit,quality,reason\n${csv(0, 1)}`);
  assert.equal(drawn[0], '\r[###...........................]  10 %  3 lines, 0.0 MB ');
  take(csv(2, 3, 4, 5));
  assert.match(drawn[1] ?? '', /^\r\[#{15}\.{15}\] {2}50 % {2}7 lines/);
  // A board that learnt the time: an earlier time does not turn it back.
  take(csv(4));
  assert.match(drawn[2] ?? '', / 50 % {2}8 lines/);
  take(csv(99));
  assert.match(drawn[3] ?? '', /^\r\[#{30}\] 100 %/);
  progress.end();
  assert.match(drawn[4] ?? '', /^\r\[#{30}\] 100 % {2}9 lines/);
  assert.equal(drawn[5], '\n');
});

test('a bar without a beginning starts at the first reading; it reads JSON, buckets and `?`', () => {
  const to = NOON + 10 * MINUTE;
  const json = bench(0, to);
  json.take(`{"log":"x","seq":1,"time":${NOON},"values":{}}\n`);
  json.take(`{"log":"x","seq":2,"time":${NOON + 5 * MINUTE},"values":{}}\n`);
  assert.deepEqual(
    json.drawn.map((text) => /(\d+) %/.exec(text)?.[1]),
    ['0', '50'],
  );
  const estimated = bench(0, to);
  estimated.take(csv(0).replace('Z,', 'Z?,'));
  estimated.take(csv(5).replace('Z,', 'Z?,'));
  assert.match(estimated.drawn[1] ?? '', / 50 %/);
  const buckets = bench(0, to);
  buckets.take(`${new Date(NOON).toISOString()},pump.pressure,1,2,3,60,0\n`);
  buckets.take(`${new Date(NOON + 5 * MINUTE).toISOString()},pump.pressure,1,2,3,60,0\n`);
  assert.match(buckets.drawn[1] ?? '', / 50 %/);
});

test('it is drawn ten times a second at most, and counts all the same', () => {
  const { drawn, progress, take } = bench(NOON, NOON + 10 * MINUTE);
  for (let i = 0; i < 1000; i++) take(csv(1).repeat(100), 10);
  assert.equal(drawn.length, 100);
  progress.end();
  assert.match(drawn.at(-2) ?? '', /100,000 lines, 6\.\d MB/);
});

test('an export of nothing ends as well', () => {
  const { drawn, progress } = bench(0, NOON);
  progress.end();
  assert.equal(drawn.at(-1), '\n');
});
