/** The profiles that `sluice scan` tries on a device. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { candidates } from '../../../src/cli/wire/suggest.ts';

test('a scan tries profiles that can be planned, SunSpec after its chain, and no talkers', () => {
  const all = candidates();
  for (const { profile, requests, wishes } of all) assert.equal(requests().length > 0, wishes.length === 0, profile);
  const names = all.map((c) => c.profile);
  for (const known of ['xy-md02', 'sdm630', 'pzem-016', 'tracer', 'sunspec-inverter', 'sunspec-meter-float'])
    assert.ok(names.includes(known), known);
  for (const other of ['sds011', 'mh-z19']) assert.ok(!names.includes(other), other);
});
