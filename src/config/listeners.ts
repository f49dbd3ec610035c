/** The addresses on which a gateway listens: each port once, and the paths of certificates. */
import path from 'node:path';
import { isSection, type Section } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import type { Listen } from './kinds.ts';
import type { NodeRedConfig } from './node-red.ts';
import { LOOPBACK } from './sections.ts';
import type { YamlSource } from './yaml-source.ts';

/** By the section that names them; undefined: there is no such section. */
export interface Listeners {
  readonly broker: readonly Listen[] | undefined;
  readonly dashboard: readonly Listen[] | undefined;
  readonly editor: readonly Listen[] | undefined;
  readonly flowHttp: readonly Listen[] | undefined;
}

interface Where {
  readonly at: Path;
  readonly name: string;
  /** What others on the network can read of it without TLS. */
  readonly readable: string;
}
const WHERE: Readonly<Record<keyof Listeners, Where>> = {
  broker: { at: ['broker'], name: 'the broker', readable: 'names, passwords and readings' },
  dashboard: { at: ['dashboard'], name: 'dashboard', readable: 'passwords, sessions and readings' },
  editor: { at: ['nodeRed', 'editor'], name: 'nodeRed.editor', readable: 'passwords, sessions and flows' },
  flowHttp: { at: ['nodeRed', 'http'], name: 'nodeRed.http', readable: 'passwords, sessions and what flows answer' },
};

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
  for (const key of ['broker', 'dashboard', 'editor', 'flowHttp'] as const) {
    const { at: keys, name, readable } = WHERE[key];
    const section = sectionAt(side.root, keys);
    const listed = isSection(section) && Array.isArray(section.listen);
    (listeners[key] ?? []).forEach((listen, i) => {
      const at: Path = [...keys, 'listen', ...(listed ? [i] : [])];
      checkReach(listen, at, readable, side);
      all.push({ name, at: [...at, 'port'], port: listen.port });
    });
  }
  all.forEach(({ at, port }, i) => {
    const earlier = all.slice(0, i).find((other) => other.port === port);
    if (port !== 0 && earlier !== undefined)
      side.report(side.source.fault(at, `${earlier.name} already listens on port ${port}; choose another`));
  });
}

function sectionAt(root: Section, keys: Path): unknown {
  return keys.reduce<unknown>((at, key) => (isSection(at) ? at[key] : undefined), root);
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

/** @param folder of the configuration file */
export function resolveNodeRed({ editor, http, ...rest }: NodeRedConfig, folder: string): NodeRedConfig {
  return {
    ...rest,
    ...(editor && { editor: { listen: resolveListeners(editor.listen, folder) } }),
    ...(http && { http: { ...http, listen: resolveListeners(http.listen, folder) } }),
  };
}
