/** Node-RED as a service: a socket, a stop file, and a systemd that the test plays. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { FromChild } from '../../../src/node-red/messages.ts';
import { ENABLE, UnitWay, unitFault } from '../../../src/node-red/unit-way.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

function places(t: TestContext) {
  const dir = scratch(t, 'unit');
  const sockets = path.join(dir, 'sockets');
  mkdirSync(sockets);
  return {
    sockets,
    stopFile: path.join(dir, 'stop'),
    ownerFile: path.join(dir, 'owner'),
    door: path.join(dir, 'door'),
    folder: path.join(dir, 'flows'),
  };
}

/** The service: what it gets, and a way to say something. It ends, and the file goes, when the file is there. */
async function service(t: TestContext, { sockets, stopFile }: ReturnType<typeof places>) {
  const got: string[] = [];
  let open: net.Socket | undefined;
  const server = net.createServer((socket) => {
    open = socket;
    socket.on('data', (chunk) =>
      got.push(
        ...chunk
          .toString()
          .split('\n')
          .filter((l) => l !== ''),
      ),
    );
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(path.join(sockets, 'gateway.sock'), resolve));
  const systemd = setInterval(() => {
    if (!existsSync(stopFile)) return;
    open?.destroy();
    rmSync(stopFile, { force: true });
  }, 10);
  t.after(() => {
    clearInterval(systemd);
    open?.destroy();
    server.close();
  });
  return {
    got,
    say: (message: FromChild | string) => open?.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
  };
}

function listener() {
  const messages: FromChild[] = [];
  const ends: string[] = [];
  return {
    ...{ messages, ends },
    message: (message: FromChild) => void messages.push(message),
    output: () => {},
    ended: (why: string) => void ends.push(why),
  };
}

test('it is cleared, started, spoken to and ended by its socket and its stop file', async (t) => {
  const at = places(t);
  const unit = await service(t, at);
  const way = new UnitWay(systemClock, at);
  assert.deepEqual([way.runsAs, way.socket, way.folder], ['service', undefined, at.folder]);
  assert.equal(await way.adopt(), path.join(at.sockets, 'editor.sock'));
  await way.clear();
  assert.equal(existsSync(at.stopFile), false);
  const heard = listener();
  const process = await way.start(heard);
  process.send({ type: 'check', n: 1 });
  await waitFor('the check', () => unit.got.includes('{"type":"check","n":1}'));
  unit.say('no message');
  unit.say({ type: 'hello', pid: 4711, allows: [] });
  unit.say({ type: 'hello', pid: 1, allows: [] });
  unit.say({ type: 'ready', version: '5.0.7' });
  await waitFor('its words', () => heard.messages.length === 3);
  assert.equal(process.pid, 4711);
  process.end();
  await waitFor('its end', () => heard.ends.length > 0);
  assert.deepEqual(heard.ends, ['its service ended (journalctl -u sluice-node-red)']);
  assert.equal(existsSync(at.stopFile), false);
  process.send({ type: 'check', n: 2 });
  process.kill();
  await waitFor('the stop file to go', () => !existsSync(at.stopFile));
  assert.equal(heard.ends.length, 1);
});

test('a service that is not there is named with the command that brings it', async (t) => {
  const at = places(t);
  assert.match(unitFault(at), /the service sluice-node-red is not there/);
  assert.ok(unitFault(at).includes(ENABLE));
  const way = new UnitWay(systemClock, at);
  await assert.rejects(async () => way.clear(), { code: 'unsupported', message: unitFault(at) });
  await assert.rejects(way.start(listener()), (error: Error) => {
    assert.match(error.message, /gateway\.sock does not answer \(.*ENOENT.*\); run systemctl enable/);
    return true;
  });
});

test('a stop file that nobody takes is removed after its time, and nothing starts', async (t) => {
  const at = places(t);
  const server = net.createServer().listen(path.join(at.sockets, 'gateway.sock'));
  t.after(() => server.close());
  await waitFor('the socket', () => unitFault(at) === '');
  const clock = new ManualClock();
  const cleared = assert.rejects(new UnitWay(clock, at).clear(), /systemd did not end the service of Node-RED/);
  await clock.advance(20_000);
  assert.equal(existsSync(at.stopFile), true);
  await clock.advance(10_000);
  await cleared;
  assert.equal(existsSync(at.stopFile), false);
});

test('a stop file that cannot be written is a reason not to start', async (t) => {
  const at = { ...places(t), stopFile: '/nowhere/at/all/stop' };
  const server = net.createServer().listen(path.join(at.sockets, 'gateway.sock'));
  t.after(() => server.close());
  await waitFor('the socket', () => unitFault(at) === '');
  await assert.rejects(new UnitWay(systemClock, at).clear(), /\/nowhere\/at\/all\/stop cannot be written/);
});
