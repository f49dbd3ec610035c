/**
 * Golden folder: each broken configuration with exactly what people are told. After a deliberate change of words run
 * SLUICE_UPDATE_GOLDEN=1 node --test test/unit/config/refused.test.ts and read the difference.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { kinds } from '../../../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '../../..');
const folder = path.join(root, 'test/cases/config-refused');
const names = readdirSync(folder).sort();

test('there are cases', () => assert.ok(names.length >= 14));

for (const name of names) {
  test(`refused: ${name}`, () => {
    const dir = path.join(folder, name);
    const { config, faults } = loadConfig(path.join(dir, 'gateway.yaml'), kinds, {
      profileDirs: [path.join(root, 'hardware-profiles/devices')],
      env: {},
    });
    assert.equal(config, undefined);
    const told = `${faults.map(formatFault).join('\n').replaceAll(`${dir}/`, '').replaceAll(`${root}/`, '')}\n`;
    const file = path.join(dir, 'expected.txt');
    if (process.env.SLUICE_UPDATE_GOLDEN === '1' && told !== (existsSync(file) ? readFileSync(file, 'utf8') : ''))
      writeFileSync(file, told);
    assert.equal(told, readFileSync(file, 'utf8'));
    assert.doesNotMatch(told, /Invalid|expected|received|undefined|\[object|zod|hunter2/, 'words of a library, or a secret');
  });
}
