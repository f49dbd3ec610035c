/** Runs the golden folders of test/cases/serial; their README tells the format. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { parseHex } from '../../../src/codecs/serial/hex.ts';
import { Talker } from '../../../src/codecs/serial/talker.ts';
import type { TalkerConfig } from '../../../src/codecs/serial/types.ts';
import type { Sample } from '../../../src/core/point.ts';
import { hasValue, reasonAt } from '../../../src/core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonName } from '../../../src/core/reasons.ts';
import { talkerConfig } from '../../../src/drivers/serial/kind.ts';
import { serialDevice, serialPoint } from '../../../src/drivers/serial/schema.ts';

const folder = path.join(import.meta.dirname, '../../cases/serial');

function load(name: string): TalkerConfig {
  const text = readFileSync(path.join(folder, name, 'config.yaml'), 'utf8');
  const { device, points } = parse(text) as { device: unknown; points: Record<string, unknown> };
  return talkerConfig({
    name,
    bus: 'line',
    settings: serialDevice.parse(device),
    points: new Map(Object.entries(points).map(([key, point]) => [key, serialPoint.parse(point)])),
  });
}

function asRecord(sample: Sample): object {
  const parts: Record<'values' | 'bad' | 'uncertain', Record<string, unknown>> = { values: {}, bad: {}, uncertain: {} };
  sample.shape.points.forEach(({ name }, i) => {
    const reason = reasonAt(sample, i);
    if (reason === ABSENT) return;
    const value = sample.values[i];
    if (hasValue(reason)) parts.values[name] = typeof value === 'bigint' ? String(value) : value;
    const quality = qualityOf(reason);
    if (reason !== GOOD && quality !== 'good') parts[quality][name] = reasonName(reason);
  });
  return Object.fromEntries(Object.entries(parts).filter(([key, part]) => key === 'values' || Object.keys(part).length > 0));
}

for (const entry of readdirSync(folder, { withFileTypes: true }).filter((e) => e.isDirectory())) {
  test(`serial case ${entry.name}`, () => {
    const talker = new Talker(load(entry.name));
    const records: object[] = [];
    let now = 0;
    for (const line of readFileSync(path.join(folder, entry.name, 'input.hex'), 'utf8').split('\n')) {
      const wait = /^wait (\d+)$/.exec(line);
      if (wait) now += Number(wait[1]);
      else if (line !== '' && !line.startsWith('#')) records.push(...talker.push(parseHex(line), now).map(asRecord));
    }
    const expected = JSON.parse(readFileSync(path.join(folder, entry.name, 'expected.json'), 'utf8')) as object;
    assert.deepEqual({ records, counters: talker.counters }, expected);
  });
}
