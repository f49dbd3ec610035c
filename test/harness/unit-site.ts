/** A gateway and Node-RED as the units start them, on a machine with a systemd of its own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { request } from '../../src/admin/client.ts';
import type { FlowsReport, GatewayStatus } from '../../src/admin/target.ts';
import { nodeRedPeer } from '../peers/peers.ts';
import { freePort } from './free-port.ts';
import { askEditor } from './node-red-site.ts';
import { Pauses } from './pauses.ts';
import { type SystemdMachine, systemdMachine } from './systemd-machine.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

export const SERVICE = 'sluice-node-red.service';
const CHILD = 'node-red-child.js';
/** Milliseconds between two polls. */
const INTERVAL = 1000;

export class UnitSite {
  readonly machine: SystemdMachine;
  readonly #port: number;
  readonly #pauses: Pauses;
  /** Processes of Node-RED at once, as often as `watch` looked. */
  most = 0;

  constructor(t: TestContext, machine: SystemdMachine, port: number) {
    this.machine = machine;
    this.#pauses = new Pauses(t);
    this.#port = port;
  }

  yaml(section = '', stateDir = '/var/lib/sluice'): string {
    return `
gateway: {id: g1, stateDir: ${stateDir}}
buses:
  field: {protocol: modbus-tcp, host: 127.0.0.1, port: ${this.#port}}
devices:
  d1: {bus: field, unit: 1, interval: ${INTERVAL}ms, points: {n: {table: holding, address: 0, type: uint16}}}
nodeRed:
  enabled: true
${section}
`;
  }

  status(stateDir = '/var/lib/sluice'): Promise<GatewayStatus> {
    return request(
      this.machine.at(`${stateDir}/sluice.sock`),
      'GET',
      '/api/v1/status',
      undefined,
      DEADLINE_MS,
    ) as Promise<GatewayStatus>;
  }

  async flows(stateDir?: string): Promise<FlowsReport> {
    const { flows } = await this.status(stateDir);
    if (flows === undefined) throw new Error('no flows in the status');
    return flows;
  }

  /** A state, and of another process than before. */
  until(state: FlowsReport['state'], notPid?: number): Promise<FlowsReport> {
    return waitFor(
      () => `Node-RED ${state}; the journal ends with:\n${this.machine.run('journalctl', '--no-pager', '-n', '40').out}`,
      async () => {
        const flows = await this.flows();
        return flows.state === state && (notPid === undefined || flows.pid !== notPid) ? flows : undefined;
      },
    );
  }

  async reload(yaml: string): Promise<void> {
    this.machine.write('/etc/sluice/gateway.yaml', yaml);
    this.machine.must('systemctl', 'reload', 'sluice');
  }

  async deploy(flow: readonly object[]): Promise<void> {
    const editor = this.machine.at('/run/sluice-node-red/editor.sock');
    assert.equal((await askEditor(editor, 'POST', '/flows', flow)).code, 204);
  }

  /** Numbers, as this test sees them, of the processes that are Node-RED itself. */
  nodeReds(): number[] {
    const parents = new Map<number, number>();
    for (const pid of this.machine.processes(SERVICE)) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(CHILD)) continue;
        parents.set(pid, Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]));
      } catch {
        // It ended meanwhile.
      }
    }
    // What a flow starts has the command line of Node-RED until it is the other program.
    return [...parents].filter(([, parent]) => !parents.has(parent)).map(([pid]) => pid);
  }

  watch(t: TestContext): void {
    const timer = setInterval(() => {
      this.most = Math.max(this.most, this.nodeReds().length);
    }, 10);
    t.after(() => clearInterval(timer));
  }

  async allPolled(): Promise<void> {
    const counters = async () => (await this.status()).buses[0]?.devices[0]?.counters;
    const before = (await counters())?.replies ?? 0;
    await waitFor('more polls', async () => ((await counters())?.replies ?? 0) > before + 2);
    this.#pauses.assertPolled((await counters())?.missedPolls ?? Number.NaN, INTERVAL);
  }
}

/** @param disk a key of `nodeRed` of 16 MB; the unit then allows one file the same */
export async function unitSite(t: TestContext, allow: readonly string[] = [], disk = ''): Promise<UnitSite | undefined> {
  if (!nodeRedPeer(t)) return undefined;
  const machine = await systemdMachine(t);
  if (machine === undefined) return undefined;
  const made = new UnitSite(t, machine, await freePort());
  const section = allow.length === 0 ? `  ${disk}` : `  allow: {${allow.map((one) => `${one}: true`).join(', ')}}`;
  machine.write('/etc/sluice/gateway.yaml', made.yaml(section));
  if (allow.length > 0)
    machine.write(
      `/etc/systemd/system/${SERVICE}.d/allow.conf`,
      `[Service]\nEnvironment="SLUICE_FLOWS=--allow ${allow.join()}"\n`,
    );
  if (disk !== '') machine.write(`/etc/systemd/system/${SERVICE}.d/disk.conf`, '[Service]\nLimitFSIZE=16M\n');
  await machine.start('/usr/bin/sluice', 'simulate', '/etc/sluice/gateway.yaml').line(/modbus-tcp on/);
  machine.must('systemctl', 'daemon-reload');
  machine.must('systemctl', 'enable', '--now', 'sluice-node-red.socket', 'sluice-node-red-stop.path', 'sluice.service');
  return made;
}
