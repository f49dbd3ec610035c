/**
 * Hosts of their own for three nodes, in network namespaces: each has a wire to the clients and a wire to the other nodes. A pulled
 * wire loses every packet without an error, as a broken switch does. `alone` puts the measurement itself into a namespace, so that
 * whatever ends it leaves nothing behind. It needs root.
 */
import { run } from '../../test/harness/loop-disk.ts';
import { findProgram } from '../../test/peers/peers.ts';
import type { RabbitPlace } from '../../test/peers/rabbitmq.ts';
import type { Workspace } from './workspace.ts';

/** Set in the namespace. */
const INSIDE = 'SLUICE_FLEET_INSIDE';
const CLIENTS = { bridge: 'clients', net: '10.77.2' };
const CLUSTER = { bridge: 'cluster', net: '10.77.1' };

/** This program begins again in a network namespace; there it only returns. */
export function alone(): void {
  if (process.env[INSIDE] === '1') return;
  const unshare = findProgram('unshare');
  if (process.geteuid?.() !== 0 || unshare === undefined || process.execve === undefined)
    throw new Error('this measurement needs root and unshare, for network namespaces');
  const words = ['unshare', '--net', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(unshare, words, { ...process.env, [INSIDE]: '1' });
}

export class FleetNet {
  readonly places: readonly RabbitPlace[];

  private constructor(places: readonly RabbitPlace[]) {
    this.places = places;
  }

  /** Inside `alone`. */
  static async make(space: Workspace, count: number): Promise<FleetNet> {
    run('ip', 'link', 'set', 'lo', 'up');
    for (const { bridge } of [CLIENTS, CLUSTER]) {
      run('ip', 'link', 'add', 'name', bridge, 'type', 'bridge');
      run('ip', 'link', 'set', bridge, 'up');
      space.after(() => run('ip', 'link', 'del', bridge));
    }
    run('ip', 'addr', 'add', `${CLIENTS.net}.254/24`, 'dev', CLIENTS.bridge);
    const places: RabbitPlace[] = [];
    for (let i = 1; i <= count; i++) {
      const holder = space.spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo ready && exec sleep infinity']);
      await holder.line(/^ready$/);
      const enter = ['nsenter', '-t', `${holder.pid}`, '-n'];
      for (const { bridge, net } of [CLIENTS, CLUSTER]) {
        const [near, far] = [wireOf(bridge, i), `${bridge}0`];
        run('ip', 'link', 'add', 'name', near, 'type', 'veth', 'peer', 'name', far, 'netns', `${holder.pid}`);
        // The kernel takes a namespace away some time after its last process.
        space.after(() => run('ip', 'link', 'del', near));
        run('ip', 'link', 'set', near, 'master', bridge, 'up');
        run('nsenter', '-t', `${holder.pid}`, '-n', 'ip', 'addr', 'add', `${net}.${i}/24`, 'dev', far);
        run('nsenter', '-t', `${holder.pid}`, '-n', 'ip', 'link', 'set', far, 'up');
      }
      places.push({ clients: `${CLIENTS.net}.${i}`, cluster: `${CLUSTER.net}.${i}`, enter });
    }
    return new FleetNet(places);
  }

  /** The node in this place no longer hears the other nodes; clients reach it as before. */
  pull(place: number): void {
    run('ip', 'link', 'set', wireOf(CLUSTER.bridge, place + 1), 'nomaster');
  }
  plug(place: number): void {
    run('ip', 'link', 'set', wireOf(CLUSTER.bridge, place + 1), 'master', CLUSTER.bridge);
  }
}

function wireOf(bridge: string, n: number): string {
  return `${bridge}${n}`;
}
