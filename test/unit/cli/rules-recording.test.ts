/** Recordings that people bring: tables of spreadsheets and loggers, exports, and what only looks like one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvSamples } from '../../../src/cli/rules/csv-recording.ts';
import { jsonSamples } from '../../../src/cli/rules/jsonl-recording.ts';
import { linesOf } from '../../../src/cli/rules/lines.ts';
import type { RecordedSample, Wanted, WantedPoint } from '../../../src/cli/rules/recording.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { reasonCode } from '../../../src/core/reasons.ts';
import { csvCell } from '../../../src/store/read/export-lines.ts';

const point = (whole: string, storage: WantedPoint['storage'] = 'number', typed = true): [string, WantedPoint] => {
  const [device = '', name = ''] = whole.split('.');
  return [whole, { device, name, type: 'float64', storage, typed }];
};
const wanted: Wanted = new Map([
  point('fridge.temperature'),
  point('fridge.door', 'boolean'),
  point('meter.count', 'integer64'),
  point('printer.status', 'string'),
]);
const TIME = Date.parse('2026-11-25T10:00:00Z');

async function* pieces(text: string | Uint8Array, size = 1e9): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function all(from: AsyncIterable<RecordedSample>): Promise<RecordedSample[]> {
  const found: RecordedSample[] = [];
  for await (const sample of from) found.push(sample);
  return found;
}
const csv = (
  text: string | Uint8Array,
  { size, offset, map = [] }: { size?: number; offset?: string; map?: [string, string][] } = {},
) => all(csvSamples(linesOf(pieces(text, size)), { wanted, offset, map: new Map(map), onIgnored: () => {} }));
const values = (samples: readonly RecordedSample[]) =>
  samples.map(({ time, readings }) => [time - TIME, ...readings.map(({ point, value }) => `${point}=${value}`)]);
const fault = (pattern: RegExp) => (thrown: unknown) =>
  thrown instanceof SluiceError && thrown.code === 'recording' && pattern.test(thrown.message);

test('a table of a spreadsheet is read, with a mark, decimal commas and line ends of its own', async () => {
  const text = '\ufeffTime;fridge.temperature [°C];note\r\n2026-11-25 16:00:00+06:00;4,5;x\r\n\r\n1795600801000;-0,25;\r\n;;\r\n';
  assert.deepEqual(values(await csv(text)), [
    [0, 'temperature=4.5'],
    [1000, 'temperature=-0.25'],
  ]);
});

test('an hour of one digit is read, and a day that does not exist is refused', async () => {
  const table = (time: string) => csv(`time;fridge.temperature\n${time};4,5\n`, { offset: '+06:00' });
  for (const time of ['2026-11-25 8:05', '2026-11-25T08:05:00.000', '2026-11-25 8:05:00+0600', '2026-11-25 02:05Z'])
    assert.deepEqual(values(await table(time)), [[-475 * 60_000, 'temperature=4.5']], time);
  for (const time of ['2026-02-30 08:05', '2026-13-01 08:05', '2026-11-25 25:05', '2026-02-29'])
    await assert.rejects(table(time), fault(/is not a time that exists/), time);
});

test('a table is the same in pieces of any size', async () => {
  const text =
    'time,fridge.temperature,printer.status\n2026-11-25T10:00:00Z,4.5,"a ""b"", ü\nline"\n2026-11-25T10:00:01Z,5,"-x"\n';
  const whole = await csv(text);
  for (const size of [1, 2, 3, 7, 50]) assert.deepEqual(await csv(text, { size }), whole);
  assert.deepEqual(
    whole.map(({ line }) => line),
    [2, 4],
  );
  assert.equal(whole[0]?.readings[1]?.value, 'a "b", ü\nline');
});

test('times without an offset need one', async () => {
  const text = 'time,fridge.temperature\n2026-11-25 16:00,4\n';
  await assert.rejects(csv(text), fault(/line 2: .*does not say its zone.*--offset \+06:00/));
  assert.deepEqual(values(await csv(text, { offset: '+06:00' })), [[0, 'temperature=4']]);
});

test('columns are found by their whole name, by their name alone and by --map', async () => {
  const text = 'timestamp,Temp 1,door\n2026-11-25T10:00:00Z,4,on\n';
  assert.deepEqual(values(await csv(text, { map: [['Temp 1', 'fridge.temperature']] })), [[0, 'temperature=4', 'door=true']]);
});

test('qualities and reasons are honoured in an export and in a table', async () => {
  const lines = [
    'log,seq,boot,device,point,time,value,unit,quality,reason',
    'x,1,b1,fridge,temperature,2026-11-25T10:00:00.000Z,,Cel,bad,timeout',
    'x,1,b1,fridge,door,2026-11-25T10:00:00.000Z,true,,good,',
    'x,2,b1,fridge,temperature,2026-11-25T10:00:01.000Z?,99,Cel,uncertain,out-of-range',
    'x,3,b2,meter,count,2026-11-25T10:00:02.000Z,9007199254740993,,good,',
  ];
  const [first, second, third] = await csv(`${lines.join('\n')}\n`);
  assert.deepEqual(first?.readings, [
    { device: 'fridge', point: 'temperature', value: undefined, reason: reasonCode('timeout') },
    { device: 'fridge', point: 'door', value: true, reason: 0 },
  ]);
  assert.deepEqual([second?.estimated, second?.readings[0]?.reason], [true, reasonCode('out-of-range')]);
  assert.deepEqual([third?.boot, third?.readings[0]?.value], ['b2', 9007199254740993n]);
  const table =
    'time,fridge.temperature,fridge.temperature quality\n2026-11-25T10:00:00Z,4,uncertain\n2026-11-25T10:00:00Z,4,crc\n2026-11-25T10:00:00Z,timeout,\n2026-11-25T10:00:00Z,NaN,\n';
  assert.deepEqual(
    (await csv(table)).map(({ readings }) => [readings[0]?.value, readings[0]?.reason]),
    [
      [4, reasonCode('out-of-range')],
      [undefined, reasonCode('crc')],
      [undefined, reasonCode('timeout')],
      [undefined, reasonCode('not-a-number')],
    ],
  );
});

test('a text that an export protects comes back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1 }).filter((text) => !/[\0\r\ud800-\udfff]/.test(text) && !/^'[=+\-@\t]/.test(text)),
      async (text) => {
        const found = await csv(`device,point,time,value\nprinter,status,${TIME},${csvCell(text)}\n`);
        assert.equal(found[0]?.readings[0]?.value, text);
      },
    ),
  );
});

const hostile: readonly (readonly [name: string, text: string | Uint8Array, words: RegExp])[] = [
  ['a NUL', 'time,fridge.temperature\n1795600801000,4\n17956\0', /line 3: .*NUL/],
  [
    'a quote that is never closed',
    'time,fridge.temperature\n1795600801000,"4\n1,2\n',
    /line 2: the quote that begins here is never closed/,
  ],
  ['text behind a quote', 'time,fridge.temperature\n1795600801000,"4"x\n', /line 2: .*closing quote/],
  ['100,000 columns', `time${',x'.repeat(100_000)}\n`, /line 1: it has 100001 columns/],
  ['a spreadsheet', Uint8Array.from([0x50, 0x4b, 3, 4, 1, 2, 3]), /Save it as CSV/],
  ['UTF-16', Buffer.from('\ufefftime,x\n', 'utf16le'), /UTF-16/],
  ['another encoding', Buffer.from('time,fridge.temperature\n1795600801000,4\nTemp \xb0C,4\n', 'latin1'), /line 3: .*UTF-8/],
  ['seconds', 'time,fridge.temperature\n1795600801,4\n', /line 2: .*seconds.*1000/],
  ['a day that does not exist', 'time,fridge.temperature\n2026-13-45T10:00:00Z,4\n', /line 2: .*exists/],
  ['no time', 'fridge.temperature\n4\n', /line 1: .*"time"/],
  ['date and time apart', 'date,time,fridge.temperature\n', /one column/],
  ['means', 'time,point,min,mean,max,count,bad\n', /without --every/],
  ['no known column', 'time,t1\n1795600801000,4\n', /--map "t1=fridge.temperature"/],
  ['a decimal comma between commas', 'time,fridge.temperature\n1795600801000,"4,5"\n', /line 2: .*decimal point/],
  ['a text for a number', 'time,fridge.temperature\n1795600801000,warm\n', /line 2: "warm" is no value of fridge.temperature/],
  ['one point twice', 'time,fridge.temperature,temperature\n', /both fridge.temperature/],
  ['a number too many', 'device,point,time,value\nfridge,temperature,1795600801000,4,5\n', /line 2: it has 5 columns/],
];
for (const [name, text, words] of hostile)
  test(`${name} gets an error with its line`, async () => {
    for (const size of [5, 1e9]) await assert.rejects(csv(text, { size: name === '100,000 columns' ? 1e9 : size }), fault(words));
  });

test('a line of a gigabyte is refused after a megabyte', async () => {
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('time,fridge.temperature\n');
    for (; given < 1024; given++) yield Buffer.alloc(1024 ** 2, 0x31);
  }
  await assert.rejects(
    all(csvSamples(linesOf(endless()), { wanted, offset: undefined, map: new Map(), onIgnored: () => {} })),
    fault(/line 2: it is longer than 1MB/),
  );
  assert.ok(given < 4);
});

test('a quote that goes on for megabytes is refused', async () => {
  const text = `time,fridge.temperature\n1795600801000,"4\n${'1795600801000,4\n'.repeat(100_000)}`;
  await assert.rejects(csv(text), fault(/line 2: the quote that begins here is not closed within 1MB/));
});

test('JSON lines of an export are read, and damaged ones are named', async () => {
  const read = (text: string) => all(jsonSamples(linesOf(pieces(text)), wanted));
  const record = { device: 'fridge', time: TIME, boot: 'b1', values: { temperature: 4.5 }, bad: { door: 'timeout' } };
  const [sample] = await read(`${JSON.stringify(record)}\n`);
  assert.deepEqual(sample?.readings, [
    { device: 'fridge', point: 'temperature', value: 4.5, reason: 0 },
    { device: 'fridge', point: 'door', value: undefined, reason: reasonCode('timeout') },
  ]);
  for (const [text, words] of [
    ['{', /line 1: it is no JSON/],
    ['[1]', /line 1: it is no JSON object/],
    ['{"time":1}', /no "device"/],
    ['{"device":"fridge","time":"now"}', /"time" is no number/],
    ['{"device":"fridge","time":1,"values":3}', /"values" is no object/],
    ['{"device":"fridge","time":1,"values":{"temperature":{}}}', /neither a number/],
    ['{"device":"fridge","time":1,"bad":{"temperature":"cold"}}', /no reason/],
    ['{"time":1,"point":"a.b","min":1,"mean":1,"max":1}', /without --every/],
  ] as const)
    await assert.rejects(read(text), fault(words), text);
});

test('whatever a file holds, it is read or refused with a sentence', async () => {
  const letters = fc.constantFrom(
    'time',
    'fridge.temperature',
    ',',
    ';',
    '"',
    '\n',
    '\r\n',
    '1795600801000',
    '4',
    '{',
    '}',
    ' ',
    'é',
    '=',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(letters, { maxLength: 40 }), async (parts) => {
      try {
        await csv(parts.join(''));
      } catch (thrown) {
        assert.ok(thrown instanceof SluiceError && thrown.code === 'recording', String(thrown));
      }
    }),
    { numRuns: 500 },
  );
});
