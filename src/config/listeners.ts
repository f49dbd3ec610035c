/** The addresses on which a gateway listens: each port once, and the paths of certificates. */
import path from 'node:path';
import { isSection, type Section } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import type { BrokerListen, Listen } from './kinds.ts';
import type { YamlSource } from './yaml-source.ts';

export interface Listeners {
  readonly broker: readonly BrokerListen[];
  readonly dashboard: Listen | undefined;
}

/** Two listeners on one port are a fault, also where their hosts differ: `0.0.0.0` takes them all. @param root the file as written */
export function checkPorts(
  { broker, dashboard }: Listeners,
  root: Section,
  source: YamlSource,
  report: (fault: Fault) => void,
): void {
  const listed = isSection(root.broker) && Array.isArray(root.broker.listen);
  const all: { readonly name: string; readonly at: Path; readonly port: number }[] = broker.map(({ port }, i) => ({
    ...{ name: 'the broker', port },
    at: ['broker', 'listen', ...(listed ? [i] : []), 'port'],
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
