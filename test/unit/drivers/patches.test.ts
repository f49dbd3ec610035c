/**
 * Canary: what src/drivers/patches does to a package holds for the version that is installed, and is still needed. One that
 * fails after an update asks for a look at the package, and then for another version or no patch.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, open, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { SerialPort } from 'serialport';
import { KNOWN, readDirectly, writeDirectly } from '../../../src/drivers/patches/serialport.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { pythonPeer } from '../../peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
/** More than the threads of libuv's pool, whatever UV_THREADPOOL_SIZE a runner sets within reason. */
const POOL = 32;
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

/** A port on a pseudo-terminal whose other end sends back what comes. @param patched what goes around the library */
async function echoed(t: TestContext, python: string, patched: { readonly read: boolean; readonly write: boolean }) {
  const echo = startChild(t, python, ['-c', ECHO]);
  const port = new SerialPort({ path: await echo.line(/^\/dev\//), baudRate: 9600, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  const binding = port.port;
  assert.ok(binding !== undefined && 'poller' in binding && 'fd' in binding, 'the bindings have what the patch uses');
  const library = binding.read;
  const is = { came: '', closed: false, pooled: 0 };
  binding.read = (...args) => {
    is.pooled++;
    return library.apply(binding, args);
  };
  if (patched.read) readDirectly(port);
  port.on('data', (chunk: Buffer) => {
    is.came += chunk.toString('latin1');
  });
  port.on('error', () => {});
  port.on('close', () => {
    is.closed = true;
  });
  const write = (text: string) => (patched.write ? writeDirectly(port, Buffer.from(text)) : void port.write(text));
  return { echo, port, is, write };
}

test('reads and writes of a port bypass the thread pool; the library still sees its end', async (t) => {
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return;
  const { echo, port, is, write } = await echoed(t, python, { read: true, write: true });
  for (const text of ['one ', 'two ', 'three']) write(text);
  await waitFor('the echo', () => is.came === 'ONE TWO THREE');
  assert.equal(is.pooled, 0, 'no read went through the library');
  assert.equal(port.writableLength, 0, 'no write did');
  await echo.stop();
  await waitFor('the end of the port', () => is.closed);
});

/** Every thread of the pool opens a pipe that nobody writes to, as a name look-up that hangs would hold it. @returns what ends that */
function holdPool(t: TestContext): () => Promise<void> {
  const pipe = path.join(scratch(t, 'pool'), 'pipe');
  execFileSync('mkfifo', [pipe]);
  let free = false;
  let opened = 0;
  for (let i = 0; i < POOL; i++)
    open(pipe, 'r', (error, fd) => {
      opened++;
      if (error === null) closeSync(fd);
    });
  const release = async () => {
    if (free) return;
    free = true;
    const fd = openSync(pipe, 'r+');
    await waitFor('the threads to be free', () => opened === POOL);
    closeSync(fd);
  };
  t.after(release);
  return release;
}

test('without its patches serialport waits for the thread pool to read and to write', async (t) => {
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return;
  const both = await echoed(t, python, { read: true, write: true });
  const noRead = await echoed(t, python, { read: false, write: true });
  const noWrite = await echoed(t, python, { read: true, write: false });
  const release = holdPool(t);
  noRead.write('read');
  noWrite.write('write');
  for (const text of ['ONE ', 'TWO ', 'THREE ']) {
    both.is.came = '';
    both.write(text.toLowerCase());
    await waitFor('an echo while the pool is held', () => both.is.came === text);
  }
  // Needed for as long as this is what happens without it.
  assert.equal(noRead.is.came, '', 'serialport reads beside the pool now: readDirectly can go');
  assert.equal(noWrite.is.came, '', 'serialport writes beside the pool now: writeDirectly can go');
  await release();
  await waitFor('the others when the pool is free', () => noRead.is.came === 'READ' && noWrite.is.came === 'WRITE');
  for (const { echo } of [both, noRead, noWrite]) await echo.stop();
});
