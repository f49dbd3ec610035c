/**
 * A gateway with the real fenced Node-RED, points that flows make, and a node in the folder of Node-RED that shows what a node of a
 * palette has: the settings, and connections out of the fence.
 */
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { flowUser } from './flow-user.ts';
import { type FlowsClient, flowsClient } from './flows-client.ts';
import { type MoreLines, type NodeRedSite, nodeRedSite } from './node-red-site.ts';
import { waitFor } from './wait-for.ts';

/** Node-RED loads it from `nodes` in its folder. It is no part of the gateway. */
const NODE = `
const fs = require('node:fs');
const net = require('node:net');
module.exports = (RED) => {
  fs.writeFileSync(RED.settings.userDir + '/door.json', JSON.stringify({ ...RED.settings.sluice, pid: process.pid, fence: process.permission !== undefined }));
  RED.nodes.registerType('door-raw', function (config) {
    RED.nodes.createNode(this, config);
    const { socket, token } = RED.settings.sluice;
    const client = net.connect(socket, () => {
      client.write(JSON.stringify({ type: 'hello', v: 1, token, client: 'door-raw' }) + '\\n');
      for (const line of config.lines) client.write(JSON.stringify(line) + '\\n');
    });
    client.on('error', (error) => this.error(String(error)));
    client.on('data', (data) => String(data).split('\\n').forEach((line) => line && this.warn('door: ' + line.slice(0, 400))));
    this.on('close', () => client.destroy());
  });
};
`;
const PAGE = `<script type="text/javascript">RED.nodes.registerType('door-raw', {category: 'test', defaults: {lines: {value: []}}, inputs: 0, outputs: 0});</script>`;

export interface DoorSite extends NodeRedSite {
  /** What a node knows of the present process. */
  door(): Promise<{ socket: string; token: string; pid: number; fence: boolean }>;
  client(): Promise<FlowsClient>;
}

export async function doorSite(t: TestContext, section = '', more: MoreLines = {}): Promise<DoorSite> {
  const site = await nodeRedSite(t, section, more);
  const { gateway } = site;
  const folder = site.runsAs === 'user' ? `${gateway.stateDir}-node-red` : path.join(gateway.stateDir, 'node-red');
  const known = path.join(folder, 'door.json');
  const door = (): ReturnType<DoorSite['door']> =>
    waitFor('the settings of a node', async () => {
      const { pid, state } = await site.flows();
      if (state !== 'running' || statSync(known, { throwIfNoEntry: false }) === undefined) return undefined;
      const found = JSON.parse(readFileSync(known, 'utf8')) as Awaited<ReturnType<DoorSite['door']>>;
      // The process may have numbers of its own (own-tasks.ts), the same ones each time.
      const own = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
      return Number(own) === found.pid && statSync(known).mtimeMs >= startOf(pid ?? 0) ? found : undefined;
    });
  putNode(gateway.stateDir, folder, site.runsAs === 'user');
  return {
    ...site,
    door,
    client: async () => {
      const { socket, token } = await door();
      return flowsClient(t, socket, token);
    },
  };
}

/** When a process started, ms UTC, up to the tick of the kernel. */
function startOf(pid: number): number {
  // proc_pid_stat(5): the 20th field after the name, in hundredths of a second since the machine started.
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return Date.now() - (Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) - ticks / 100) * 1000 - 20;
}

/** Before the first start, as an earlier run would have left it. @param ofOther Node-RED runs under the user of the tests (flow-user.ts) */
export function putNode(stateDir: string, folder: string, ofOther: boolean): void {
  const { uid, gid } = flowUser();
  mkdirSync(stateDir, { recursive: true, mode: 0o750 });
  const files = { 'door-raw.js': NODE, 'door-raw.html': PAGE };
  for (const dir of [folder, path.join(folder, 'nodes')]) {
    mkdirSync(dir, { mode: 0o700, recursive: true });
    if (ofOther) chownSync(dir, uid, gid);
  }
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, 'nodes', name);
    writeFileSync(file, text, { mode: 0o600 });
    if (ofOther) chownSync(file, uid, gid);
  }
}
