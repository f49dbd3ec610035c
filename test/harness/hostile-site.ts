/**
 * A gateway beside the real Node-RED in a network without an outside, for flows that do harm. Each answer of the device is another
 * number; an upstream Mosquitto with a subscriber and the log of the gateway are asked for each of them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { CountingDevice } from '../peers/counting-device.ts';
import { writeBrokerConfig } from '../peers/mosquitto.ts';
import { nodeRedPeer, peer } from '../peers/peers.ts';
import { startChild } from './child.ts';
import { type ClosedNet, closedNet } from './closed-net.ts';
import { freePort } from './free-port.ts';
import { type MoreLines, mayBeAnother, type NodeRedSite, nodeRedSiteOf } from './node-red-site.ts';
import { scratch } from './scratch.ts';
import { MAIN } from './start-gateway.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

/** The device answers whatever the machine has to do: only the gateway is to be late. */
const PROMPT = ['nice', '-n', '-15'];

export interface HostileSite extends Omit<NodeRedSite, 'device'> {
  readonly net: ClosedNet;
  /** The folder of Node-RED. */
  readonly folder: string;
  /** Node-RED itself at one time, at most, since the start. */
  most(): number;
  /** Numbers of the processes that are Node-RED itself. */
  nodeReds(): number[];
  /** All due polls were made, goes on polling, and each number is in the log and at the subscriber. */
  nothingLost(): Promise<void>;
  /** Runs a command in its network. @returns its output */
  run(...command: string[]): string;
}

/** undefined after a skip. @param section further keys of `nodeRed`  */
export async function hostileSite(t: TestContext, section = '', more: MoreLines = {}): Promise<HostileSite | undefined> {
  const programs = ['mosquitto', 'mosquitto_sub'].map((one) => peer(t, one, 'apt-get install -y mosquitto mosquitto-clients'));
  const [mosquitto, sub] = programs;
  if (mosquitto === undefined || sub === undefined || !nodeRedPeer(t)) return undefined;
  const net = await closedNet(t);
  if (net === undefined) return undefined;
  const device = await CountingDevice.start(t, [1], [...net.before, ...PROMPT]);
  if (device === undefined) return undefined;
  assert.ok(mayBeAnother(), 'another user can read the sources and the packages');
  const start = (...words: string[]) => startChild(t, 'nsenter', [...net.before.slice(1), ...words]);
  const port = await freePort();
  const broker = start(mosquitto, '-c', writeBrokerConfig(scratch(t, 'mosquitto'), port));
  await waitFor('Mosquitto', () => broker.stderr.some((line) => /running/.test(line)));
  const topics = ['data', 'history'].flatMap((lane) => ['-t', `sluice/g1/${lane}`]);
  const subscriber = start(sub, '-p', String(port), '-q', '1', ...topics);
  await waitFor('the subscriber', () => broker.stderr.some((line) => /New client connected/.test(line)));
  const forwarder = `forwarders:\n  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${port}'}\n`;
  const site = nodeRedSiteOf(t, {
    ...{ port: device.port, user: net.user, section, before: net.before, type: 'uint32' },
    more: { ...more, rest: forwarder + (more.rest ?? '') },
  });
  const { gateway } = site;
  // What a flow starts is a copy of Node-RED until it becomes the other program: it is not a second Node-RED.
  const nodeReds = (): number[] => site.runtimes().filter(isNodeRed);
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, nodeReds().length);
  }, 20);
  t.after(() => clearInterval(watch));
  const run = (...command: string[]): string => {
    const { stdout, stderr, status } = spawnSync('nsenter', [...net.before.slice(1), ...command], {
      ...{ encoding: 'utf8', timeout: DEADLINE_MS, maxBuffer: 2 ** 26 },
    });
    if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
    return stdout;
  };
  const exported = (): Set<number> => {
    const csv = run(process.execPath, MAIN, 'export', '--socket', gateway.socket, '--points', 'd1.n', '--format', 'jsonl');
    return new Set(csv.split('\n').flatMap(numbersOf));
  };
  return {
    ...{ ...site, net, nodeReds, run, folder: `${gateway.stateDir}-node-red`, most: () => most },
    async nothingLost() {
      const { replies } = await site.polls();
      await waitFor('more polls', async () => (await site.polls()).replies > replies + 2);
      await site.assertPolled();
      const answered = device.answers().map(({ value }) => value);
      assert.deepEqual(
        answered,
        answered.map((_, i) => i + 1),
      );
      const missing = (found: ReadonlySet<number>): number[] => answered.filter((value) => !found.has(value));
      const late = await site.lateAnswers();
      let [log, sent] = [[0], [0]];
      await waitFor(
        () => `all of ${answered.length} numbers; the log lacks ${log}, the subscriber ${sent}`,
        () => {
          log = missing(exported());
          sent = missing(new Set(subscriber.stdout.flatMap(numbersOf)));
          return log.length <= late && String(sent) === String(log);
        },
        { every: 500 },
      );
    },
  };
}

/** The values of the point in a line of JSON, of a batch or of the export. */
function numbersOf(line: string): number[] {
  return [...line.matchAll(/"n":(\d+)/g)].map(([, value]) => Number(value));
}

function isNodeRed(pid: number): boolean {
  try {
    const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    return path.basename(program) === 'node';
  } catch {
    return false;
  }
}
