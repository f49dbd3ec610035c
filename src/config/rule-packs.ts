/**
 * Rule packs: rules and computed points for one kind of site, as data. `rule-packs/<name>/pack.yaml`. Values that a site chooses are
 * parameters; `{{name}}` stands for one. A pack writes nothing by itself: it becomes YAML that a person adds to a configuration.
 *
 * - A text that is one `{{name}}` alone becomes the value with its type. Inside a longer text it becomes a part of the text, and a
 *   duration in the words of a message becomes words of its language.
 * - An entry that needs a parameter which was not given, and has no default, is left out, and so is one that needs a device which the
 *   pack left out. A list of points in a device loses those of devices that were left out, and a device that loses all of a list is
 *   left out itself: the index of a place is that of what the place measures. What a rule does (`do`, `escalate`, `interlock`) is left
 *   out alone: the rule then only reports.
 * - A value that a person gave and that ends in no rule and no point is refused: a switch that nobody names in a rule stops no pump.
 * - Everything that a pack becomes goes through `sluice check` like words of a person.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { SluiceError } from '../core/errors.ts';
import { LANGUAGES, type Language } from '../core/languages.ts';
import { listed, longDuration, wordsIn } from '../core/sentence.ts';
import { unitWords } from '../core/unit-words.ts';
import { check, isSection, placeOf } from './checker.ts';
import { type Fault, formatFault } from './fault.ts';
import { NAME } from './schema-parts.ts';
import { hint } from './suggest.ts';
import { readYamlFile } from './yaml-source.ts';

const MOST_PACKS = 1000;
const MOST_ENTRIES = 200;
const MARK = /\{\{\s*([a-z0-9][a-z0-9_-]*)\s*\}\}/g;
const WHOLE = /^\{\{\s*([a-z0-9][a-z0-9_-]*)\s*\}\}$/;
const POINT = /^[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*$/;

const text = () => z.strictObject({ en: z.string().min(1).max(1000), bn: z.string().min(1).max(1000) });
const entries = () =>
  z
    .record(z.string(), z.unknown())
    .refine((all) => Object.keys(all).length <= MOST_ENTRIES, `there are at most ${MOST_ENTRIES} entries; make two packs`)
    .optional();

const parameterSchema = z.strictObject({
  kind: z.enum(['point', 'number', 'duration', 'name', 'text']).describe('The kind of the value.'),
  about: text().describe('The words of the parameter, in both languages.'),
  unit: z.string().optional().describe('UCUM code of a number, or of the point.'),
  default: z.union([z.number(), z.string()]).optional().describe('Taken where nothing is given.'),
  optional: z.boolean().optional().describe('Entries that need it are left out when it is not given.'),
  source: z.string().optional().describe('The id of the source of the default.'),
  confirmed: z.boolean().optional().describe('Whether the default was read in that source. Without it the value is ours.'),
});

export const packSchema = z.strictObject({
  title: text(),
  about: text(),
  sources: z
    .array(z.strictObject({ id: z.string().regex(NAME), title: z.string().min(1), url: z.url().optional() }))
    .max(50)
    .describe('The documents of the thresholds.'),
  parameters: z.record(z.string().regex(NAME), parameterSchema),
  buses: entries(),
  devices: entries(),
  rules: entries(),
});
export type RulePack = z.output<typeof packSchema> & { readonly name: string };
export type PackParameter = z.output<typeof parameterSchema>;

type Values = ReadonlyMap<string, Readonly<{ kind: PackParameter['kind']; value: string | number }>>;

/** Sections that a pack adds to, in the order in which they are written. */
export const PACK_SECTIONS = ['buses', 'devices', 'rules'] as const;
/** Keys of a rule that act. A site asks for them with the parameter that they need. */
const ACTS = ['do', 'escalate', 'interlock'];
export type PackSections = Readonly<Record<(typeof PACK_SECTIONS)[number], Readonly<Record<string, unknown>>>>;

/** @returns names, sorted */
export function packNames(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
    .map(({ name }) => name)
    .sort()
    .slice(0, MOST_PACKS);
}

/** @throws SluiceError not-found; config-invalid with every fault on a line of its own */
export function loadPack(dir: string, name: string): RulePack {
  const names = packNames(dir);
  if (!names.includes(name))
    throw new SluiceError('not-found', `there is no rule pack "${name.slice(0, 64)}"${hint(name, names)}; see: sluice pack list`);
  const source = readYamlFile(path.join(dir, name, 'pack.yaml'));
  const faults: Fault[] = [...source.faults];
  const pack = isSection(source.value)
    ? (check(packSchema, source.value, placeOf(source, []), (fault) => faults.push(fault)) as RulePack | undefined)
    : undefined;
  if (pack !== undefined) faults.push(...unknownMarks(pack).map((message) => source.fault([], message)));
  if (pack === undefined || faults.length > 0)
    throw new SluiceError('config-invalid', `the rule pack cannot be used:\n${faults.map(formatFault).join('\n')}`);
  return { ...pack, name };
}

/** Marks without a parameter, and parameters without a mark. */
function unknownMarks(pack: Omit<RulePack, 'name'>): string[] {
  const used = new Set(PACK_SECTIONS.flatMap((section) => marksOf(pack[section] ?? {})));
  const known = Object.keys(pack.parameters);
  return [
    ...[...used].filter((name) => !known.includes(name)).map((name) => `{{${name}}} is no parameter of this pack`),
    ...known.filter((name) => !used.has(name)).map((name) => `the parameter ${name} is used nowhere`),
  ];
}

/** Names of the parameters in a value, keys included. */
function marksOf(value: unknown): string[] {
  if (typeof value === 'string') return [...value.matchAll(MARK)].map(([, name = '']) => name);
  if (Array.isArray(value)) return value.flatMap(marksOf);
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, part]) => [...marksOf(key), ...marksOf(part)]);
  return [];
}

/**
 * What a pack adds to a configuration.
 * @param given texts as a person writes them, by parameter
 * @throws SluiceError usage: an unknown parameter, one that is missing, a value that does not fit, or one that changes nothing
 */
export function applyPack(pack: RulePack, given: ReadonlyMap<string, string>): PackSections {
  const names = Object.keys(pack.parameters);
  for (const name of given.keys())
    if (!names.includes(name))
      throw new SluiceError('usage', `the pack ${pack.name} has no parameter "${name.slice(0, 64)}"${hint(name, names)}`);
  const values = new Map<string, { kind: PackParameter['kind']; value: string | number }>();
  const missing: string[] = [];
  for (const [name, parameter] of Object.entries(pack.parameters)) {
    const written = given.get(name);
    const value = written === undefined ? parameter.default : read(name, parameter, written);
    if (value !== undefined) values.set(name, { kind: parameter.kind, value });
    else if (parameter.optional !== true) missing.push(`  --set ${name}=…  ${parameter.about.en}`);
  }
  if (missing.length > 0) throw new SluiceError('usage', `the pack ${pack.name} also needs:\n${missing.join('\n')}`);
  const isWhole = (entry: [string, unknown]) => marksOf({ [entry[0]]: entry[1] }).every((name) => values.has(name));
  const asked = (rule: unknown) =>
    isSection(rule) ? Object.fromEntries(Object.entries(rule).filter((part) => !ACTS.includes(part[0]) || isWhole(part))) : rule;
  const section = (of: Readonly<Record<string, unknown>> = {}) =>
    Object.fromEntries(
      Object.entries(of)
        .filter(isWhole)
        .map(([key, value]) => [String(filled(key, values)), filled(value, values)]),
    );
  const called = Object.keys(pack.devices ?? {}).map((device) => String(filled(device, values)));
  const { devices, absent } = withoutAbsent(section(pack.devices), called);
  const used = Object.values(devices).map((device) => (isSection(device) ? device.bus : undefined));
  const buses = Object.entries(section(pack.buses)).filter(([bus]) => used.includes(bus));
  const wanted = Object.fromEntries(Object.entries(pack.rules ?? {}).map(([rule, written]) => [rule, asked(written)]));
  const rules = Object.fromEntries(Object.entries(section(wanted)).filter(([, rule]) => !pointsAt(rule, absent)));
  const made = { buses: Object.fromEntries(buses), devices, rules };
  const written = { ...pack, rules: wanted };
  const kept = PACK_SECTIONS.flatMap((part) =>
    Object.entries(written[part] ?? {}).filter(([key]) => Object.hasOwn(made[part], String(filled(key, values)))),
  );
  const served = marksOf(kept);
  const idle = [...given.keys()].filter((name) => mustServe(name, pack) && !served.includes(name));
  if (idle.length > 0) throw new SluiceError('usage', idle.map((name) => idleFault(name, pack, values)).join('\n'));
  if (Object.keys(rules).length === 0) {
    const points = Object.entries(pack.parameters).filter(([, { kind }]) => kind === 'point');
    const lines = points.map(([name, { about }]) => `  --set ${name}=…  ${about.en}`);
    throw new SluiceError('usage', `the pack ${pack.name} has no rule without a point; give some of:\n${lines.join('\n')}`);
  }
  return made;
}

/** A limit may stay beside a point that is left out, and words say nothing alone. Each other value is given so that something is done. */
function mustServe(name: string, { parameters, buses, devices, rules }: RulePack): boolean {
  const parameter = parameters[name];
  if (parameter === undefined || parameter.kind === 'name' || parameter.default !== undefined) return false;
  const sections = JSON.stringify([buses, devices, rules], (key, part) => (key === 'message' ? undefined : part));
  return marksOf(sections).includes(name);
}

/** The entry that lacks the least says what the value needs. */
function idleFault(name: string, { name: pack, parameters, devices = {}, rules = {} }: RulePack, values: Values): string {
  const lacking = [...Object.entries(devices), ...Object.entries(rules)]
    .map((entry) => marksOf(partsFor(name, entry)))
    .filter((marks) => marks.includes(name))
    .map((marks) => Object.keys(parameters).filter((mark) => marks.includes(mark) && !values.has(mark)))
    .filter(({ length }) => length > 0)
    .sort((a, b) => a.length - b.length);
  const [least] = lacking;
  if (least === undefined)
    return `${name} is used by no rule of the pack ${pack} as it is set; leave ${name} out, or see: sluice pack show ${pack}`;
  const them = least.length === 1 ? 'it' : 'them';
  return `${name} is used by no rule without ${wordsIn(listed(least), 'en')}: set ${them} too, or leave ${name} out`;
}

/** An entry without the acts that do not name the parameter: the rule stands without these. */
function partsFor(name: string, [key, entry]: [string, unknown]): unknown {
  if (!isSection(entry)) return [key, entry];
  return [key, Object.entries(entry).filter(([part, acts]) => !ACTS.includes(part) || marksOf(acts).includes(name))];
}

/** @param called all devices of the pack @returns those that are left, and the names of the others */
function withoutAbsent(
  devices: Readonly<Record<string, unknown>>,
  called: readonly string[],
): { devices: Readonly<Record<string, unknown>>; absent: readonly string[] } {
  const absent = called.filter((device) => !Object.hasOwn(devices, device));
  const left = Object.entries(devices).flatMap(([name, device]) => {
    const listed = withLists(device, absent);
    return listed === undefined ? [] : [[name, listed] as const];
  });
  // One that is left out now may stand in the list of another.
  return left.length === Object.keys(devices).length
    ? { devices: Object.fromEntries(left), absent }
    : withoutAbsent(Object.fromEntries(left), called);
}

/** @returns the value with shorter lists; undefined: nothing is left of one */
function withLists(value: unknown, absent: readonly string[]): unknown {
  if (Array.isArray(value)) {
    const left = value.filter((part) => !isPointOf(part, absent));
    return left.length === 0 && value.length > 0 ? undefined : left;
  }
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.entries(value).map(([key, part]) => [key, withLists(part, absent)] as const);
  return parts.some(([, part]) => part === undefined) ? undefined : Object.fromEntries(parts);
}

function isPointOf(value: unknown, devices: readonly string[]): boolean {
  return typeof value === 'string' && POINT.test(value) && devices.includes(value.slice(0, value.indexOf('.')));
}

/** @returns whether a text in the value is a point of one of the devices */
function pointsAt(value: unknown, devices: readonly string[]): boolean {
  if (isPointOf(value, devices)) return true;
  return typeof value === 'object' && value !== null && Object.values(value).some((part) => pointsAt(part, devices));
}

function read(name: string, { kind, unit }: PackParameter, written: string): string | number {
  const wrong = (is: string) => new SluiceError('usage', `${name} is ${is}; this is "${written.slice(0, 80)}"`);
  switch (kind) {
    case 'number': {
      const number = Number(written);
      if (/^[+-]?\d+,\d+$/.test(written.trim())) throw wrong(`written with a point: ${written.trim().replace(',', '.')}`);
      if (written.trim() === '' || !Number.isFinite(number))
        throw wrong(`a number${unit === undefined ? '' : ` in ${unitWords(unit)}`}`);
      return number;
    }
    case 'point':
      if (!POINT.test(written)) throw wrong('a point, written device.point');
      return written;
    case 'duration':
      if (!/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(written)) throw wrong('a duration such as 10m or 24h');
      return written;
    case 'name':
      if (!NAME.test(written)) throw wrong('a name of small letters, digits, - and _');
      return written;
    case 'text':
      if (written.length === 0 || written.length > 500) throw wrong('a text of 1 to 500 letters');
      return written;
  }
}

/** @param language of the text that is filled; undefined: it is for no person */
function filled(value: unknown, values: Values, language?: Language): unknown {
  if (typeof value === 'string') {
    const whole = WHOLE.exec(value)?.[1];
    if (whole !== undefined) return values.get(whole)?.value;
    return value.replace(MARK, (_, name: string) => {
      const { kind, value: part } = values.get(name) ?? {};
      return language !== undefined && kind === 'duration' ? longDuration(String(part), language) : String(part);
    });
  }
  if (Array.isArray(value)) return value.map((part) => filled(part, values));
  if (!isSection(value)) return value;
  const parts = Object.entries(value).map(([key, part]) => {
    const said = key === 'message' && isSection(part) ? inEach(part, values) : filled(part, values);
    return [String(filled(key, values)), said] as const;
  });
  return Object.fromEntries(parts);
}

/** A message with a text for each language. */
function inEach(message: Readonly<Record<string, unknown>>, values: Values): unknown {
  const texts = Object.entries(message).map(([key, text]) => {
    const language = LANGUAGES.find((one) => one === key);
    return [key, filled(text, values, language)] as const;
  });
  return Object.fromEntries(texts);
}
