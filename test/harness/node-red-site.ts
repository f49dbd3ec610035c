/** A gateway that polls a device each 100 ms, with the real Node-RED beside it: under another user where the tests run as root. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { FlowsReport, GatewayStatus } from '../../src/admin/target.ts';
import { leftovers } from '../../src/node-red/leftovers.ts';
import { CHILD_PROGRAM } from '../../src/node-red/place.ts';
import { type FakeDevice, fakeTcp } from '../fakes/modbus-device.ts';
import { type Gateway, MAIN, makeGateway } from './start-gateway.ts';
import { waitFor } from './wait-for.ts';

/** It needs no rights, and nothing of the system belongs to it. */
const NOBODY = 65_534;

export interface NodeRedSite {
  readonly gateway: Gateway;
  readonly device: FakeDevice;
  /** `user` or `same-user`. */
  readonly runsAs: string;
  yaml(section?: string): string;
  flows(): Promise<FlowsReport>;
  until(state: FlowsReport['state'], timeout?: number): Promise<FlowsReport>;
  /** To the editor's socket. @returns status and body */
  ask(method: string, path: string, body?: unknown): Promise<{ code: number; body: string }>;
  deploy(flow: readonly object[]): Promise<number>;
  /** Numbers of the processes of Node-RED. */
  processes(): number[];
  polls(): Promise<{ replies: number; missed: number }>;
}

/** @param section further keys of `nodeRed` */
export async function nodeRedSite(t: TestContext, section = ''): Promise<NodeRedSite> {
  const device = await fakeTcp(t);
  const other = process.getuid?.() === 0 && nobodyReads(MAIN) && nobodyReads(CHILD_PROGRAM);
  const runsAs = other ? 'user: nobody' : 'unsafeSameUser: true';
  const yaml = (keys = section): string => `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses:
  field: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}
devices:
  d1: {bus: field, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}}}
nodeRed:
  enabled: true
  ${runsAs}
${keys}
`;
  const gateway = makeGateway(t, () => yaml());
  chmodSync(gateway.folder, 0o755);
  const processes = (): number[] => leftovers(gateway.stateDir);
  t.after(() => {
    for (const pid of processes()) process.kill(pid, 'SIGKILL');
  });
  const status = (): Promise<GatewayStatus> => gateway.status();
  const flows = async (): Promise<FlowsReport> => {
    const report = (await status()).flows;
    if (report === undefined) throw new Error('no flows in the status');
    return report;
  };
  const ask = (method: string, where: string, body?: unknown): Promise<{ code: number; body: string }> =>
    new Promise((resolve, reject) => {
      const socketPath = path.join(gateway.stateDir, 'node-red.sock');
      const headers = { 'content-type': 'application/json', accept: 'application/json' };
      const request = http.request({ socketPath, method, path: where, headers, timeout: 10_000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ code: response.statusCode ?? 0, body: text }));
      });
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  return {
    ...{ gateway, device, yaml, flows, ask, processes, runsAs: other ? 'user' : 'same-user' },
    until: (state, timeout = 60_000) =>
      waitFor(
        () => `Node-RED ${state}; last lines:\n${gateway.tail()}`,
        async () => {
          const report = await flows();
          return report.state === state ? report : undefined;
        },
        { timeout },
      ),
    deploy: async (flow) => (await ask('POST', '/flows', flow)).code,
    polls: async () => {
      const { replies = 0, missedPolls = 0 } = (await status()).buses[0]?.devices[0]?.counters ?? {};
      return { replies, missed: missedPolls };
    },
  };
}

/** A flow that runs a function when it starts. */
export function startsWith(func: string, more: readonly object[] = [], keys: object = {}): object[] {
  return [
    { id: 'tab', type: 'tab', label: 'test' },
    {
      ...{ id: 'begin', type: 'inject', z: 'tab', once: true, onceDelay: 0.1, repeat: '', crontab: '' },
      ...{ props: [{ p: 'payload' }], payload: '1', payloadType: 'num', wires: [['run']] },
    },
    {
      ...{
        id: 'run',
        type: 'function',
        z: 'tab',
        name: 'mine',
        outputs: 1,
        libs: [],
        func,
        wires: [more.map((node) => idOf(node))],
      },
      ...keys,
    },
    ...more,
  ];
}

function idOf(node: object): string {
  return 'id' in node ? String(node.id) : '';
}

function nobodyReads(file: string): boolean {
  return spawnSync('test', ['-r', file], { uid: NOBODY, gid: NOBODY }).status === 0;
}
