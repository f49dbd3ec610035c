/** The pymodbus device of counting-device.py: every answer is another number, and it keeps a list of them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startChild } from '../harness/child.ts';
import { scratch } from '../harness/scratch.ts';
import { pythonPeer } from './peers.ts';

export interface Answer {
  /** CLOCK_MONOTONIC, seconds; the same clock for all processes of a machine. */
  readonly at: number;
  readonly unit: number;
  readonly value: number;
}

/** The least time-out of the driver, whatever was measured (LEAST in latency.ts), and a margin for the way. Seconds. */
const TIME_OUT = 0.45;
/** Requests that wait at a device that stands still for some seconds: each of three units is asked, and asked again. */
const STACKED = 8;

export class CountingDevice {
  readonly port: number;
  readonly #file: string;

  private constructor(port: number, file: string) {
    this.port = port;
    this.#file = file;
  }

  /** undefined after a skip. @param before words in front of its command (closed-net.ts) */
  static async start(
    t: TestContext,
    units: readonly number[],
    before: readonly string[] = [],
  ): Promise<CountingDevice | undefined> {
    const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
    if (python === undefined) return undefined;
    const file = path.join(scratch(t, 'device'), 'answers.txt');
    const words = [python, path.join(import.meta.dirname, 'counting-device.py'), file, ...units.map(String)];
    const [program = '', ...rest] = [...before, ...words];
    const child = startChild(t, program, rest, { stdin: true });
    return new CountingDevice(Number(await child.line(/^\d+$/)), file);
  }

  answers(): Answer[] {
    return readFileSync(this.#file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [at, unit, value] = line.split(' ').map(Number) as [number, number, number];
        return { at, unit, value };
      });
  }
}

/**
 * Those that came in time for sure. A machine that stands still makes an answer late: the driver drops it and asks again. The bus has one
 * queue, so nothing else is answered around it. Between its neighbours lies at least a time-out then. A device that alone stands still
 * answers all at once what was asked meanwhile: the driver has given up most of that as well.
 * @param all answers of one run, in order @param count so many of them are judged; the others are only neighbours
 */
export function inTime(all: readonly Answer[], count = all.length): Answer[] {
  let unsure = 0;
  return all.slice(0, count).filter(({ at }, i) => {
    const late = (all[i + 1]?.at ?? at) - (all[i - 1]?.at ?? at) >= TIME_OUT;
    unsure = late ? STACKED : unsure - 1;
    return unsure < 0;
  });
}

/** CLOCK_MONOTONIC in seconds, as the device writes it. */
export function monotonicSeconds(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}
