/** The two ways to sign on the side of the platform: the command and openssl make the same signature. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { configureKey, signerOf } from '../../../src/core/configure-keys.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { peer } from '../../peers/peers.ts';

const SIGN = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'configure', 'sign.sh');
const YAML = 'gateway: {id: site-1, name: "পাম্প"}\nbuses: {}\n';

test('the command and openssl sign the same bytes, and bad files are refused', async (t) => {
  const folder = scratch(t, 'sign');
  const [key, file] = [path.join(folder, 'fleet.pem'), path.join(folder, 'site.yaml')];
  writeFileSync(file, YAML);
  const { stdout } = await sluice(t, 'configure', 'key', key);
  const pinned = configureKey(stdout.trim());
  assert.ok(pinned !== undefined, stdout);
  assert.equal(statSync(key).mode & 0o777, 0o600);
  assert.equal((await sluice(t, 'configure', 'key', key)).stdout, stdout, 'a key that is there is not made anew');
  const made = await sluice(t, 'configure', 'sign', '-k', key, '-n', '7', '-o', path.join(folder, 'out'), file);
  assert.equal(made.code, 0, made.stderr);
  const message = JSON.parse(readFileSync(path.join(folder, 'out', 'site-1.json'), 'utf8'));
  assert.deepEqual([message.id, message.do, message.version, message.yaml], ['configure-7', 'configure', 7, YAML]);
  const signed = { gateway: 'site-1', version: 7, expires: undefined, yaml: YAML };
  assert.equal(signerOf(signed, message.signature, [pinned])?.text, pinned.text);
  writeFileSync(file, `${YAML}rulez: {}\n`);
  const bad = await sluice(t, 'configure', 'sign', '-k', key, '-n', '8', file);
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /site\.yaml:3:1: .*rulez/);
  writeFileSync(file, YAML);
  if (peer(t, 'openssl', 'apt-get install -y openssl') === undefined) return;
  const foreign = spawnSync('sh', [SIGN, key, 'site-1', '7', '0', file], { encoding: 'utf8' });
  assert.equal(foreign.status, 0, foreign.stderr);
  const theirs = JSON.parse(foreign.stdout);
  assert.deepEqual({ ...theirs, signature: Buffer.from(theirs.signature, 'base64').toString('base64url') }, message);
});
