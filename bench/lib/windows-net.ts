/**
 * Gateways, a router and a broker in network namespaces. The router forwards or it does not: then every packet is lost both ways, and
 * nobody hears of it. This process is the router, inside `alone` of fleet-net. It needs root.
 */
import { writeFileSync } from 'node:fs';
import { run } from '../../test/harness/loop-disk.ts';
import type { Workspace } from './workspace.ts';

const FORWARD = '/proc/sys/net/ipv4/ip_forward';
export const BROKER = '10.78.0.1';

export interface Place {
  /** Words in front of a command, which then runs in it. */
  readonly enter: readonly string[];
}

/** What its kernel counted. */
export interface Counted {
  /** Calls of connect. */
  readonly opens: number;
  /** SYNs that were sent again. */
  readonly again: number;
  /** Bytes of IP packets. */
  readonly sent: number;
  readonly received: number;
}

export class WindowsNet {
  readonly broker: Place;
  readonly gateways: readonly Place[];

  private constructor(broker: Place, gateways: readonly Place[]) {
    this.broker = broker;
    this.gateways = gateways;
  }

  /** The link is down at first. */
  static async make(space: Workspace, gateways: number): Promise<WindowsNet> {
    run('ip', 'link', 'set', 'lo', 'up');
    const places: Place[] = [];
    for (let i = 0; i <= gateways; i++) {
      const holder = space.spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo ready && exec sleep infinity']);
      await holder.line(/^ready$/);
      const enter = ['nsenter', '-t', `${holder.pid}`, '-n'];
      const inside = (...words: string[]) => run('nsenter', '-t', `${holder.pid}`, '-n', 'ip', ...words);
      run('ip', 'link', 'add', 'name', `near${i}`, 'type', 'veth', 'peer', 'name', 'far', 'netns', `${holder.pid}`);
      space.after(() => run('ip', 'link', 'del', `near${i}`));
      run('ip', 'addr', 'add', `10.78.${i}.254/24`, 'dev', `near${i}`);
      run('ip', 'link', 'set', `near${i}`, 'up');
      inside('addr', 'add', `10.78.${i}.1/24`, 'dev', 'far');
      inside('link', 'set', 'far', 'up');
      inside('route', 'add', 'default', 'via', `10.78.${i}.254`);
      places.push({ enter });
    }
    const [broker, ...rest] = places as [Place, ...Place[]];
    const net = new WindowsNet(broker, rest);
    net.link(false);
    return net;
  }

  link(up: boolean): void {
    writeFileSync(FORWARD, up ? '1' : '0');
  }

  /** Kernels before 6.5 double the pause of a SYN from the first one on. */
  oldKernel({ enter }: Place): void {
    const [program = '', ...words] = [...enter, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/tcp_syn_linear_timeouts'];
    run(program, ...words);
  }

  counted({ enter }: Place): Counted {
    const read = (file: string): Map<string, number> => {
      const [program = '', ...words] = [...enter, 'cat', file];
      const rows = run(program, ...words)
        .split('\n')
        .map((row) => row.split(' '));
      const pairs = rows.flatMap((names, i) => (i % 2 === 0 ? names.map((name, k) => [name, rows[i + 1]?.[k]] as const) : []));
      return new Map(pairs.map(([name, value]) => [name, Number(value)]));
    };
    const [tcp, more] = [read('/proc/net/snmp'), read('/proc/net/netstat')];
    return {
      ...{ opens: tcp.get('ActiveOpens') ?? 0, again: more.get('TCPSynRetrans') ?? 0 },
      ...{ sent: more.get('OutOctets') ?? 0, received: more.get('InOctets') ?? 0 },
    };
  }
}
