import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const UNIT = path.join(import.meta.dirname, '..', '..', '..', 'systemd', 'sluice.service');
const SYSTEMD = 'apt-get install -y systemd';

test('systemd has nothing to say against the unit', (t) => {
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  // The program is not installed where the tests run, and verify looks for it.
  const unit = path.join(scratch(t), 'sluice.service');
  writeFileSync(unit, readFileSync(UNIT, 'utf8').replace('/usr/bin/sluice', '/bin/true'));
  const result = spawnSync(analyze, ['verify', '--man=no', unit], { encoding: 'utf8' });
  assert.equal(result.stderr + result.stdout, '');
  assert.equal(result.status, 0);
});

test('the unit is fenced: exposure at most 3.0 of 10', (t) => {
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  const result = spawnSync(analyze, ['security', '--offline=true', '--threshold=30', '--no-pager', UNIT], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stdout.split('\n').slice(-4).join('\n') + result.stderr);
});

test('the unit keeps what the promises rest on', () => {
  const unit = readFileSync(UNIT, 'utf8');
  // The tail that is not on the card yet survives a dead process only in a kept runtime directory.
  assert.match(unit, /^RuntimeDirectory=sluice$/m);
  assert.match(unit, /^RuntimeDirectoryPreserve=yes$/m);
  assert.match(unit, /^StateDirectory=sluice$/m);
  assert.match(unit, /^SupplementaryGroups=dialout$/m);
  assert.match(unit, /^StartLimitIntervalSec=0$/m);
});
