/** The devices of line-device.py on a paced line, and what they saw of the master. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Child, ChildOptions } from '../harness/child.ts';

export interface LineExchange {
  /** CLOCK_MONOTONIC, seconds, when the request was seen. */
  readonly at: number;
  readonly unit: number;
  readonly code: number;
  readonly start: number;
  readonly count: number;
  /** Bytes of the request. */
  readonly asked: number;
  /** Bytes of the reply; 0 where a unit is silent. */
  readonly answered: number;
  /** Milliseconds before the request in which nothing was on the line; never less than it was. */
  readonly silence: number;
  /** Milliseconds by which the last byte of the reply was handed over too late. */
  readonly late: number;
}

export interface LineOptions {
  readonly baud: number;
  /** Milliseconds from the end of a request to its reply, of all units or by unit; never before the silence of a frame. */
  readonly answer?: number | Readonly<Record<number, number>>;
  /** Takes a processor, and tells times to some microseconds. */
  readonly spin?: boolean;
}

export class LineDevice {
  /** Where the master opens the line. */
  readonly port: string;
  readonly #child: Child;
  readonly #file: string;

  private constructor(port: string, child: Child, file: string) {
    this.port = port;
    this.#child = child;
    this.#file = file;
  }

  /** @param spawn starts a process that ends with its caller. @param folder for the log */
  static async start(
    spawn: (command: string, args: readonly string[], options: ChildOptions) => Child,
    folder: string,
    { baud, answer = 0, spin = false }: LineOptions,
  ): Promise<LineDevice> {
    const file = path.join(folder, 'exchanges.txt');
    const program = path.join(import.meta.dirname, 'line-device.py');
    const times =
      typeof answer === 'number'
        ? String(answer)
        : Object.entries(answer)
            .map((of) => of.join(':'))
            .join(',');
    const words = [program, file, String(baud), times, ...(spin ? ['spin'] : [])];
    const child = spawn('/usr/bin/python3', words, { stdin: true });
    return new LineDevice(await child.line(/^\/dev\//), child, file);
  }

  /** These do not answer from now on, all others do. */
  silence(...units: number[]): void {
    this.#child.write(`silent ${units.join(' ')}`);
  }

  exchanges(): LineExchange[] {
    return readFileSync(this.#file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [at = 0, unit = 0, code = 0, start = 0, count = 0, asked = 0, answered = 0, silence = 0, late = 0] = line
          .split(' ')
          .map((word) => (word === 'inf' ? Number.POSITIVE_INFINITY : Number(word)));
        return { at, unit, code, start, count, asked, answered, silence, late };
      });
  }
}
