/**
 * Canary: what src/drivers/patches does to a package holds for the version that is installed, and is still needed. One that
 * fails after an update asks for a look at the package, and then for another version or no patch.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { SerialPort } from 'serialport';
import { KNOWN, readDirectly, writeDirectly } from '../../../src/drivers/patches/serialport.ts';
import { startChild } from '../../harness/child.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { pythonPeer } from '../../peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
/** Sends back what comes, in capitals. */
const ECHO = `
import os, pty, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
while True:
    os.write(master, os.read(master, 256).upper())
`;

test('the patch of serialport knows the version that is installed', () => {
  const manifest = readFileSync(path.join(ROOT, 'node_modules', KNOWN.package, 'package.json'), 'utf8');
  assert.equal((JSON.parse(manifest) as { version: string }).version, KNOWN.version);
  const found = createRequire(createRequire(import.meta.url).resolve('serialport')).resolve(KNOWN.package);
  assert.ok(found.startsWith(path.join(ROOT, 'node_modules', KNOWN.package)), 'serialport uses that copy');
});

test('reads and writes of a port bypass the thread pool; the library still sees its end', async (t) => {
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return;
  const echo = startChild(t, python, ['-c', ECHO]);
  const port = new SerialPort({ path: await echo.line(/^\/dev\//), baudRate: 9600, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  const binding = port.port;
  assert.ok(binding !== undefined && 'poller' in binding && 'fd' in binding, 'the bindings have what the patch uses');
  const library = binding.read;
  let pooled = 0;
  binding.read = (...args) => {
    pooled++;
    return library.apply(binding, args);
  };
  readDirectly(port);
  let came = '';
  let closed = false;
  port.on('data', (chunk: Buffer) => {
    came += chunk.toString('latin1');
  });
  port.on('error', () => {});
  port.on('close', () => {
    closed = true;
  });
  for (const text of ['one ', 'two ', 'three']) writeDirectly(port, Buffer.from(text));
  await waitFor('the echo', () => came === 'ONE TWO THREE');
  assert.equal(pooled, 0, 'no read went through the library');
  assert.equal(port.writableLength, 0, 'no write did');
  await echo.stop();
  await waitFor('the end of the port', () => closed);
});
