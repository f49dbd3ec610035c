/** Something lies where the gateway puts a file or a socket for Node-RED: the reason names it and says what to do. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { nodeRedSection } from '../../../src/config/node-red.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { ChildWay, flowFolder } from '../../../src/node-red/child-way.ts';
import { FlowFiles, SECRET_FILE } from '../../../src/node-red/flow-files.ts';
import { NODE_RED_VERSION } from '../../../src/node-red/place.ts';
import { scratch } from '../../harness/scratch.ts';

const config = nodeRedSection.parse({ enabled: true, unsafeSameUser: true });

test('a folder or a link in the place of the secret', async (t) => {
  const dir = scratch(t, 'flows');
  const file = path.join(dir, SECRET_FILE);
  const files = new FlowFiles(dir, silentLogger);
  const mine = path.join(dir, 'mine');
  writeFileSync(mine, 'nothing to see');
  symlinkSync(mine, file);
  const secret = await files.secret();
  assert.equal(readFileSync(file, 'utf8'), `${secret}\n`);
  assert.equal(readFileSync(mine, 'utf8'), 'nothing to see');
  assert.equal(await files.secret(), secret);

  // The folder cannot be set aside, since something lies aside already.
  const other = scratch(t, 'flows');
  mkdirSync(path.join(other, SECRET_FILE));
  writeFileSync(path.join(other, `${SECRET_FILE}.damaged`), 'of an earlier time');
  await assert.rejects(new FlowFiles(other, silentLogger).secret(), {
    code: 'unsupported',
    message: /node-red\.secret cannot be written: .*; make room on the disk, or move away what is in its place$/,
  });
});

test('a folder in the place of the socket, in the folder of flows and beside the log', async (t) => {
  const dir = scratch(t, 'flows');
  const installed = path.join(dir, 'installed');
  mkdirSync(path.join(installed, 'node_modules/node-red'), { recursive: true });
  writeFileSync(path.join(installed, 'node_modules/node-red/package.json'), JSON.stringify({ version: NODE_RED_VERSION }));
  const listener = { message: () => {}, output: () => {}, ended: () => {} };
  for (const socket of [path.join(flowFolder(dir, { unsafeSameUser: true }), 'editor.sock'), path.join(dir, 'node-red.sock')]) {
    mkdirSync(socket, { recursive: true });
    const way = new ChildWay({ clock: systemClock, stateDir: dir, config, installed });
    await assert.rejects(way.start(listener), (error: Error) => {
      assert.ok(error.message.startsWith(`the socket of the editor needs the place of ${socket}, and`), error.message);
      assert.match(error.message, /; move it away$/);
      return true;
    });
    assert.ok(existsSync(socket));
    renameSync(socket, `${socket}.moved`);
  }
});
