/** Golden cases of the presets `aws-iot` and `azure-iot-hub`: CONNECT, topics and payloads. `SLUICE_GOLDEN=write` writes them anew. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { wireOf } from '../../harness/preset-wire.ts';

const CASES = path.join(import.meta.dirname, '../../cases');

for (const preset of ['aws-iot', 'azure-iot-hub'])
  for (const name of readdirSync(path.join(CASES, preset)))
    test(`${preset}: ${name}`, async (t) => {
      const folder = path.join(CASES, preset, name);
      const text = await wireOf(t, folder);
      const golden = path.join(folder, 'wire.txt');
      if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(golden, text);
      assert.equal(text, readFileSync(golden, 'utf8'));
    });
