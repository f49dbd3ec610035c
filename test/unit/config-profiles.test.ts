/**
 * The whole library: every profile is valid against the real kinds, and has a case folder whose bytes come out as its
 * documentation says. The readings of a case are worked out from the documentation, never with our decoders.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { ModbusPoint, Table } from '../../src/codecs/modbus-point.ts';
import { pointInfo, widthOf } from '../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../src/codecs/modbus-registers.ts';
import { Talker } from '../../src/codecs/serial/talker.ts';
import { formatFault } from '../../src/config/fault.ts';
import type { ResolvedDevice } from '../../src/config/kinds.ts';
import { loadConfigText } from '../../src/config/load.ts';
import type { Sample, Value } from '../../src/core/point.ts';
import { hasValue, reasonAt } from '../../src/core/point.ts';
import { GOOD, qualityOf, reasonName } from '../../src/core/reasons.ts';
import { planReads } from '../../src/drivers/modbus/plan.ts';
import type { DeviceSettings } from '../../src/drivers/modbus/schema.ts';
import { talkerConfig } from '../../src/drivers/serial/kind.ts';
import { kinds } from '../../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '../..');
const library = path.join(root, 'hardware-profiles/devices');
const profiles = globSync('**/*.yaml', { cwd: library }).sort();

interface Case {
  readonly name: string;
  /** Largest difference, as a part of the value, where the documentation rounds. */
  readonly tolerance?: number;
  readonly registers?: Partial<Record<Table, Record<number, string>>>;
  readonly frames?: string;
  readonly readings: Record<string, Value>;
  readonly bad?: Record<string, string>;
  readonly uncertain?: Record<string, string>;
}

function device(profile: string): ResolvedDevice {
  const family = (parse(readFileSync(path.join(library, `${profile}.yaml`), 'utf8')) as { family: string }).family;
  const protocol = family === 'modbus' ? 'modbus-rtu' : family;
  const text = `gateway: {id: g}\nbuses: {b: {protocol: ${protocol}, port: /dev/ttyUSB0}}\ndevices: {d: {bus: b, profile: ${path.basename(profile)}}}\n`;
  const { config, faults } = loadConfigText(text, '/nowhere/gateway.yaml', kinds, { profileDirs: [library] });
  assert.deepEqual(faults.map(formatFault), []);
  const found = config?.devices.get('d');
  assert.ok(found !== undefined);
  return found;
}

/** Reads the image as the driver would, request by request; a request that meets an address the case leaves out is not made. */
function readRegisters(of: ResolvedDevice, image: NonNullable<Case['registers']>): Sample[] {
  const points = [...of.points].map(([name, settings]) => ({ name, ...(settings as unknown as Omit<ModbusPoint, 'name'>) }));
  const bytes = new Map<string, number>();
  for (const [table, blocks] of Object.entries(image))
    for (const [start, hex] of Object.entries(blocks))
      for (const [i, byte] of fromHex(hex).entries()) bytes.set(`${table}:${2 * Number(start) + i}`, byte);
  const given = points.filter(
    (p) => bytes.has(`${p.table}:${2 * p.address}`) && bytes.has(`${p.table}:${2 * (p.address + widthOf(p)) - 1}`),
  );
  const { interval, limits } = of.settings as unknown as DeviceSettings;
  const planned = given.map((point) => ({ ...point, interval }));
  return planReads(planned, limits, { request: 40, byte: 1 }).map((request) => {
    const payload = Uint8Array.from(
      { length: 2 * request.count },
      (_, i) => bytes.get(`${request.table}:${2 * request.start + i}`) ?? 0,
    );
    const shape = { device: of.name, points: request.points.map(pointInfo) };
    return compileRequest(shape, request.points, request.start)(payload, 0);
  });
}

const fromHex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function outcome(samples: readonly Sample[]) {
  const told = {
    readings: {} as Record<string, Value>,
    bad: {} as Record<string, string>,
    uncertain: {} as Record<string, string>,
  };
  for (const sample of samples)
    for (const [i, { name }] of sample.shape.points.entries()) {
      const reason = reasonAt(sample, i);
      if (hasValue(reason)) told.readings[name] = sample.values[i] ?? 0;
      if (reason !== GOOD && qualityOf(reason) !== 'good')
        told[hasValue(reason) ? 'uncertain' : 'bad'][name] = reasonName(reason);
    }
  return told;
}

test('the library is not empty', () => assert.ok(profiles.length >= 3));

for (const file of profiles) {
  const profile = file.slice(0, -'.yaml'.length);
  const folder = path.join(root, 'test/cases/profiles', profile.replace('/', '-'));

  test(`${profile}: valid`, () => {
    const resolved = device(profile);
    assert.ok(resolved.points.size > 0);
    const { sources } = parse(readFileSync(path.join(library, file), 'utf8')) as { sources: string[] };
    assert.ok(sources.length >= 2, 'at least two independent sources');
  });

  test(`${profile}: its cases`, () => {
    const written = parse(readFileSync(path.join(folder, 'case.yaml'), 'utf8')) as {
      profile: string;
      source: string;
      cases: Case[];
    };
    assert.equal(written.profile, path.basename(profile));
    assert.ok(written.source.length > 20 && written.cases.length > 0);
    const seen = new Set<string>();
    for (const { name, tolerance = 0, registers, frames, readings, bad = {}, uncertain = {} } of written.cases) {
      const resolved = device(profile);
      const told = outcome(
        registers === undefined
          ? new Talker(talkerConfig(resolved)).push(fromHex(frames ?? ''), 0)
          : readRegisters(resolved, registers),
      );
      assert.deepEqual(Object.keys(told.readings).sort(), Object.keys(readings).sort(), name);
      for (const [point, value] of Object.entries(readings)) {
        const got = told.readings[point];
        if (typeof value === 'number')
          assert.ok(
            Math.abs(Number(got) - value) <= tolerance * Math.abs(value),
            `${name}: ${point} is ${String(got)}, not ${value}`,
          );
        else assert.equal(got, value, name);
        seen.add(point);
      }
      assert.deepEqual(told.bad, bad, name);
      assert.deepEqual(told.uncertain, uncertain, name);
    }
    assert.deepEqual([...seen].sort(), [...device(profile).points.keys()].sort(), 'every point has a reading in some case');
  });
}
