/** The pymodbus device of pymodbus-server.py over TCP or on a serial line, with registers that a test sets. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Child, startChild } from '../harness/child.ts';
import { waitFor } from '../harness/wait-for.ts';
import { pythonPeer } from './peers.ts';

/** What the store of a pymodbus-server.py has. */
export async function storeOf(server: Child, table: 'holding' | 'coil', address: number, count = 1): Promise<number[]> {
  const answers = () => server.stdout.filter((line) => line.startsWith('has'));
  const before = answers().length;
  server.write(`get ${table} ${address} ${count}`);
  const answer = await waitFor('what pymodbus has', () => answers()[before]);
  return answer.split(' ').slice(1).map(Number);
}

export class SettableDevice {
  /** Where it listens; not a number on a serial line. */
  readonly port: number;
  readonly #child: Child;

  private constructor(port: number, child: Child) {
    this.port = port;
    this.#child = child;
  }

  /** Units 1 and 2 share their data. @param line it is on; without one it listens on a TCP port. @returns undefined after a skip */
  static async start(
    t: TestContext,
    line?: { readonly path: string; readonly baud: number },
  ): Promise<SettableDevice | undefined> {
    const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
    if (python === undefined) return undefined;
    const way = line === undefined ? ['tcp'] : ['rtu', line.path, String(line.baud)];
    const child = startChild(t, python, [path.join(import.meta.dirname, 'pymodbus-server.py'), ...way], { stdin: true });
    const ready = await child.line(/^ready /);
    return new SettableDevice(Number(ready.split(' ')[1]), child);
  }

  /** What pymodbus's own store has. */
  async get(table: 'holding' | 'coil', address: number, count = 1): Promise<number[]> {
    return storeOf(this.#child, table, address, count);
  }

  /** Holding registers from `address` on; resolves when the device has them. */
  async set(address: number, ...values: number[]): Promise<void> {
    const done = () => this.#child.stdout.filter((line) => line === 'done').length;
    const before = done();
    this.#child.write(`holding ${address} ${values.join(' ')}`);
    await waitFor('pymodbus to take a value', () => done() > before);
  }

  /** Its connections are closed and its port refuses. */
  async stop(): Promise<void> {
    await this.#child.stop('SIGTERM');
  }
}
