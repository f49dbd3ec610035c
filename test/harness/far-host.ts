/**
 * A host of its own at the end of a wire: a network namespace and a pair of virtual Ethernet devices, whose kernel counts each packet
 * of IP that crosses. Frames are as long as on a real wire (1,500 bytes), since a card that cuts them later would hide headers. The test
 * is in a namespace itself, so that nothing of it is left behind on the machine.
 */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { writeBrokerConfig } from '../peers/mosquitto.ts';
import { asRoot, peer } from '../peers/peers.ts';
import type { Pair } from './certificates.ts';
import { startChild } from './child.ts';
import { run } from './loop-disk.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

const PLAIN = 1884;
const TLS = 8883;
/** States of a socket that has nothing more to say: it waits for old packets, or listens. Linux, include/net/tcp_states.h. */
const SETTLED = new Set(['06', '0A']);

/** Bytes and packets of IP, headers included. */
export interface Crossed {
  /** To the far host. */
  readonly sent: number;
  readonly received: number;
  readonly packets: number;
  /** Segments of TCP that were sent again, to any host and from this one. */
  readonly again: number;
}

export interface FarBroker {
  readonly plain: string;
  readonly tls: string;
}

export class FarHost {
  /** Its address at the end of the wire. */
  readonly host: string;
  /** Words in front of a command, which then runs on it. */
  readonly enter: readonly string[];
  readonly #pid: number;

  private constructor(host: string, pid: number) {
    this.host = host;
    this.enter = ['nsenter', '-t', `${pid}`, '-n'];
    this.#pid = pid;
  }

  /** undefined after a skip. @param n each of a test has a number of its own */
  static async make(t: TestContext, n: number): Promise<FarHost | undefined> {
    if (!asRoot(t, 'make a network namespace')) return undefined;
    const tools = ['unshare', 'nsenter'].map((one) => peer(t, one, 'apt-get install -y util-linux'));
    if (tools.includes(undefined) || peer(t, 'ip', 'apt-get install -y iproute2') === undefined) return undefined;
    const script = 'ip link set lo up && echo ready && exec sleep 100000';
    const holder = startChild(t, 'unshare', ['--net', 'sh', '-c', script]);
    await holder.line(/^ready$/);
    const far = new FarHost(`10.77.${n}.2`, holder.pid as number);
    const near = `far${n}`;
    run('ip', 'link', 'add', 'name', near, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${holder.pid}`);
    t.after(() => run('ip', 'link', 'del', near));
    const [enter = '', ...words] = far.enter;
    run('ip', 'link', 'set', near, 'gso_max_segs', '1');
    run('ip', 'addr', 'add', `10.77.${n}.1/30`, 'dev', near);
    run('ip', 'link', 'set', near, 'up');
    run(enter, ...words, 'ip', 'link', 'set', 'eth0', 'gso_max_segs', '1');
    run(enter, ...words, 'ip', 'addr', 'add', `${far.host}/30`, 'dev', 'eth0');
    run(enter, ...words, 'ip', 'link', 'set', 'eth0', 'up');
    return far;
  }

  /**
   * Mosquitto on it. undefined after a skip. @param more lines for mosquitto.conf, before its listeners
   * @returns its addresses, the second with TLS
   */
  async broker(t: TestContext, pair: Pair, more: readonly string[] = []): Promise<FarBroker | undefined> {
    const program = peer(t, 'mosquitto', 'apt-get install -y mosquitto');
    if (program === undefined) return undefined;
    const secure = [`listener ${TLS} ${this.host}`, `certfile ${pair.cert}`, `keyfile ${pair.key}`];
    const file = writeBrokerConfig(scratch(t, 'far'), 1883, { extra: [...more, `listener ${PLAIN} ${this.host}`, ...secure] });
    const [enter = '', ...words] = this.enter;
    const child = startChild(t, enter, [...words, program, '-c', file]);
    await child.line(/running/);
    return { plain: `mqtt://${this.host}:${PLAIN}`, tls: `mqtts://${this.host}:${TLS}` };
  }

  /** All since it was made. */
  crossed(): Crossed {
    const { InOctets = 0, OutOctets = 0 } = counters(`/proc/${this.#pid}/net/netstat`, 'IpExt');
    const { InReceives = 0, OutRequests = 0 } = counters(`/proc/${this.#pid}/net/snmp`, 'Ip');
    const [near = {}, far = {}] = ['self', this.#pid].map((pid) => counters(`/proc/${pid}/net/snmp`, 'Tcp'));
    const again = (near.RetransSegs ?? 0) + (far.RetransSegs ?? 0);
    return { sent: InOctets, received: OutOctets, packets: InReceives + OutRequests, again };
  }

  /** Resolves when it has no connection any more, and the last packets of all crossed. */
  async quiet(): Promise<void> {
    await waitFor('the ends of all connections', () => {
      const [, ...sockets] = readFileSync(`/proc/${this.#pid}/net/tcp`, 'utf8').trim().split('\n');
      return sockets.every((line) => SETTLED.has(line.trim().split(/\s+/)[3] ?? ''));
    });
  }
}

/** A table of /proc/net: a line of names, and a line of numbers under it. */
function counters(file: string, table: string): Readonly<Record<string, number>> {
  const [names = [], numbers = []] = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith(`${table}: `) ? [line.split(' ').slice(1)] : []));
  return Object.fromEntries(names.map((name, i) => [name, Number(numbers[i])]));
}
