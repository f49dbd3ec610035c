/** A foreign SunSpec device (pymodbus), and what it is told to be. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startChild } from '../harness/child.ts';
import { waitFor } from '../harness/wait-for.ts';
import { pythonPeer } from './peers.ts';

/** A format of Python's struct and a number; or `s`, registers and a text. */
type Laid = readonly [format: 'H' | 'h' | 'I' | 'f', value: number] | readonly ['s', registers: number, text: string];
/** Its number, the count of its registers, and what stands in them, counted from the number. */
export type SunspecLaid = readonly [id: number, length: number, values: Readonly<Record<number, Laid>>];

export interface SunspecDevice {
  readonly port: number;
  /** Replaces all registers at once. */
  lay(base: number, models: readonly SunspecLaid[]): Promise<void>;
}

/** undefined after a skip. */
export async function sunspecDevice(t: TestContext): Promise<SunspecDevice | undefined> {
  const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
  if (python === undefined) return undefined;
  const server = startChild(t, python, [path.join(import.meta.dirname, 'pymodbus-sunspec.py')], { stdin: true });
  const port = Number((await server.line(/^ready/)).split(' ')[1]);
  return {
    port,
    async lay(base, models) {
      const before = server.stdout.length;
      server.write(JSON.stringify({ base, models }));
      await waitFor(
        () => `pymodbus to take its models; ${server.stderr.join('\n')}`,
        () => server.stdout.length > before,
      );
    },
  };
}

/** The common model (number 1): who it is. */
export function common(manufacturer: string, model: string, serial: string): SunspecLaid {
  return [1, 66, { 2: ['s', 16, manufacturer], 18: ['s', 16, model], 42: ['s', 8, '1.2'], 50: ['s', 16, serial], 66: ['H', 1] }];
}

/** An inverter on one phase, whole numbers; `power` has the power of ten -1. */
export function inverter(power: number, id = 101, more: Readonly<Record<number, Laid>> = {}): SunspecLaid {
  const none = Object.fromEntries([4, 5, 11, 12].map((at) => [at, ['H', 0xffff]] as const));
  return [
    id,
    50,
    {
      ...none,
      ...{ 2: ['H', 1234], 3: ['H', 1234], 6: ['h', -2] },
      ...{ 10: ['H', 2305], 13: ['h', -1], 14: ['h', power], 15: ['h', -1], 16: ['H', 4998], 17: ['h', -2] },
      ...{ 24: ['I', 3_000_000_001], 26: ['h', 0], 31: ['h', -32_768], 32: ['h', -32_768] },
      ...{ 33: ['h', -55], 37: ['h', -1], 38: ['H', 4] },
      ...more,
    },
  ];
}
