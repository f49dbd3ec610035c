/**
 * Loopback TCP ports for foreign programs; our own servers listen on port 0. Suites run beside each other, and a program takes its port
 * some time after it was chosen. Two suites with one port would share a broker, and miss what its rules hide from them. So a port belongs
 * to a process of the tests for as long as that lives, and comes from below the range that the kernel gives to connections.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const [FIRST, END] = [15_000, 32_000];
const TRIES = 1_000;
/** A file for each port that is taken, with the process that has it. */
const folder = path.join(tmpdir(), `sluice-test-ports-${process.getuid?.()}`);
const own: string[] = [];

/** A loopback TCP port that nobody listens on now, and that no other suite gets. */
export async function freePort(): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = randomInt(FIRST, END);
    if (take(port) && (await isFree(port))) return port;
  }
  throw new Error(`no free port in ${TRIES} tries`);
}

function take(port: number): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o1777 });
  const file = path.join(folder, String(port));
  for (const again of [true, false]) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      if (own.push(file) === 1) process.once('exit', giveBack);
      return true;
    } catch {
      if (!again || lives(file)) return false;
      rmSync(file, { force: true });
    }
  }
  return false;
}

function lives(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, 'utf8')) || process.pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function giveBack(): void {
  for (const file of own) rmSync(file, { force: true });
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
