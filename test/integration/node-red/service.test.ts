/**
 * Node-RED as a service: it gets its sockets as systemd hands them over, starts when the gateway connects, and ends by the stop file.
 * No systemd runs where the tests run: test/harness/units.py takes its part.
 */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { nodeRedSection } from '../../../src/config/node-red.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { FlowState } from '../../../src/core/flow-supervisor.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { FlowDoor } from '../../../src/node-red/door/door.ts';
import { Supervisor } from '../../../src/node-red/supervisor.ts';
import { type UnitPlaces, UnitWay } from '../../../src/node-red/unit-way.ts';
import { DoorWorld } from '../../fakes/door-source.ts';
import { startChild } from '../../harness/child.ts';
import { putNode } from '../../harness/door-site.ts';
import { flowsClient } from '../../harness/flows-client.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer, peer } from '../../peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');

async function startUnits(t: TestContext, python: string): Promise<UnitPlaces> {
  const folder = scratch(t, 'units');
  const places = {
    ...{ sockets: path.join(folder, 'run'), stopFile: path.join(folder, 'stop'), ownerFile: path.join(folder, 'owner') },
    ...{ door: path.join(folder, 'door'), folder: path.join(folder, 'own') },
  };
  mkdirSync(places.sockets);
  mkdirSync(places.folder, { mode: 0o700 });
  const units = path.join(ROOT, 'test', 'harness', 'units.py');
  const service = [path.join(ROOT, 'bin', 'sluice-node-red'), '--memory', '160MB', '--allow', 'exec'];
  const child = startChild(t, python, [units, places.sockets, places.stopFile, places.folder, ...service]);
  t.after(() => child.stop('SIGTERM'));
  await waitFor('the sockets', () => child.stdout.includes('ready'));
  return places;
}

test('the service starts when the gateway connects, and ends by the stop file', async (t) => {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  if (python === undefined || !nodeRedPeer(t)) return;
  const places = await startUnits(t, python);
  const lines: string[] = [];
  const write = (_data: object, message: string): void => void lines.push(message);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  const door = new FlowDoor({ clock: systemClock, logger, source: new DoorWorld(systemClock).source(), changed: () => {} });
  putNode(places.folder, places.folder, false);
  const supervisor = new Supervisor({
    ...{ clock: systemClock, logger, tell: () => {}, random: Math.random, door },
    way: () => new UnitWay(systemClock, places),
    secret: async () => 'a secret',
    title: () => 'Gateway',
    savedSafeMode: async () => undefined,
    saveSafeMode: async () => {},
  });
  t.after(() => supervisor.stop(1000));
  const until = (state: FlowState) =>
    waitFor(
      () => `${state}; it is ${JSON.stringify(supervisor.status())}; lines:\n${lines.join('\n')}`,
      () => supervisor.status().state === state,
    );
  await supervisor.prepare(nodeRedSection.parse({ enabled: true })).apply();
  await until('running');
  const { pid, runsAs } = supervisor.status();
  assert.equal(runsAs, 'service');
  assert.ok(lines.some((line) => line.startsWith('Welcome to Node-RED')));
  assert.equal(supervisor.editor, path.join(places.sockets, 'editor.sock'));
  assert.ok(existsSync(path.join(places.folder, '.config.runtime.json')), 'the folder is that of the service');

  // The gateway does not know the user of the service: everybody may connect, and the token decides.
  const inside = await waitFor('the settings of a node', () => {
    const file = path.join(places.folder, 'door.json');
    return existsSync(file)
      ? (JSON.parse(readFileSync(file, 'utf8')) as { socket: string; token: string; fence: boolean })
      : undefined;
  });
  assert.deepEqual([inside.socket, inside.fence], [path.join(places.door, 'flows.sock'), true]);
  assert.deepEqual([lstatSync(places.door).mode & 0o777, lstatSync(inside.socket).mode & 0o777], [0o711, 0o666]);
  const flow = await flowsClient(t, inside.socket, inside.token);
  assert.equal(supervisor.status().door?.connections, 1);

  process.kill(pid ?? 0, 'SIGKILL');
  await flow.ended();
  await until('backing-off');
  await until('running');
  assert.notEqual(supervisor.status().pid, pid);

  await supervisor.prepare(undefined).apply();
  await until('stopped');
  assert.deepEqual([supervisor.status().door?.open, existsSync(inside.socket)], [false, false]);
  assert.equal(existsSync(places.stopFile), false);
});

test('without the units the words say which ones to enable', async (t) => {
  const folder = scratch(t, 'units');
  const places = {
    sockets: path.join(folder, 'none'),
    stopFile: path.join(folder, 'stop'),
    ownerFile: path.join(folder, 'owner'),
    door: folder,
    folder,
  };
  assert.throws(
    () => new UnitWay(systemClock, places).clear(),
    /systemctl enable --now sluice-node-red.socket sluice-node-red-stop.path/,
  );
});
