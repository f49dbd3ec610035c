/** The section `forwarders`: settings of each kind, secrets, destinations, and the names that a forwarder uses. */
import path from 'node:path';
import { check, placeOf, type Section } from './checker.ts';
import type { LoadedBus, LoadedDevice } from './devices.ts';
import type { Fault, Path } from './fault.ts';
import type { Kinds, ResolvedForwarder } from './kinds.ts';
import { targetFault } from './named-targets.ts';
import { resolveSecrets, type SecretReference } from './secrets.ts';
import type { YamlSource } from './yaml-source.ts';

interface ForwarderContext {
  readonly source: YamlSource;
  readonly kinds: Kinds;
  /** The folder of the configuration file. */
  readonly folder: string;
  readonly options: {
    readonly env?: NodeJS.ProcessEnv | undefined;
    readonly readSecrets?: boolean | undefined;
    readonly secretsLater?: boolean | undefined;
  };
  /** Absent: the section could not be read, so nothing in it can be called missing. */
  readonly devices: ReadonlyMap<string, LoadedDevice> | undefined;
  /** Gets each file and variable that a forwarder names. */
  readonly named: (reference: SecretReference) => void;
  readonly buses: ReadonlyMap<string, LoadedBus>;
  /** The type of a forwarder, and its other keys; undefined where it has none, which is reported. */
  readonly typed: (value: unknown, at: Path) => { readonly type: string; readonly rest: Section } | undefined;
  readonly report: (fault: Fault) => void;
  readonly warn: (fault: Fault) => void;
}

export function resolveForwarders(
  written: readonly [string, unknown][],
  { source, kinds, folder, options, devices, buses, typed: typeOf, named, report, warn }: ForwarderContext,
): Map<string, ResolvedForwarder> {
  const forwarders = new Map<string, ResolvedForwarder>();
  const destinations = new Map<string, string>();
  for (const [name, value] of written) {
    const at: Path = ['forwarders', name];
    const typed = typeOf(value, at);
    const kind = kinds.forwarders.find((k) => k.type === typed?.type);
    if (typed === undefined || kind === undefined) continue;
    const place = placeOf(source, at);
    const checked = check(kind.forwarder, typed.rest, place, report);
    if (checked === undefined) continue;
    const { env = process.env, readSecrets: read = true, secretsLater: later = false } = options;
    const noted = (from: string, where: Path) => named({ forwarder: name, at: where.join('.'), from });
    const secrets = { folder, file: path.resolve(source.file), env, read, later, named: noted };
    const settings = resolveSecrets(checked, place, secrets, { fault: report, warn }) as Section;
    for (const { path: keys, target } of kind.targets?.(settings) ?? []) {
      const wrong = targetFault(target, { devices, buses });
      if (wrong !== undefined) report(source.fault([...at, ...keys], wrong));
    }
    const own = new Set([kind.destination(settings)].flat());
    const taken = [...own].find((destination) => destinations.has(destination));
    if (taken !== undefined)
      report(
        source.fault(
          at,
          `the forwarder ${destinations.get(taken)} already delivers there (${taken}); everything would arrive twice; remove one of them`,
          'key',
        ),
      );
    for (const destination of own) if (!destinations.has(destination)) destinations.set(destination, name);
    forwarders.set(name, { name, type: kind.type, settings });
  }
  return forwarders;
}
