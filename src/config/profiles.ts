/**
 * Device profiles: data, never code. A profile's name is its file's name without `.yaml`; the folders are walked once,
 * and only the profiles that are asked for are read. A name that two files claim is a fault, whichever folder they are in.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import type { Section } from './checker.ts';
import { check, isSection, placeOf } from './checker.ts';
import type { Fault } from './fault.ts';
import type { DriverKind, Kinds } from './kinds.ts';
import type { Layer } from './layers.ts';
import { NAME, nameFault } from './schema-parts.ts';
import { hint } from './suggest.ts';
import type { YamlSource } from './yaml-source.ts';
import { readYamlFile } from './yaml-source.ts';
import { quote } from './zod-words.ts';

const MAX_FOLDER_DEPTH = 6;
const MAX_PROFILE_FILES = 20_000;
const MAX_EXTENDS = 5;

const section = () => z.record(z.string(), z.unknown());

export const profileSchema = z.strictObject({
  vendor: z.string().min(1).describe('The maker of the device.'),
  model: z.string().min(1).describe('The name of the model, as on its label.'),
  title: z.string().min(1).describe('A title for people: `single-phase energy meter`.'),
  family: z
    .string()
    .optional()
    .describe('The drivers for the device: `modbus`, `serial` or `mqtt`. Needed unless `extends` brings it.'),
  sources: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'The sources of the facts: the manual of the maker, or at least two independent public sources that agree. `notes` says which one is trusted where they disagree.',
    ),
  notes: z.string().optional().describe('Notes for a person who wires the device.'),
  extends: z.string().optional().describe('Another profile that this one changes. Its keys apply where this one has none.'),
  line: section().optional().describe('Line settings of the factory. A bus with other settings gets a warning.'),
  device: section().optional().describe('Keys of the device (limits, framing, decoding), as in the configuration.'),
  defaults: section().optional().describe('Keys that every point has unless it has its own.'),
  points: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('The points, as in the configuration. `null` removes an inherited one.'),
});

/** What a profile says about itself. */
export interface ProfileInfo {
  readonly vendor: string;
  readonly model: string;
  readonly title: string;
  readonly sources: readonly string[];
  readonly notes?: string | undefined;
}

/** A profile with what it extends, root first. */
export interface Profile {
  readonly name: string;
  readonly file: string;
  readonly family: string;
  /** Vendor and model. */
  readonly title: string;
  readonly info: ProfileInfo;
  readonly source: YamlSource;
  /** The part of every profile in the chain, root first. */
  readonly device: readonly Layer[];
  readonly line: readonly Layer[];
  readonly defaults: readonly Layer[];
  readonly points: ReadonlyMap<string, readonly Layer[]>;
}

type Found = { readonly profile: Profile } | { readonly missing: string } | { readonly broken: true };

export class ProfileLibrary {
  /** Faults inside profile files, in the order met. */
  readonly faults: Fault[] = [];
  readonly files: string[] = [];
  /** Their texts as they were read. */
  readonly texts = new Map<string, string>();
  readonly #dirs: readonly string[];
  readonly #extra: readonly string[];
  readonly #kinds: Kinds;
  readonly #done = new Map<string, Found>();
  #index: Map<string, string[]> | undefined;

  /** @param extra files of profiles besides those in the folders */
  constructor(dirs: readonly string[], kinds: Kinds, extra: readonly string[] = []) {
    this.#dirs = dirs;
    this.#extra = extra;
    this.#kinds = kinds;
  }

  /** All names, sorted, without reading a profile. */
  names(): string[] {
    return [...this.#walk().keys()].sort();
  }

  /** Every file that claims a name. */
  filesOf(name: string): readonly string[] {
    return this.#walk().get(name) ?? [];
  }

  /** `missing` holds the sentence for the place that named the profile; `broken` means that its own faults are in `faults`. */
  get(name: string): Found {
    const done = this.#done.get(name);
    if (done !== undefined) return done;
    const found = this.#read(name, []);
    this.#done.set(name, found);
    return found;
  }

  /** `Eastron SDM120` is looked for by its words too. */
  #hint(name: string): string {
    const names = this.names();
    const best = hint(name, names, 8);
    if (best !== '') return best;
    const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    const wanted = plain(name.slice(0, 64));
    const within = names.filter((known) => wanted.length > 2 && (wanted.includes(plain(known)) || plain(known).includes(wanted)));
    const [one] = within.sort((a, b) => b.length - a.length);
    return one === undefined ? '; `sluice profile list` shows all' : `; did you mean "${one}"?`;
  }

  #read(name: string, trail: readonly string[]): Found {
    const files = this.#walk().get(name) ?? [];
    const [file, other] = files;
    if (file === undefined) return { missing: `there is no profile ${quote(name)}${this.#hint(name)}` };
    if (other !== undefined)
      return { missing: `the profile "${name}" is defined twice, in ${file} and in ${other}; rename or remove one` };
    const source = readYamlFile(file);
    if (!this.files.includes(file)) this.files.push(file);
    this.texts.set(file, source.text);
    const before = this.faults.length;
    const report = (fault: Fault) => this.faults.push(fault);
    this.faults.push(...source.faults);
    if (source.faults.length > 0) return { broken: true };
    const written = check(profileSchema, source.value, placeOf(source, []), report);
    if (written === undefined) {
      if (isSection(source.value)) this.#checkLine(source, source.value, report);
      return { broken: true };
    }
    const parent = written.extends === undefined ? undefined : this.#parent(written.extends, source, [...trail, name]);
    const family = written.family ?? parent?.family;
    if (family === undefined) {
      if (written.extends === undefined)
        report(source.fault(['family'], `this key is missing; write one of: ${this.#families().join(', ')}`));
    } else if (!this.#families().includes(family)) {
      report(source.fault(['family'], `"${family}" is not a family of devices${hint(family, this.#families())}`));
    } else if (parent !== undefined && parent.family !== family) {
      report(source.fault(['family'], `this profile extends ${parent.name}, which is of the family ${parent.family}`));
    }
    // The points of a missing parent are unknown, so no fault is reported about them.
    const orphan = written.extends !== undefined && parent === undefined;
    const points = pointLayers(source, written.points ?? {}, parent, orphan, report);
    const profile: Profile = {
      name,
      file,
      family: family ?? '',
      title: `${written.vendor} ${written.model}`,
      info: written,
      source,
      device: add(parent?.device, source, 'device', written.device),
      line: add(parent?.line, source, 'line', written.line),
      defaults: add(parent?.defaults, source, 'defaults', written.defaults, true),
      points,
    };
    if (points.size === 0 && !orphan) report(source.fault(['points'], 'a profile needs at least one point'));
    this.#checkLine(source, { ...written, family }, report);
    return orphan || this.faults.length > before ? { broken: true } : { profile };
  }

  #parent(name: string, source: YamlSource, trail: readonly string[]): Profile | undefined {
    const refuse = (message: string) => void this.faults.push(source.fault(['extends'], message));
    if (trail.includes(name))
      return refuse(`profiles extend each other in a circle: ${[...trail, name].join(' -> ')}`) as undefined;
    if (trail.length >= MAX_EXTENDS) return refuse(`profiles extend each other more than ${MAX_EXTENDS} deep`) as undefined;
    const found = this.#done.get(name) ?? this.#read(name, trail);
    if ('missing' in found) return refuse(found.missing) as undefined;
    if ('broken' in found) return undefined;
    this.#done.set(name, found);
    return found.profile;
  }

  #checkLine(source: YamlSource, written: Section, report: (fault: Fault) => void): void {
    const kinds = this.#kinds.drivers.filter((kind) => kind.family === written.family);
    // A network protocol of the family may know no line at all; a profile is written for the one that knows most.
    const richest = kinds.toSorted((a, b) => shapeSize(b) - shapeSize(a))[0];
    if (richest !== undefined && isSection(written.line)) check(richest.line, written.line, placeOf(source, ['line']), report);
  }

  #families(): string[] {
    return [...new Set(this.#kinds.drivers.map((kind) => kind.family))];
  }

  #walk(): Map<string, string[]> {
    if (this.#index !== undefined) return this.#index;
    const index = new Map<string, string[]>();
    let left = MAX_PROFILE_FILES;
    const add = (file: string): void => {
      const name = profileName(file);
      const files = index.get(name);
      if (files === undefined) index.set(name, [file]);
      else if (!files.some((other) => path.resolve(other) === path.resolve(file))) files.push(file);
    };
    // First, so that faults show such a file as it was named.
    for (const file of this.#extra) add(file);
    const walk = (dir: string, depth: number): void => {
      for (const entry of listFolder(dir)) {
        const full = path.join(dir, entry.name);
        if (entry.isDirectory() && depth < MAX_FOLDER_DEPTH) walk(full, depth + 1);
        else if (isProfileFile(entry.name) && !entry.isDirectory() && left-- > 0) add(full);
      }
    };
    for (const dir of new Set(this.#dirs.map((d) => path.normalize(d)))) walk(dir, 1);
    this.#index = index;
    return index;
  }
}

/** The name of a profile is that of its file. */
export function profileName(file: string): string {
  return path.basename(file, '.yaml');
}

/** The case of a profile may lie beside it: `sdm120.case.yaml`. */
function isProfileFile(name: string): boolean {
  return name.endsWith('.yaml') && !name.endsWith('.case.yaml');
}

function shapeSize(kind: DriverKind): number {
  return Object.keys(kind.line.shape).length;
}

function listFolder(dir: string) {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    // No such folder: nothing is in it. A profile that is then not found is reported where it is named.
    return [];
  }
}

function add(
  inherited: readonly Layer[] | undefined,
  source: YamlSource,
  key: string,
  value: Section | undefined,
  isDefaults = false,
): Layer[] {
  const own = value === undefined ? [] : [{ source, path: [key], value, isDefaults }];
  return [...(inherited ?? []), ...own];
}

function pointLayers(
  source: YamlSource,
  own: Section,
  parent: Profile | undefined,
  orphan: boolean,
  report: (fault: Fault) => void,
): Map<string, Layer[]> {
  const points = new Map<string, Layer[]>([...(parent?.points ?? [])].map(([name, layers]) => [name, [...layers]]));
  for (const [name, value] of Object.entries(own)) {
    const at = ['points', name];
    if (!NAME.test(name)) report(source.fault(at, nameFault(name), 'key'));
    else if (value === null && (points.has(name) || orphan)) points.delete(name);
    else if (!isSection(value)) report(source.fault(at, 'a point is a section: the keys of the point, indented under its name'));
    else points.set(name, [...(points.get(name) ?? []), { source, path: at, value }]);
  }
  return points;
}
