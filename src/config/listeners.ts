/** The addresses on which a gateway listens: each port once, and the paths of certificates. */
import path from 'node:path';
import { isSection, type Section } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import type { BrokerListen, Listen } from './kinds.ts';
import { LOOPBACK } from './sections.ts';
import type { YamlSource } from './yaml-source.ts';

export interface Listeners {
  readonly broker: readonly BrokerListen[];
  readonly dashboard: Listen | undefined;
}

export interface ListenersSide {
  /** The file as written. */
  readonly root: Section;
  readonly source: YamlSource;
  readonly report: (fault: Fault) => void;
  readonly warn: (fault: Fault) => void;
}

/**
 * Two listeners on one port are a fault, also where their hosts differ: `0.0.0.0` takes them all. An address that others reach
 * needs TLS, or a person who says that it does not.
 */
export function checkListeners({ broker, dashboard }: Listeners, { root, source, report, warn }: ListenersSide): void {
  const listed = isSection(root.broker) && Array.isArray(root.broker.listen);
  const placeOf = (i: number): Path => ['broker', 'listen', ...(listed ? [i] : [])];
  broker.forEach(({ host, tls, insecure }, i) => {
    if (LOOPBACK.test(host) || tls !== undefined) return;
    if (insecure !== true)
      report(
        source.fault(
          [...placeOf(i), 'host'],
          `other machines reach ${host}: add "tls: true", or "insecure: true" where everybody on that network may read passwords and readings; only this machine reaches 127.0.0.1`,
        ),
      );
    else
      warn(
        source.fault(
          [...placeOf(i), 'insecure'],
          `everybody on the network of ${host} can read names, passwords and readings; "tls: true" protects them`,
        ),
      );
  });
  const all: { readonly name: string; readonly at: Path; readonly port: number }[] = broker.map(({ port }, i) => ({
    ...{ name: 'the broker', port },
    at: [...placeOf(i), 'port'],
  }));
  if (dashboard !== undefined) all.push({ name: 'dashboard', at: ['dashboard', 'listen', 'port'], port: dashboard.port });
  all.forEach(({ at, port }, i) => {
    const earlier = all.slice(0, i).find((other) => other.port === port);
    if (port !== 0 && earlier !== undefined)
      report(source.fault(at, `${earlier.name} already listens on port ${port}; choose another`));
  });
}

/** @param folder of the configuration file */
export function resolveListeners(listeners: readonly BrokerListen[], folder: string): BrokerListen[] {
  return listeners.map(({ tls, ...listen }) => {
    if (tls === undefined || tls === true) return { ...listen, ...(tls && { tls }) };
    return { ...listen, tls: { cert: path.resolve(folder, tls.cert), key: path.resolve(folder, tls.key) } };
  });
}
