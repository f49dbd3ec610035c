/**
 * Bytes of a reading upstream, by dialect, compression and age of a batch: payloads alone, without MQTT, TCP and TLS. Counts of
 * bytes do not depend on the machine or its load. `npm run bench:dialects`
 */
import { COMPRESSIONS } from '../src/codecs/compress.ts';
import type { FormatOptions } from '../src/codecs/format.ts';
import { encodeBatch, formatNamed } from '../src/codecs/formats.ts';
import type { LogRecord } from '../src/core/point.ts';
import { MOST_READINGS } from '../src/forwarders/mqtt/dialect-keys.ts';
import { DIALECTS } from '../src/gateway/registry.ts';
import { printConditions } from './lib/conditions.ts';
import { SiteRecords } from './lib/site-records.ts';

const HOUR = 3_600_000;
const SITES = [
  {
    name: '`decimal`, 100 points of 1 device, 1 Hz',
    set: 'decimal',
    devices: 1,
    points: 100,
    every: 1000,
    ages: [1000, 60_000, HOUR],
  },
  {
    name: '`float32`, 100 points of 1 device, 1 Hz',
    set: 'float32',
    devices: 1,
    points: 100,
    every: 1000,
    ages: [1000, 60_000, HOUR],
  },
  {
    name: '`decimal`, 24 points of 6 devices, each minute',
    set: 'decimal',
    devices: 6,
    points: 4,
    every: 60_000,
    ages: [60_000, HOUR],
  },
] as const;
const FORMATS: readonly (readonly [name: string, words: string, options: FormatOptions])[] = [
  ['json', 'json', {}],
  ['line-protocol', 'line-protocol', {}],
  ['senml', 'senml, JSON', {}],
  ['senml', 'senml, CBOR', { encoding: 'cbor' }],
  ['columns', 'columns', {}],
];
const START = 1_795_000_000_000;

/** Batches as the outlet cuts them: by age, and by the most readings that the dialect may have. */
function* batchesOf(polls: readonly LogRecord[][], every: number, age: number, most: number): Generator<LogRecord[]> {
  const span = Math.max(1, age / every);
  for (let i = 0; i < polls.length; i += span) {
    const records = polls.slice(i, i + span).flat();
    const each = Math.max(1, Math.floor(most / (records[0]?.sample.values.length ?? 1)));
    for (let k = 0; k < records.length; k += each) yield records.slice(k, k + each);
  }
}

function bytesPerReading(
  polls: readonly LogRecord[][],
  every: number,
  age: number,
  name: string,
  options: FormatOptions,
): number {
  const dialect = DIALECTS.find((d) => d.name === name);
  const most = (dialect?.kind === 'log' ? dialect.maxReadings : undefined) ?? MOST_READINGS;
  let [bytes, readings] = [0, 0];
  for (const records of batchesOf(polls, every, age, most)) {
    const messages = encodeBatch(
      formatNamed(name),
      {
        ...{ lane: 'data', gateway: 'ghat-1', log: 'd42fdf5aac', boot: 'b3', inventory: 1 },
        ...{ sent: START + HOUR, offset: START, estimated: false, records },
      },
      options,
    );
    for (const { payload } of messages) bytes += Buffer.byteLength(payload);
    for (const { sample } of records) readings += sample.values.length;
  }
  return bytes / readings;
}

const AGES = new Map([
  [1000, '1 s'],
  [60_000, '1 min'],
  [HOUR, '1 h'],
]);
const figure = (bytes: number) => (bytes < 10 ? bytes.toFixed(2) : bytes.toFixed(1));

printConditions('Bytes of a reading upstream, by dialect');
for (const { name, set, devices, points, every, ages } of SITES) {
  const site = new SiteRecords(set, devices, points, 100_000);
  const polls = Array.from({ length: HOUR / every }, (_, i) => site.poll((i + 1) * every));
  console.log(`\n${name}, bytes of payload for each reading\n`);
  console.log(
    `| dialect | age of a batch | raw | ${COMPRESSIONS.join(' | ')} |\n|---|---|${'---:|'.repeat(1 + COMPRESSIONS.length)}`,
  );
  for (const [format, words, options] of FORMATS)
    for (const age of ages) {
      const raw = figure(bytesPerReading(polls, every, age, format, options));
      const packed = COMPRESSIONS.map((compress) =>
        format === 'columns' ? '' : figure(bytesPerReading(polls, every, age, format, { ...options, compress })),
      );
      console.log(`| ${words} | ${AGES.get(age)} | ${raw} | ${packed.join(' | ')} |`);
    }
}
