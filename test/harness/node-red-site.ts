/** A gateway that polls a device each second, with the real Node-RED beside it: under another user where the tests run as root. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { FlowsReport, GatewayStatus } from '../../src/admin/target.ts';
import { leftovers } from '../../src/node-red/leftovers.ts';
import { CHILD_PROGRAM } from '../../src/node-red/place.ts';
import { type FakeDevice, fakeTcp } from '../fakes/modbus-device.ts';
import { flowUser } from './flow-user.ts';
import { Pauses } from './pauses.ts';
import { type Gateway, MAIN, makeGateway } from './start-gateway.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

export interface NodeRedSite {
  readonly gateway: Gateway;
  readonly device: FakeDevice;
  /** `user` or `same-user`. */
  readonly runsAs: string;
  yaml(section?: string): string;
  flows(): Promise<FlowsReport>;
  until(state: FlowsReport['state'], timeout?: number): Promise<FlowsReport>;
  /** To the editor's socket. @returns status and body */
  ask(method: string, path: string, body?: unknown, within?: number): Promise<{ code: number; body: string }>;
  deploy(flow: readonly object[]): Promise<number>;
  /** Numbers of the processes of Node-RED, with the programs that it started. */
  processes(): number[];
  /** Without those programs: a fork has the words of its parent until it becomes another program. */
  runtimes(): number[];
  polls(): Promise<{ replies: number; missed: number; timeouts: number }>;
  /** No due poll of the first device was left out since the start, apart from pauses of the machine. @param interval of that device, ms */
  assertPolled(interval?: number): Promise<void>;
  /** Answers that came after their time-out, because the machine stood still: they are dropped, and asked for again. */
  lateAnswers(): Promise<number>;
}

/** With a device of the test's own. */
export type FlowSite = Omit<NodeRedSite, 'device'>;

/** Further lines of the sections, indented. */
export interface MoreLines {
  readonly buses?: string;
  readonly devices?: string;
  /** In place of the device d1. */
  readonly first?: string;
  /** Whole sections. */
  readonly rest?: string;
}

/** @param section further keys of `nodeRed` */
export async function nodeRedSite(t: TestContext, section = '', more: MoreLines = {}): Promise<NodeRedSite> {
  const device = await fakeTcp(t);
  const other = mayBeAnother();
  const user = other ? flowUser().name : undefined;
  return { ...nodeRedSiteOf(t, { port: device.port, user, section, more }), device };
}

export interface SiteParts {
  /** The port of the device, which has one register pair. */
  readonly port: number;
  /** undefined: the user of the gateway. */
  readonly user: string | undefined;
  /** Further keys of `nodeRed`. */
  readonly section: string;
  readonly more?: MoreLines;
  readonly before?: readonly string[];
  /** Where the gateway has everything; default: a folder of its own. */
  readonly folder?: string;
  readonly type?: 'uint16' | 'uint32';
}

export function nodeRedSiteOf(
  t: TestContext,
  { port, user, section, more = {}, before = [], folder, type = 'uint16' }: SiteParts,
): FlowSite {
  const yaml = (keys = section): string => `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses:
  field: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}}
${more.buses ?? ''}
devices:
${more.first ?? `  d1: {bus: field, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: ${type}}}}`}
${more.devices ?? ''}
${more.rest ?? ''}
nodeRed:
  enabled: true
  ${user === undefined ? 'unsafeSameUser: true' : `user: ${user}`}
${keys}
`;
  const gateway = makeGateway(t, () => yaml(), folder);
  const pauses = new Pauses(t);
  gateway.before = before;
  chmodSync(gateway.folder, 0o755);
  const processes = (): number[] => leftovers(gateway.stateDir).filter((pid) => !isInFront(pid));
  const runtimes = (): number[] => {
    const all = processes();
    const first = all.filter((pid) => !all.includes(parentOf(pid)));
    if (first.length < 2) return first;
    // A parent that ended between the two looks is no second one beside its child.
    const still = processes();
    return first.filter((pid) => still.includes(pid));
  };
  t.after(() => {
    for (const pid of leftovers(gateway.stateDir))
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended with the one before it (own-tasks.ts).
      }
  });
  const status = (): Promise<GatewayStatus> => gateway.status();
  const flows = async (): Promise<FlowsReport> => {
    const report = (await status()).flows;
    if (report === undefined) throw new Error('no flows in the status');
    return report;
  };
  const polls: NodeRedSite['polls'] = async () => {
    const { replies = 0, missedPolls = 0, timeouts = 0 } = (await status()).buses[0]?.devices[0]?.counters ?? {};
    return { replies, missed: missedPolls, timeouts };
  };
  const ask: NodeRedSite['ask'] = (...call) => askEditor(path.join(gateway.stateDir, 'node-red.sock'), ...call);
  return {
    ...{ gateway, yaml, flows, ask, processes, runtimes, runsAs: user === undefined ? 'same-user' : 'user' },
    // It gives way to everything else, so beside other work it starts slowly.
    until: (state, timeout = DEADLINE_MS) =>
      waitFor(
        () => `Node-RED ${state}; last lines:\n${gateway.tail()}`,
        async () => {
          const report = await flows();
          return report.state === state ? report : undefined;
        },
        { timeout },
      ),
    deploy: async (flow) => (await ask('POST', '/flows', flow)).code,
    polls,
    assertPolled: async (interval = 1000) => pauses.assertPolled((await polls()).missed, interval),
    lateAnswers: async () => Math.min((await polls()).timeouts, pauses.moments(1000, 500)),
  };
}

/** To the socket of an editor. @param within ms; short where it is to be seen that nobody answers @returns status and body */
export function askEditor(
  socketPath: string,
  method: string,
  where: string,
  body?: unknown,
  within = DEADLINE_MS,
): Promise<{ code: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const request = http.request({ socketPath, method, path: where, headers, timeout: within }, (response) => {
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

/** The programs that start it and wait for it (own-tasks.ts). */
function isInFront(pid: number): boolean {
  try {
    return /^(unshare\0|sh\0-c\0"\$@" & wait)/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return false;
  }
}

/** 0 where it is gone. */
function parentOf(pid: number): number {
  try {
    // proc_pid_stat(5): state and parent follow the name in brackets.
    return Number(/^.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]);
  } catch {
    return 0;
  }
}

/** Node-RED can run under another user here. */
export function mayBeAnother(): boolean {
  return process.getuid?.() === 0 && [MAIN, CHILD_PROGRAM].every(mayRead);
}

/** It needs no rights, and nothing of the system belongs to it. */
function mayRead(file: string): boolean {
  const { uid, gid } = flowUser();
  return spawnSync('test', ['-r', file], { uid, gid }).status === 0;
}
