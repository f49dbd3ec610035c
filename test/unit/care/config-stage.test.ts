/** The name under which a restore holds: of several that are put together beside one configuration, one has it. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  decide,
  dropConfigStage,
  dropUndecided,
  makeConfigStage,
  newId,
  placeConfig,
  readDecision,
  stageConfig,
} from '../../../src/care/config-stage.ts';
import { scratch } from '../../harness/scratch.ts';

function staged(configFile: string, text: string): { id: string; stateDir: string } {
  const id = newId();
  makeConfigStage(configFile, id, undefined);
  stageConfig({ configFile, id }, 'gateway.yaml', [Buffer.from(text)], undefined);
  return { id, stateDir: `/var/lib/${text}` };
}
function place(t: TestContext): { folder: string; configFile: string } {
  const folder = scratch(t, 'stage');
  return { folder, configFile: path.join(folder, 'gateway.yaml') };
}

test('of two restores that are put together at once one holds until it is finished', (t) => {
  const { folder, configFile } = place(t);
  const [a, b] = [staged(configFile, 'a'), staged(configFile, 'b')];
  let named = 0;
  decide(configFile, a, undefined, () => named++);
  assert.throws(() => decide(configFile, b, undefined, () => named++), /another restore of .* is not finished: wait for its end/);
  assert.deepEqual([named, readDecision(configFile)], [1, a]);
  placeConfig(configFile, undefined);
  assert.equal(readFileSync(configFile, 'utf8'), 'a');
  dropConfigStage(configFile, b.id);
  assert.deepEqual(readDecision(configFile), a, 'only its own restore takes it away');
  dropConfigStage(configFile, a.id);
  decide(configFile, b, undefined, () => named++);
  placeConfig(configFile, undefined);
  dropConfigStage(configFile, b.id);
  assert.deepEqual([named, readFileSync(configFile, 'utf8'), readdirSync(folder)], [2, 'b', ['gateway.yaml']]);
});

test('what restores left that were killed goes, and nothing that holds or belongs to others', (t) => {
  const { folder, configFile } = place(t);
  const holds = staged(configFile, 'holds');
  decide(configFile, holds, undefined, () => {});
  for (let i = 0; i < 20; i++) staged(configFile, String(i));
  const others = ['.gateway.yaml.bak', '.other.yaml.sluice-restore', `.other.yaml.${newId()}.sluice-restore`];
  for (const name of others) writeFileSync(path.join(folder, name), '');
  dropUndecided(configFile);
  assert.deepEqual(readdirSync(folder).sort(), [...others, '.gateway.yaml.sluice-restore'].sort());
  assert.deepEqual(readDecision(configFile), holds);
});

test('a folder of the configuration that is a link is looked into as well', (t) => {
  const { folder } = place(t);
  const [real, link] = ['data', 'etc'].map((name) => path.join(folder, name)) as [string, string];
  mkdirSync(real);
  symlinkSync(real, link);
  const configFile = path.join(link, 'gateway.yaml');
  staged(configFile, 'killed');
  dropUndecided(configFile);
  assert.deepEqual(readdirSync(real), []);
});

test('a name in a mark leads to no other folder, and a name without a mark goes', (t) => {
  const { folder, configFile } = place(t);
  mkdirSync(path.join(folder, '.gateway.yaml.x', 'kept.sluice-restore'), { recursive: true });
  dropUndecided(configFile, 'x/kept');
  assert.ok(existsSync(path.join(folder, '.gateway.yaml.x', 'kept.sluice-restore')));
  mkdirSync(path.join(folder, '.gateway.yaml.sluice-restore', 'files'), { recursive: true });
  dropUndecided(configFile);
  assert.deepEqual(readdirSync(folder), ['.gateway.yaml.x']);
  dropUndecided(path.join(folder, 'missing', 'gateway.yaml'));
});
