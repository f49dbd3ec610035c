/** The addresses on which a gateway listens: each port once, and the paths of certificates. */
import path from 'node:path';
import { isSection, type Section } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import type { Listen } from './kinds.ts';
import { LOOPBACK } from './sections.ts';
import type { YamlSource } from './yaml-source.ts';

/** By the section that names them; undefined: there is no such section. */
export interface Listeners {
  readonly broker: readonly Listen[] | undefined;
  readonly dashboard: readonly Listen[] | undefined;
}

/** What others on the network can read of a section without TLS. */
const READABLE: Readonly<Record<keyof Listeners, string>> = {
  broker: 'names, passwords and readings',
  dashboard: 'passwords, sessions and readings',
};
const NAMES: Readonly<Record<keyof Listeners, string>> = { broker: 'the broker', dashboard: 'dashboard' };

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
export function checkListeners(listeners: Listeners, side: ListenersSide): void {
  const all: { readonly name: string; readonly at: Path; readonly port: number }[] = [];
  for (const key of ['broker', 'dashboard'] as const) {
    const section = side.root[key];
    const listed = isSection(section) && Array.isArray(section.listen);
    (listeners[key] ?? []).forEach((listen, i) => {
      const at: Path = [key, 'listen', ...(listed ? [i] : [])];
      checkReach(listen, at, READABLE[key], side);
      all.push({ name: NAMES[key], at: [...at, 'port'], port: listen.port });
    });
  }
  all.forEach(({ at, port }, i) => {
    const earlier = all.slice(0, i).find((other) => other.port === port);
    if (port !== 0 && earlier !== undefined)
      side.report(side.source.fault(at, `${earlier.name} already listens on port ${port}; choose another`));
  });
}

function checkReach({ host, tls, insecure }: Listen, at: Path, readable: string, { source, report, warn }: ListenersSide): void {
  if (LOOPBACK.test(host) || tls !== undefined) return;
  if (insecure !== true)
    report(
      source.fault(
        [...at, 'host'],
        `other machines reach ${host}: add "tls: true", or "insecure: true" where everybody on that network may read passwords and readings; only this machine reaches 127.0.0.1`,
      ),
    );
  else
    warn(
      source.fault([...at, 'insecure'], `everybody on the network of ${host} can read ${readable}; "tls: true" protects them`),
    );
}

/** @param folder of the configuration file */
export function resolveListeners(listeners: readonly Listen[], folder: string): Listen[] {
  return listeners.map(({ tls, ...listen }) => {
    if (tls === undefined || tls === true) return { ...listen, ...(tls && { tls }) };
    return { ...listen, tls: { cert: path.resolve(folder, tls.cert), key: path.resolve(folder, tls.key) } };
  });
}
