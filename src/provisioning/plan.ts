/**
 * From the text of `sluice.yaml` to what provisioning will write. Pure but for what the loader of the configuration reads (profiles).
 * Every fault has its place in `sluice.yaml`, also one that the loader finds in the configuration that was made of it.
 */
import { createHmac } from 'node:crypto';
import { claimCodeOf } from '../access/secrets.ts';
import { entryLines } from '../config/add-entries.ts';
import { check, isSection, placeOf } from '../config/checker.ts';
import { type Fault, formatFault, inFileOrder, type Path, pathText } from '../config/fault.ts';
import { parseYamlText, type YamlSource } from '../config/yaml-source.ts';
import type { CardText } from './card-text.ts';
import { type FoundPem, PEM_KEYS, type PemKey, pemFaults, pemOf } from './pem-parts.ts';
import {
  ERASED,
  isErased,
  PRESETS,
  type Provisioning,
  provisioningSchema,
  SECRET_PATHS,
  type SecretName,
  TEXT_PATHS,
} from './schema.ts';

/** What the loader says of a configuration. */
export interface Checked {
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}
/** Checks the text of a configuration under a file name; secrets are not read. */
export type CheckConfig = (text: string, file: string) => Checked;

export interface PlanContext {
  /** Where the configuration will lie. */
  readonly config: string;
  readonly stateDir: string;
  /** The id of this gateway where the file names none. */
  readonly id: string;
  /** Ids that this card had on the boards that it was copied from: a file that names one means this gateway. */
  readonly former: readonly string[];
  readonly check: CheckConfig;
  /** Where the file lies: others that it names are beside it. */
  readonly folder: string;
}

/** A secret of the file, and where it lies there. */
export interface CardSecret {
  readonly name: SecretName;
  readonly text: string;
  /** undefined: it is a file beside it. */
  readonly range: readonly [from: number, to: number] | undefined;
}

/** Files with what the upstream needs, as the configuration names them. */
export type UpstreamFiles = Readonly<Partial<Record<'password' | PemKey, string>>>;

export interface Plan {
  readonly wanted: Provisioning;
  readonly id: string;
  /** The file names an id itself. */
  readonly namesId: boolean;
  /** Those that were not erased yet. */
  readonly secrets: readonly CardSecret[];
  /** Secrets that were erased: those in force stay. */
  readonly erased: readonly SecretName[];
  /** Where an earlier start wrote over a secret, and was cut before it replaced the file. */
  readonly untidy: readonly CardSecret[];
  readonly claimCode: string | undefined;
  /** Texts for the connection to the upstream, but for a key that was erased. */
  readonly pems: Readonly<Partial<Record<PemKey, string | undefined>>>;
  /** A file on the card that is the private key, or was, as it was read. */
  readonly keyFile: { readonly file: string; readonly bytes: Uint8Array } | undefined;
  readonly source: YamlSource;
  readonly warnings: readonly string[];
  /** The configuration. @param files of the upstream, of those that `needs` names */
  config(files: UpstreamFiles): string;
  readonly needs: readonly (keyof UpstreamFiles)[];
  /** The file names an id that this gateway did not have. */
  readonly newId: boolean;
  /** Where the id stands that the card had on another board, to be written anew. */
  readonly formerId: readonly [from: number, to: number] | undefined;
  /** The digest of everything but secrets and the id. @param salt of this gateway */
  redactedDigest(salt: string): string;
  /** The digest of everything but the id. */
  fullDigest(salt: string): string;
}

export type Planned = { readonly plan: Plan } | { readonly faults: readonly string[] };

export function planOf(card: Omit<CardText, 'bytes'>, context: PlanContext): Planned {
  const source = parseYamlText(card.file, card.text);
  if (source.faults.length > 0) return { faults: inFileOrder(source.faults, [card.file]).map(formatFault) };
  const faults: Fault[] = [];
  const report = (fault: Fault) => void faults.push(fault);
  if (!isSection(source.value))
    return { faults: [formatFault(source.fault([], 'write one key on each line, for example name: Ghat 1 water point'))] };
  const written = asTexts(source.value, source);
  const pems = pemsOf(written, context.folder, (key, words) => report(source.fault(['upstream', key], words)));
  const value = withPems(written, pems);
  const wanted = check(provisioningSchema, value, placeOf(source, []), report);
  const refused = () => ({ faults: inFileOrder(faults, [card.file]).map(formatFault) });
  if (wanted === undefined) return refused();
  const { secrets, erased, untidy } = secretsOf(written, source, pems.key);
  const texts = Object.fromEntries(Object.entries(pems).map(([key, { text }]) => [key, text]));
  for (const { key, words } of pemFaults(texts)) report(source.fault(['upstream', key], words));
  const code = secrets.find(({ name }) => name === 'claimCode');
  const claimCode = code === undefined ? undefined : claimCodeOf(code.text);
  if (code !== undefined && claimCode === undefined)
    report(
      source.fault(['claimCode'], 'a claim code has 12 letters and digits, without I, L, O and U, for example 7K3M-Q2XV-9TRD'),
    );
  const devices = devicesOf(wanted, source, report);
  const namesId = wanted.id !== undefined && !context.former.includes(wanted.id);
  const id = namesId ? (wanted.id ?? context.id) : context.id;
  const config = (files: UpstreamFiles): string => configText(wanted, { id, stateDir: context.stateDir, devices, files });
  const hasPassword = secrets.some(({ name }) => name === 'upstream.password') || erased.includes('upstream.password');
  const needs = [...(hasPassword ? (['password'] as const) : []), ...PEM_KEYS.filter((key) => pems[key] !== undefined)];
  const found =
    faults.length > 0
      ? { faults: [], warnings: [] }
      : context.check(config(Object.fromEntries(needs.map((of) => [of, '/dev/null']))), context.config);
  const here = (fault: Fault): Fault => {
    const at = cardPath(fault.path, devices);
    return { ...source.fault(at, fault.message), path: pathText(at) };
  };
  for (const fault of found.faults) report(here(fault));
  if (faults.length > 0) return refused();
  const digest = (what: unknown, salt: string): string => createHmac('sha256', salt).update(JSON.stringify(what)).digest('hex');
  const { id: _, ...rest } = value;
  return {
    plan: {
      ...{ wanted, id, namesId, secrets, erased, untidy, claimCode, source, config, needs },
      ...{ pems: erased.includes('upstream.key') ? { ...texts, key: undefined } : texts, keyFile: pems.key?.file },
      warnings: inFileOrder(found.warnings.map(here), [card.file]).map(formatFault),
      newId: namesId && id !== context.id,
      formerId: wanted.id !== undefined && !namesId ? source.range(['id']) : undefined,
      redactedDigest: (salt) => digest(redacted(rest), salt),
      fullDigest: (salt) => digest(rest, salt),
    },
  };
}

/** Texts that YAML reads as numbers are taken as they are written: a password `0123` has a zero at the front. */
function asTexts(value: Readonly<Record<string, unknown>>, source: YamlSource): Record<string, unknown> {
  const result: Record<string, unknown> = { ...value };
  for (const [first = '', second] of TEXT_PATHS) {
    const written = result[first];
    if (second === undefined) {
      if (typeof written === 'number' || typeof written === 'boolean') result[first] = source.written([first]) ?? String(written);
    } else if (isSection(written)) {
      const inner = written[second];
      if (typeof inner === 'number' || typeof inner === 'boolean')
        result[first] = { ...written, [second]: source.written([first, second]) ?? String(inner) };
    }
  }
  return result;
}

type FoundPems = Partial<Record<PemKey, FoundPem>>;

function pemsOf(
  value: Readonly<Record<string, unknown>>,
  folder: string,
  report: (key: PemKey, words: string) => void,
): FoundPems {
  const { upstream } = value;
  const pems: FoundPems = {};
  if (!isSection(upstream)) return pems;
  for (const key of PEM_KEYS) {
    const text = upstream[key];
    if (typeof text !== 'string') continue;
    const found = pemOf(key, text, folder);
    if (typeof found === 'string') report(key, found);
    else pems[key] = found;
  }
  return pems;
}

/** The value with the texts of files in place of their names. A file that changes is a change of the whole. */
function withPems(value: Readonly<Record<string, unknown>>, pems: FoundPems): Record<string, unknown> {
  const { upstream } = value;
  const texts = Object.entries(pems).map(([key, { text }]) => [key, text]);
  return isSection(upstream) && texts.length > 0
    ? { ...value, upstream: { ...upstream, ...Object.fromEntries(texts) } }
    : { ...value };
}

/** @param key the private key, where there is one */
function secretsOf(
  value: Readonly<Record<string, unknown>>,
  source: YamlSource,
  key: FoundPem | undefined,
): { secrets: CardSecret[]; erased: SecretName[]; untidy: CardSecret[] } {
  const secrets: CardSecret[] = [];
  const erased: SecretName[] = [];
  const untidy: CardSecret[] = [];
  for (const at of SECRET_PATHS) {
    const text = at.reduce<unknown>((inner, key) => (isSection(inner) ? inner[key] : undefined), value);
    if (typeof text !== 'string') continue;
    const name = at.join('.') as SecretName;
    if (name === 'upstream.key' && !isErased(text.trim()) && !text.includes('-----BEGIN ')) {
      // The name of a file.
      if (key === undefined) continue;
      if (isErased(key.text)) erased.push(name);
      else secrets.push({ name, text: key.text, range: undefined });
      continue;
    }
    const range = source.range(at);
    if (isErased(text.trim())) {
      erased.push(name);
      if (text !== ERASED && range !== undefined) untidy.push({ name, text, range });
    } else if (range !== undefined) secrets.push({ name, text, range });
  }
  return { secrets, erased, untidy };
}

/** The value with the mark of erased secrets in the place of each secret. */
function redacted(value: Readonly<Record<string, unknown>>): unknown {
  const copy: Record<string, unknown> = { ...value };
  for (const [first, second] of SECRET_PATHS) {
    const inner = copy[first];
    if (second === undefined) {
      if (inner !== undefined) copy[first] = ERASED;
    } else if (isSection(inner) && inner[second] !== undefined) copy[first] = { ...inner, [second]: ERASED };
  }
  return copy;
}

/** The bus of each device. A device name may stand once. */
function devicesOf(wanted: Provisioning, source: YamlSource, report: (fault: Fault) => void): Map<string, string> {
  const buses = new Map<string, string>();
  for (const [bus, { devices }] of Object.entries(wanted.buses ?? {}))
    for (const device of Object.keys(devices ?? {})) {
      const other = buses.get(device);
      if (other === undefined) buses.set(device, bus);
      else
        report(
          source.fault(
            ['buses', bus, 'devices', device],
            `the bus ${other} has a device ${device} already; choose another name`,
            'key',
          ),
        );
    }
  return buses;
}

interface Parts {
  readonly id: string;
  readonly stateDir: string;
  readonly devices: ReadonlyMap<string, string>;
  readonly files: UpstreamFiles;
}

/** The first line of a configuration that a card made. */
export const PROVISIONED =
  '# Configuration of a Sluice gateway, made by "sluice provision" from sluice.yaml on the boot partition of the card.';
const HEAD = `${PROVISIONED}
# Your changes here stay until sluice.yaml changes. Check them: sluice check
`;

function configText(wanted: Provisioning, { id, stateDir, devices, files }: Parts): string {
  const { site, name, language, timezone, upstream, page } = wanted;
  const key = upstream?.configureKey;
  const { password, ...named } = files;
  const tls = defined(named);
  const title = [name, site].filter((text) => text !== undefined).join(', ');
  const buses = Object.entries(wanted.buses ?? {}).map(([bus, { preset, devices: _, ...keys }]) => [
    bus,
    { ...(preset === undefined ? {} : PRESETS[preset]), ...keys },
  ]);
  const sections: Record<string, unknown> = {
    gateway: {
      id,
      ...(title === '' ? {} : { name: title }),
      ...defined({ language, timezone }),
      ...(key && { configure: { keys: [key] } }),
      stateDir,
    },
    ...(buses.length === 0 ? {} : { buses: Object.fromEntries(buses) }),
    ...(devices.size === 0
      ? {}
      : {
          devices: Object.fromEntries(
            [...devices].map(([device, bus]) => [device, { bus, ...wanted.buses?.[bus]?.devices?.[device] }]),
          ),
        }),
    broker: { listen: { host: '127.0.0.1', port: 1883 } },
    ...(upstream === undefined
      ? {}
      : {
          forwarders: {
            upstream: {
              type: 'mqtt',
              url: upstream.url,
              ...defined({ username: upstream.username, clientId: upstream.clientId, format: upstream.format }),
              ...(key && { commands: { configure: true } }),
              ...(password === undefined ? {} : { password: { file: password } }),
              ...(Object.keys(tls).length === 0 ? {} : { tls }),
            },
          },
        }),
    dashboard: {
      listen: [{ host: '127.0.0.1', port: 8080 }, ...(page === 'network' ? [{ host: '0.0.0.0', port: 8443, tls: true }] : [])],
    },
  };
  return `${HEAD}${Object.entries(sections)
    .map(([key, section]) => `\n${entryLines({ [key]: section }, 0)}\n`)
    .join('')}`;
}

function defined(keys: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
}

/** Where a key of the configuration stands in `sluice.yaml`. */
function cardPath(text: string, devices: ReadonlyMap<string, string>): Path {
  const steps = [...text.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, key, index]) =>
    index === undefined ? (key ?? '') : Number(index),
  );
  const [section, name, ...rest] = steps;
  switch (section) {
    case 'gateway':
      if (name === 'configure') return ['upstream', 'configureKey'];
      return name === undefined || name === 'stateDir' ? [] : [name];
    case 'forwarders':
      return rest[0] === 'tls' ? ['upstream', ...rest.slice(1)] : ['upstream', ...rest];
    case 'devices': {
      const bus = devices.get(String(name));
      return bus === undefined ? ['buses'] : ['buses', bus, 'devices', String(name), ...rest];
    }
    case 'buses':
      return name === undefined ? ['buses'] : ['buses', name, ...rest];
    default:
      return [];
  }
}
