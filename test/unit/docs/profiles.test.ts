/**
 * Follows docs/how-to/write-a-device-profile.md: its files, in its order, and what it says that the command prints. The profiles
 * and the table of docs/reference/profiles.md are held against the code.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { checkProfile } from '../../../src/cli/profile/check.ts';
import { CHECKSUM_KINDS, CHECKSUMS } from '../../../src/codecs/serial/checksum.ts';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { ProfileLibrary } from '../../../src/config/profiles.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { scratch } from '../../harness/scratch.ts';

const root = path.join(import.meta.dirname, '../../..');
const library = path.join(root, 'hardware-profiles/devices');
const steps = readFileSync(path.join(root, 'docs/how-to/write-a-device-profile.md'), 'utf8');
const reference = readFileSync(path.join(root, 'docs/reference/profiles.md'), 'utf8');
const blocks = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((m) => m[1] ?? '');

test('the ten minutes: every step prints what the page says', (t) => {
  const folder = scratch(t, 'ten-minutes');
  mkdirSync(path.join(folder, 'profiles'));
  const file = path.join(folder, 'profiles/ht-1.yaml');
  const [profile = '', cases = '', site = ''] = blocks(steps, 'yaml');
  const printed = blocks(steps, 'console').map((text) => text.split('\n').slice(1).join('\n').trimEnd());
  const check = () => {
    const { faults, points, caseCount } = checkProfile(file, undefined, [library]);
    const lines = faults.map((fault) => formatFault(fault).replaceAll(`${folder}/`, ''));
    return faults.length === 0
      ? `profiles/ht-1.yaml is good: ${points} points, ${caseCount} case of profiles/ht-1.case.yaml.`
      : `${lines.join('\n')}\n${faults.length} fault${faults.length === 1 ? '' : 's'}.`;
  };
  writeFileSync(file, profile);
  assert.equal(check(), printed[0]);
  writeFileSync(file, profile.replace('unit: °C', 'unit: Cel, range: {min: -50, max: 80}'));
  writeFileSync(file.replace('.yaml', '.case.yaml'), cases);
  assert.equal(check(), printed[1]);
  writeFileSync(file.replace('.yaml', '.case.yaml'), cases.replace('humidity: 5,', 'humidity: 50,'));
  assert.equal(check(), printed[2]);
  const { faults, warnings, config } = loadConfigText(site, path.join(folder, 'gateway.yaml'), kinds, { profileDirs: [library] });
  assert.deepEqual([faults, warnings], [[], []]);
  assert.equal(config?.devices.get('room')?.points.size, 3);
});

test('the other profiles of the page are valid', (t) => {
  const folder = scratch(t, 'profiles');
  const whole = blocks(reference, 'yaml').filter((text) => Object.hasOwn(parse(text) as object, 'vendor'));
  assert.ok(whole.length >= 2);
  for (const [i, text] of whole.entries()) {
    writeFileSync(path.join(folder, `of-page-${i}.yaml`), text);
    const found = new ProfileLibrary([library, folder], kinds).get(`of-page-${i}`);
    assert.ok('profile' in found, text);
  }
});

test('the table of checksums is that of the code', () => {
  const rows = [...reference.matchAll(/^\| `([a-z0-9-]+)` \| (\d) \| (.*) \|$/gm)].map(([, type, bytes, says]) => [
    type,
    bytes,
    says,
  ]);
  assert.deepEqual(
    rows,
    CHECKSUM_KINDS.map((kind) => [kind, String(CHECKSUMS[kind].bytes), CHECKSUMS[kind].says]),
  );
});
