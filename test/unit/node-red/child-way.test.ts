/** Node-RED as a child under the same user: real processes behind the fence, with a Node-RED that does not start. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { nodeRedSection } from '../../../src/config/node-red.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { ChildWay, flowFolder } from '../../../src/node-red/child-way.ts';
import { leftovers } from '../../../src/node-red/leftovers.ts';
import type { FromChild } from '../../../src/node-red/messages.ts';
import { NODE_RED_VERSION } from '../../../src/node-red/place.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const config = nodeRedSection.parse({ enabled: true, unsafeSameUser: true });

/** A Node-RED with this program, in the folder of flows: the fence lets it be read there. */
function childBench(t: TestContext, program: string) {
  const stateDir = scratch(t, 'child');
  const folder = flowFolder(stateDir, config);
  const installed = path.join(folder, 'installed');
  const home = path.join(installed, 'node_modules/node-red');
  mkdirSync(home, { recursive: true });
  writeFileSync(path.join(home, 'package.json'), JSON.stringify({ version: NODE_RED_VERSION, main: 'red.js' }));
  writeFileSync(path.join(home, 'red.js'), program);
  writeFileSync(path.join(installed, 'package.json'), '{}');
  const messages: FromChild[] = [];
  const output: string[] = [];
  const ends: string[] = [];
  const way = new ChildWay({ clock: systemClock, stateDir, config, installed });
  return {
    ...{ stateDir, folder, way, messages, output, ends },
    start: async () => {
      const child = await way.start({
        message: (message) => void messages.push(message),
        output: (line) => void output.push(line),
        ended: (why) => void ends.push(why),
      });
      t.after(() => child.kill());
      return child;
    },
    order: { type: 'start', folder, socket: way.socket, credentialSecret: 's', flowKey: 'k', title: 'T', allow: [] } as const,
  };
}

test('a Node-RED that throws at its start: its words come, then its end, and nothing is left', async (t) => {
  const s = childBench(t, "exports.init = () => { throw new Error('no flow today'); };");
  const child = await s.start();
  await waitFor('its hello', () => s.messages.some(({ type }) => type === 'hello'));
  assert.deepEqual(leftovers(s.stateDir), [child.pid]);
  assert.equal(statSync(s.folder).mode & 0o777, 0o700);
  child.send(s.order);
  await waitFor('its end', () => s.ends.length > 0);
  assert.deepEqual(s.ends, ['it ended with status 1']);
  const failed = s.messages.find(({ type }) => type === 'failed');
  assert.match(failed?.type === 'failed' ? failed.text : '', /no flow today/);
  assert.deepEqual(leftovers(s.stateDir), []);
  // Nobody is there any more: nothing happens, and nothing is thrown.
  child.send({ type: 'check', n: 1 });
  child.end();
});

test('it ends when it is asked before it knows what to do, and when it is killed', async (t) => {
  const s = childBench(t, '');
  for (const [how, why] of [
    ['end', 'it ended with status 0'],
    ['kill', 'it was ended by SIGKILL'],
  ] as const) {
    s.messages.length = 0;
    const child = await s.start();
    await waitFor('its hello', () => s.messages.length > 0);
    child[how]();
    await waitFor('its end', () => s.ends.includes(why));
    await s.way.clear();
  }
  assert.deepEqual(leftovers(s.stateDir), []);
});

test('what V8 prints past the log is a line, and the end names the signal', async (t) => {
  const s = childBench(t, "require('node:fs').writeSync(2, 'FATAL ERROR: of a test\\n'); process.kill(process.pid, 'SIGABRT');");
  const child = await s.start();
  child.send(s.order);
  await waitFor('its end', () => s.ends.length > 0);
  assert.deepEqual([s.output, s.ends], [['FATAL ERROR: of a test'], ['it was ended by SIGABRT']]);
});

test('the folder is closed to others, and neither a file nor a link in its place is used', async (t) => {
  const s = childBench(t, '');
  chmodSync(s.folder, 0o755);
  const child = await s.start();
  assert.equal(statSync(s.folder).mode & 0o777, 0o700);
  child.kill();
  await waitFor('its end', () => s.ends.length > 0);
  for (const make of [(at: string) => writeFileSync(at, ''), (at: string) => symlinkSync(s.folder, at)]) {
    const stateDir = scratch(t, 'child');
    make(flowFolder(stateDir, config));
    const way = new ChildWay({ clock: systemClock, stateDir, config, installed: path.join(s.folder, 'installed') });
    await assert.rejects(way.start({ message: () => {}, output: () => {}, ended: () => {} }), {
      code: 'unsupported',
      message: /is no folder; move it away, or run chown/,
    });
  }
});

test('only a socket is adopted, and under a name that flows cannot change', async (t) => {
  const s = childBench(t, '');
  const adopted = path.join(s.stateDir, 'node-red.sock');
  writeFileSync(s.way.socket, 'no socket');
  await assert.rejects(s.way.adopt(), { code: 'forbidden' });
  await assert.rejects(async () => statSync(adopted), { code: 'ENOENT' });
  const other = childBench(t, '');
  const server = net.createServer((socket) => socket.end('here')).listen(other.way.socket);
  t.after(() => server.close());
  await waitFor('the socket', () => statSync(other.way.socket).isSocket());
  const found = await other.way.adopt();
  assert.equal(found, path.join(other.stateDir, 'node-red.sock'));
  const text = await new Promise((resolve) => net.connect(found).once('data', (chunk) => resolve(String(chunk))));
  assert.equal(text, 'here');
  assert.equal(await other.way.adopt(), found, 'a second start finds the name taken, and takes it');
});

test('a state directory that is too long for a socket is refused before anything is made', async (t) => {
  const s = childBench(t, '');
  const stateDir = path.join(s.stateDir, 'd'.repeat(100));
  mkdirSync(stateDir);
  const way = new ChildWay({ clock: systemClock, stateDir, config, installed: path.join(s.folder, 'installed') });
  await assert.rejects(
    way.start({ message: () => {}, output: () => {}, ended: () => {} }),
    /too long for a socket .*choose a shorter gateway\.stateDir/,
  );
});
