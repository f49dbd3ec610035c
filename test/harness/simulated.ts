/** Our simulator with one device, for masters made by other people; and the line and the programs that such tests share. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Simulation } from '../../src/cli/simulate/simulation.ts';
import { loadConfigText } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { kinds } from '../../src/gateway/registry.ts';
import { startChild } from './child.ts';

/** The ways to carry a Modbus frame. */
export const WAYS = ['tcp', 'udp', 'rtu-over-tcp', 'rtu', 'ascii'] as const;
export type Way = (typeof WAYS)[number];
export const isLine = (way: Way) => way === 'rtu' || way === 'ascii';
export const BAUD = 19_200;

/** Both ends of a line at its pace. */
export async function pacedLine(t: TestContext, python: string): Promise<[near: string, far: string]> {
  const program = path.join(import.meta.dirname, '..', 'peers', 'paced-pty.py');
  const pty = startChild(t, python, [program, String(BAUD)], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  return [near, far];
}

/** Our simulator on that way: unit 1 with some of everything. @returns where a master finds it: a port, or a path and a speed */
export async function simulated(t: TestContext, way: Way, python: string): Promise<string[]> {
  const ends = isLine(way) ? await pacedLine(t, python) : undefined;
  const bus =
    ends === undefined
      ? `{protocol: modbus-${way}, host: 127.0.0.1, port: 1502}`
      : `{protocol: modbus-${way}, port: /dev/x, baudRate: ${BAUD}, dataBits: 8, parity: none}`;
  const { config, faults } = loadConfigText(
    `
gateway: {id: g, stateDir: state}
buses: {plant: ${bus}}
devices:
  plc:
    bus: plant
    unit: 1
    points:
      a: {table: holding, address: 0, type: uint16}
      b: {table: holding, address: 1, type: uint16}
      f: {table: holding, address: 2, type: float32}
      i: {table: input, address: 10, type: int16, scale: 0.1}
      c: {table: coil, address: 0, type: bool}
      d: {table: coil, address: 1, type: bool}
      e: {table: discrete, address: 4, type: bool}
`,
    '/tmp/gateway.yaml',
    kinds,
    { profileDirs: [] },
  );
  assert.deepEqual(faults, []);
  assert.ok(config);
  const simulation = new Simulation(config, {
    clock: systemClock,
    tcpPorts: new Map([['plant', 0]]),
    ports: new Map(ends === undefined ? [] : [['plant', ends[1]]]),
  });
  await simulation.start();
  t.after(() => simulation.stop());
  const values = { a: 4711, b: 65535, f: 1.5, i: -12.3, c: true, d: false, e: true };
  for (const [point, value] of Object.entries(values)) simulation.set('plc', point, value);
  return ends === undefined ? [String(simulation.portOf('plant'))] : [ends[0], String(BAUD)];
}

/** A program that runs to its end. @param input what it reads on standard input */
export async function run(command: string, args: readonly string[], input = ''): Promise<{ out: string; code: number }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const read = async (stream: NodeJS.ReadableStream) => {
    let all = '';
    for await (const chunk of stream) all += String(chunk);
    return all;
  };
  const code = new Promise<number>((resolve, reject) => child.once('error', reject).once('close', (n) => resolve(n ?? -1)));
  child.stdin.end(input);
  const [out, err] = await Promise.all([read(child.stdout), read(child.stderr)]);
  return { out: out + err, code: await code };
}
