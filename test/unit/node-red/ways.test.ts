/** What Node-RED runs as, and what `sluice check` says is missing for it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { nodeRedSection } from '../../../src/config/node-red.ts';
import { flowFolder, userFault } from '../../../src/node-red/child-way.ts';
import { installFault, NODE_RED_VERSION } from '../../../src/node-red/place.ts';
import { UNIT_PLACES } from '../../../src/node-red/unit-way.ts';
import { missingParts, wayOf } from '../../../src/node-red/ways.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const section = (keys: object) => nodeRedSection.parse({ enabled: true, ...keys });

function installed(t: TestContext, version: unknown): string {
  const folder = scratch(t, 'installed');
  mkdirSync(path.join(folder, 'node_modules/node-red'), { recursive: true });
  writeFileSync(path.join(folder, 'node_modules/node-red/package.json'), JSON.stringify({ version }));
  return folder;
}

test('a user, the same user, or the service', () => {
  const way = (keys: object) => wayOf(section(keys), { clock: new ManualClock(), stateDir: '/state' });
  const as = (keys: object) => [way(keys).runsAs, way(keys).folder, way(keys).socket];
  assert.deepEqual(as({ user: 'flows' }), ['user', '/state-node-red', '/state-node-red/editor.sock']);
  assert.deepEqual(as({ unsafeSameUser: true }), ['same-user', '/state/node-red', '/state/node-red/editor.sock']);
  assert.deepEqual(as({}), ['service', UNIT_PLACES.folder, undefined]);
  assert.equal(flowFolder('/state', { unsafeSameUser: false }), '/state-node-red');
});

test('an installation that is missing, damaged or of another version', (t) => {
  assert.match(installFault(scratch(t, 'empty')) ?? '', /^Node-RED is not installed; run sh scripts\/setup-node-red\.sh in /);
  assert.match(installFault(scratch(t, 'empty'), true) ?? '', /; run apt-get install sluice-node-red$/);
  assert.equal(installFault(installed(t, NODE_RED_VERSION)), undefined);
  assert.match(installFault(installed(t, '1.0.0')) ?? '', /belongs to this gateway, and 1\.0\.0 is installed; run sh /);
  assert.ok((installFault(installed(t, 'x'.repeat(10_000))) ?? '').length < 400);
  const damaged = installed(t, '');
  writeFileSync(path.join(damaged, 'node_modules/node-red/package.json'), '{');
  assert.match(installFault(damaged) ?? '', /is not installed/);
});

test('a user that is not there, or is root, is refused with what to do', async () => {
  const root = process.getuid?.() === 0;
  const missing = await userFault(section({ user: 'no-such-user-here' }));
  assert.match(missing ?? '', root ? /useradd --system .* no-such-user-here$/ : /only a gateway that runs as root/);
  if (root) assert.match((await userFault(section({ user: 'root' }))) ?? '', /^root is root, which nothing holds back/);
  assert.equal(await userFault(section({})), undefined);
  assert.equal(await userFault(section({ unsafeSameUser: true })), undefined);
});

test('what is missing has the key beside it; a section that is off lacks nothing', async (t) => {
  const keys = async (config: object, folder: string) =>
    (await missingParts(section(config), folder)).map(({ key, message }) => [key, message.split(/[;:,]/)[0]]);
  const whole = installed(t, NODE_RED_VERSION);
  assert.deepEqual(await missingParts(nodeRedSection.parse({ enabled: false }), scratch(t, 'empty')), []);
  assert.deepEqual(await keys({ unsafeSameUser: true }, whole), [['unsafeSameUser', 'every flow can end this gateway']]);
  assert.deepEqual(
    (await keys({ user: 'no-such-user-here' }, scratch(t, 'empty'))).map(([key]) => key),
    ['enabled', 'user'],
  );
});
