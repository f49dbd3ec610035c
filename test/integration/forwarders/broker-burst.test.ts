/** A fleet that connects in one moment: nobody waits for the second try of the kernel. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Folders } from '../../fakes/kept-bench.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { cannot } from '../../peers/peers.ts';

/** More than the queue that Node asks for by default (511), and fewer than Linux allows. */
const FLEET = 1_000;
const ALLOWED = '/proc/sys/net/core/somaxconn';

test('1,000 clients connect while the broker is busy, and each of them is answered', { timeout: 400_000 }, async (t) => {
  const allowed = Number(readFileSync(ALLOWED, 'utf8'));
  if (allowed < FLEET) return cannot(t, `queue ${FLEET} connections: ${ALLOWED} has ${allowed}`);
  const program = path.join(import.meta.dirname, '..', '..', 'harness', 'broker-child.ts');
  const folders = new Folders(scratch(t, 'burst'));
  const child = startChild(t, process.execPath, [program, folders.stateDir, folders.runtimeDir, '0']);
  const { port } = JSON.parse(await child.line(/"port"/)) as { port: number };
  // It accepts nobody until it goes on, as in a long turn of its event loop.
  child.signal('SIGSTOP');
  const fleet: Socket[] = [];
  t.after(() => {
    for (const socket of fleet) socket.destroy();
  });
  let connected = 0;
  let answered = 0;
  for (let n = 0; n < FLEET; n++) {
    const socket = connect(port, '127.0.0.1');
    fleet.push(socket);
    const id = Buffer.from(`c${n}`.padStart(5, '_'));
    socket.once('connect', () => {
      connected++;
      socket.write(Buffer.concat([Buffer.from([0x10, 17, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 5]), id]));
    });
    let open = true;
    const over = (): void => {
      if (open) answered++;
      open = false;
    };
    // A CONNACK, or the end of a connection for which there is no place.
    socket.once('data', over).once('close', over).once('error', over);
  }
  await waitFor(
    () => `each to be taken by the kernel; ${connected} were`,
    () => connected === FLEET,
  );
  assert.equal(answered, 0);
  child.signal('SIGCONT');
  await waitFor(
    () => `each to be answered; ${answered} were`,
    () => answered === FLEET,
  );
});
