/**
 * From a file to a GatewayConfig, or to every fault of the file at once.
 *
 * - Nothing here throws because of what is in a file, and nothing is started, opened or connected.
 * - A configuration comes back only when there is no fault; warnings do not stand in its way.
 * - A thing that already has a fault is not complained about again by those that refer to it.
 */
import path from 'node:path';
import type * as z from 'zod';
import type { ReadProfile } from '../core/configuring.ts';
import { actionConflicts } from './action-conflicts.ts';
import { checkAmong } from './among.ts';
import { type BoardPorts, type NamedBoard, onBoard } from './board-ports.ts';
import type { Section } from './checker.ts';
import { check, isSection, placeOf } from './checker.ts';
import type { LoadedBus } from './devices.ts';
import { DeviceResolver } from './devices.ts';
import type { Fault, Path } from './fault.ts';
import { folded, inFileOrder } from './fault.ts';
import { warnOfUnknownGrants } from './flow-grants.ts';
import { resolveForwarders } from './forwarders.ts';
import { gpioLineOf } from './gpio-line.ts';
import { resolveHooks } from './hooks.ts';
import type { Around, BusBudget, GatewayConfig, Kinds, MeasuredTimes } from './kinds.ts';
import { checkListeners, resolveListeners, resolveNodeRed } from './listeners.ts';
import { nodeRedSection } from './node-red.ts';
import { classesOf, pointsOf } from './point-classes.ts';
import { resolvePrivacy } from './privacy.ts';
import { privacySection } from './privacy-keys.ts';
import { warnOfPrivacy } from './privacy-warnings.ts';
import { ProfileLibrary } from './profiles.ts';
import { conflictSite } from './rule-actions.ts';
import { warnOfMessages } from './rule-messages.ts';
import { resolveRules } from './rules.ts';
import { NAME, nameFault } from './schema-parts.ts';
import type { SecretReference } from './secrets.ts';
import { brokerSection, bufferSection, dashboardSection, gatewaySection, TOP_LEVEL } from './sections.ts';
import { hint, meantWord } from './suggest.ts';
import { topSection } from './top-section.ts';
import type { YamlSource } from './yaml-source.ts';
import { NO_CONFIG, parseYamlText, readYamlFile } from './yaml-source.ts';
import { found, isAccounts, quote, unknownKey } from './zod-words.ts';

const MAX_FAULTS = 200;

export interface LoadOptions {
  /** Folders of profiles; `profiles/` beside the configuration file is added. */
  readonly profileDirs: readonly string[];
  /** Files of profiles besides those in the folders. */
  readonly profileFiles?: readonly string[] | undefined;
  /** For `{env: …}`; default process.env. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** false: secrets are not read and are empty. Default true. */
  readonly readSecrets?: boolean | undefined;
  /** A secret that is not there is a warning: what needs it looks again when it connects. Default false. */
  readonly secretsLater?: boolean | undefined;
  /** false: `profiles/` beside the configuration is not looked at. Default true. */
  readonly ownProfiles?: boolean | undefined;
  /** What a gateway with this state folder measured of its devices; default nothing. */
  readonly measured?: ((stateDir: string) => MeasuredTimes) | undefined;
  /** The file, where it was read before. */
  readonly source?: YamlSource | undefined;
  /** The serial ports of this board, for `port: board:NAME`. Absent: there is none. */
  readonly boardPorts?: BoardPorts | undefined;
}

export interface LoadResult {
  /** Absent when there is a fault. */
  readonly config?: GatewayConfig;
  readonly faults: Fault[];
  readonly warnings: Fault[];
  /** The text that was read, and the profiles that it uses as they were read; absent when there is a fault. */
  readonly read?: {
    readonly text: string;
    readonly profiles: readonly ReadProfile[];
    /** What forwarders take from elsewhere. */
    readonly references: readonly SecretReference[];
  };
  /** One for each bus that has devices and whose driver can compute it; none when there is a fault. */
  readonly budgets: BusBudget[];
  /** A remark at a place of the file, for those who see what this room does not look at: the machine, the wires. */
  readonly remark: (path: Path, message: string) => Fault;
}

/** Reads and checks a configuration file. Never throws. */
export function loadConfig(file: string, kinds: Kinds, options: LoadOptions): LoadResult {
  return new Loader(options.source ?? readYamlFile(file, NO_CONFIG), kinds, options).load();
}

/** The same for a text; `file` is the name that faults show, and its folder is where relative names start. */
export function loadConfigText(text: string, file: string, kinds: Kinds, options: LoadOptions): LoadResult {
  return new Loader(parseYamlText(file, text, NO_CONFIG), kinds, options).load();
}

class Loader {
  readonly #source: YamlSource;
  readonly #kinds: Kinds;
  readonly #options: LoadOptions;
  readonly #folder: string;
  readonly #faults: Fault[] = [];
  readonly #warnings: Fault[] = [];
  /** Sections that could not be read: nothing is missing in them. */
  readonly #unread = new Set<string>();
  readonly #report = (fault: Fault) => void this.#faults.push(fault);
  readonly #warn = (fault: Fault) => void this.#warnings.push(fault);

  constructor(source: YamlSource, kinds: Kinds, options: LoadOptions) {
    this.#source = source;
    this.#kinds = kinds;
    this.#options = options;
    this.#folder = path.dirname(path.resolve(source.file));
  }

  load(): LoadResult {
    const source = this.#source;
    const remark = (at: Path, message: string) => source.fault(at, message);
    if (source.faults.length > 0) return { faults: inFileOrder(source.faults, [source.file]), warnings: [], budgets: [], remark };
    const root = source.value;
    if (!isSection(root))
      return {
        faults: [source.fault([], `a configuration is made of sections (gateway:, buses:, devices: …); this is ${found(root)}`)],
        warnings: [],
        budgets: [],
        remark,
      };
    for (const key of Object.keys(root)) {
      if (TOP_LEVEL.some((known) => known === key)) continue;
      const meant = meantWord(key, TOP_LEVEL);
      const words =
        meant === undefined && isSection(root[key]) && !isAccounts(key)
          ? `${quote(key)} is not a section; indent it under the section that it belongs to: ${TOP_LEVEL.join(', ')}`
          : unknownKey(key, TOP_LEVEL);
      this.#report(source.fault([key], words, 'key'));
      if (meant !== undefined && root[meant] === undefined) this.#unread.add(meant);
    }

    this.#missing(root, 'buses', 'devices');
    this.#missing(root, 'devices', 'rules');
    const gateway = this.#section(root, 'gateway', gatewaySection, true);
    const { profileDirs, profileFiles, ownProfiles = true } = this.#options;
    const beside = ownProfiles ? [path.join(this.#folder, 'profiles')] : [];
    const library = new ProfileLibrary([...profileDirs, ...beside], this.#kinds, profileFiles);
    const writtenForwarders = this.#named(root, 'forwarders');
    const around = {
      ...{ upstream: writtenForwarders.length > 0, broker: root.broker !== undefined },
      nodeRed: isSection(root.nodeRed) && root.nodeRed.enabled === true,
    };
    const buses = this.#buses(this.#named(root, 'buses'), around, gateway ?? {});
    const [report, warn, kinds] = [this.#report, this.#warn, this.#kinds];
    const known = { buses: this.#unread.has('buses') ? undefined : buses };
    const resolver = new DeviceResolver({ source, kinds, library, ...known, around, report, warn });
    for (const [name, written] of this.#named(root, 'devices')) resolver.add(name, written);
    const devices = resolver.finish();
    if (!this.#unread.has('devices')) checkAmong(devices, { source, buses, kinds, report });
    if (!this.#unread.has('devices')) this.#clock(gateway?.clock?.gps, buses, devices);
    const references: SecretReference[] = [];
    const forwarders = resolveForwarders(writtenForwarders, {
      ...{ source, kinds, report, warn, folder: this.#folder, options: this.#options, buses },
      named: (reference) => references.push(reference),
      typed: (value, at) =>
        this.#typed(
          value,
          at,
          'type',
          kinds.forwarders.map((kind) => kind.type),
        ),
      devices: this.#unread.has('devices') ? undefined : devices,
    });
    const writtenRules = this.#named(root, 'rules');
    const hooks = resolveHooks(this.#named(root, 'hooks'), source, report);
    const rules = resolveRules(writtenRules, {
      ...{ source, kinds, report, buses, around, language: gateway?.language ?? 'en' },
      hooks: this.#unread.has('hooks') ? undefined : hooks,
      devices: this.#unread.has('devices') ? undefined : devices,
      messages: {
        ...{ gateway: gateway?.id ?? '', forwarders, kinds },
        names: this.#unread.has('forwarders') ? undefined : writtenForwarders.map(([name]) => name),
      },
    });
    for (const { path: at, message, severity } of actionConflicts(conflictSite(rules, devices, buses)))
      (severity === 'fault' ? report : warn)(source.fault(at, message, 'key'));
    const buffer = this.#section(root, 'buffer', bufferSection, true);
    const broker = this.#section(root, 'broker', brokerSection, false);
    const dashboard = this.#section(root, 'dashboard', dashboardSection, false);
    const nodeRed = this.#section(root, 'nodeRed', nodeRedSection, false);
    checkListeners(
      {
        ...{ broker: broker?.listen, dashboard: dashboard?.listen },
        ...{ editor: nodeRed?.editor?.listen, flowHttp: nodeRed?.http?.listen },
      },
      { root, source, report: this.#report, warn: this.#warn },
    );

    if (nodeRed !== undefined)
      warnOfUnknownGrants(nodeRed.grants, {
        ...{ source, buses, warn, devices: this.#unread.has('devices') ? undefined : devices },
        rules: this.#unread.has('rules') ? undefined : writtenRules.map(([name]) => name),
      });

    const settings = this.#section(root, 'privacy', privacySection, false);
    const privacy = resolvePrivacy(settings, classesOf(devices, buses), pointsOf(devices, buses));
    if (!this.#unread.has('devices'))
      warnOfPrivacy({
        ...{ privacy, devices, forwarders, maxAge: buffer?.maxAge },
        warn: (at, message) => warn(source.fault(at, message)),
      });
    warnOfMessages(rules, { forwarders, privacy, warn: (rule, message) => warn(source.fault(['rules', rule], message, 'key')) });

    const files = [source.file, ...library.files];
    const faults = limited(folded(inFileOrder([...this.#faults, ...library.faults], files)));
    if (faults.length > 0 || gateway === undefined || buffer === undefined)
      return { faults, warnings: inFileOrder(this.#warnings, files), budgets: [], remark };
    const config: GatewayConfig = {
      gateway: {
        ...gateway,
        stateDir: path.resolve(this.#folder, gateway.stateDir),
        runtimeDir: gateway.runtimeDir === undefined ? undefined : path.resolve(this.#folder, gateway.runtimeDir),
      },
      buses: new Map([...buses].flatMap(([name, bus]) => (bus.resolved === undefined ? [] : [[name, bus.resolved]]))),
      devices: new Map(
        [...devices].flatMap(([name, device]) => (device.resolved === undefined ? [] : [[name, device.resolved]])),
      ),
      rules,
      hooks: new Map([...hooks].flatMap(([name, hook]) => (hook === undefined ? [] : [[name, hook]]))),
      buffer,
      broker: broker && { ...broker, listen: resolveListeners(broker.listen, this.#folder) },
      forwarders,
      ...(privacy === undefined ? {} : { privacy }),
      dashboard: dashboard && { ...dashboard, listen: resolveListeners(dashboard.listen, this.#folder) },
      nodeRed: nodeRed && resolveNodeRed(nodeRed, this.#folder),
    };
    const budgets = this.#budgets(config);
    const read = {
      text: source.text,
      profiles: library.files.map((file) => ({ file, text: library.texts.get(file) ?? '' })),
      references,
    };
    return { config, faults, warnings: inFileOrder(this.#warnings, files), read, budgets, remark };
  }

  /** A section that is not there, and that another one refers to. */
  #missing(root: Section, key: string, from: string): void {
    const written = root[from];
    if ((root[key] ?? undefined) !== undefined || this.#unread.has(key) || !isSection(written)) return;
    if (Object.keys(written).length === 0) return;
    this.#unread.add(key);
    const text = `there is no section ${key}, to which ${from} refer; is the line "${key}:" missing, or indented?`;
    this.#report(this.#source.fault([from], text, 'key'));
  }

  #budgets({ gateway, buses, devices }: GatewayConfig): BusBudget[] {
    const measured = this.#options.measured?.(gateway.stateDir);
    const budgets: BusBudget[] = [];
    for (const bus of buses.values()) {
      const own = [...devices.values()].filter((device) => device.bus === bus.name);
      const kind = this.#kinds.drivers.find((driver) => driver.protocol === bus.protocol);
      const budget = own.length === 0 ? undefined : kind?.budget?.(bus, own, measured);
      if (budget === undefined) continue;
      budgets.push(budget);
      if (budget.warning !== undefined) this.#warn(this.#source.fault(['buses', bus.name], budget.warning, 'key'));
    }
    return budgets;
  }

  #section<T extends z.ZodType>(root: Section, key: string, schema: T, needed: boolean): z.output<T> | undefined {
    return topSection(this.#source, root, { key, schema, needed }, this.#report);
  }

  /** The device that is named as the clock can be one. */
  #clock(gps: string | undefined, buses: ReadonlyMap<string, LoadedBus>, devices: ReturnType<DeviceResolver['finish']>): void {
    if (gps === undefined) return;
    const device = devices.get(gps);
    // Faults of the device itself are reported with the device.
    if (device !== undefined && device.resolved === undefined) return;
    const kind = device === undefined ? undefined : buses.get(device.resolved?.bus ?? '')?.kind;
    const wrong =
      device?.resolved === undefined
        ? `there is no device ${gps}${hint(gps, [...devices.keys()])}`
        : kind?.clockFault === undefined
          ? `${gps} is not a GPS; name a serial device with \`decode: {type: nmea}\``
          : kind.clockFault(device.resolved);
    if (wrong !== undefined) this.#report(this.#source.fault(['gateway', 'clock', 'gps'], wrong));
  }

  /** A section whose keys are names that the author chose. */
  #named(root: Section, key: string): [string, unknown][] {
    const written = root[key];
    if (written === undefined || written === null) return [];
    if (!isSection(written)) {
      this.#report(
        this.#source.fault(
          [key],
          `write a section: each name indented under ${key}, its keys under the name; this is ${found(written)}`,
        ),
      );
      this.#unread.add(key);
      return [];
    }
    const entries = Object.entries(written);
    const [first] = entries;
    const loose = entries.filter(([, value]) => value !== null);
    if (first !== undefined && loose.length > 1 && !loose.some(([, value]) => isSection(value))) {
      const text = `the keys under ${key} need a name: write a name, and the keys indented under it`;
      this.#report(this.#source.fault([key, first[0]], text, 'key'));
      this.#unread.add(key);
      return [];
    }
    for (const [name, value] of entries)
      if (isSection(value) && (!NAME.test(name) || name.length > 64))
        this.#report(this.#source.fault([key, name], nameFault(name), 'key'));
    return entries;
  }

  #buses(written: readonly [string, unknown][], around: Around, board: NamedBoard): Map<string, LoadedBus> {
    const buses = new Map<string, LoadedBus>();
    const wires = new Map<string, string>();
    const lines = new Map<string, string>();
    for (const [name, value] of written) {
      const at: Path = ['buses', name];
      const typed = this.#typed(
        value,
        at,
        'protocol',
        this.#kinds.drivers.map((kind) => kind.protocol),
      );
      const kind = this.#kinds.drivers.find((k) => k.protocol === typed?.type);
      if (typed === undefined || kind === undefined) {
        buses.set(name, {});
        continue;
      }
      const checked = check(kind.bus, typed.rest, placeOf(this.#source, at), this.#report);
      const fault = (message: string) => this.#report(this.#source.fault([...at, 'port'], message));
      const settings = checked && onBoard(checked, { ports: this.#options.boardPorts, named: board, fault });
      for (const { path: keys, message } of (settings && kind.busWarnings?.(settings, around)) ?? [])
        this.#warn(this.#source.fault([...at, ...keys], message));
      const wire = settings === undefined ? undefined : kind.wire(settings);
      const other = wire === undefined ? undefined : wires.get(wire);
      if (other !== undefined)
        this.#report(
          this.#source.fault(
            at,
            `the bus ${other} is already on ${wire}; one wire is one bus; put all its devices under one of them`,
            'key',
          ),
        );
      else if (wire !== undefined) wires.set(wire, name);
      const line = settings && gpioLineOf(settings);
      const switched = line && `${line.gpio} line ${line.line}`;
      const by = switched === undefined ? undefined : lines.get(switched);
      if (by !== undefined && line !== undefined)
        this.#report(
          this.#source.fault(
            [...at, 'direction'],
            `the bus ${by} switches line ${line.line} of ${line.gpio} already; give each bus a line of its own`,
          ),
        );
      else if (switched !== undefined) lines.set(switched, name);
      buses.set(name, settings === undefined ? { kind } : { kind, resolved: { name, protocol: kind.protocol, settings } });
    }
    return buses;
  }

  /** A section with one key that says of which kind it is. */
  #typed(value: unknown, at: Path, key: string, known: readonly string[]): { type: string; rest: Section } | undefined {
    if (!isSection(value)) {
      this.#report(this.#source.fault(at, `write a section with ${key}: and its other keys; this is ${found(value)}`));
      return undefined;
    }
    const { [key]: type, ...rest } = value;
    if (type === undefined || type === null) {
      this.#report(this.#source.fault([...at, key], `this key is missing; write one of: ${known.join(', ')}`));
      return undefined;
    }
    if (typeof type !== 'string' || !known.includes(type)) {
      const word = String(typeof type === 'object' ? found(type) : type);
      this.#report(this.#source.fault([...at, key], `${quote(word)} is not known in this version${hint(word, known)}`));
      return undefined;
    }
    return { type, rest };
  }
}

function limited(faults: Fault[]): Fault[] {
  const next = faults[MAX_FAULTS];
  if (next === undefined) return faults;
  return [
    ...faults.slice(0, MAX_FAULTS),
    { ...next, path: '', message: `and ${faults.length - MAX_FAULTS} more; correct those above first` },
  ];
}
