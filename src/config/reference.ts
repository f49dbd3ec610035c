/** The reference page, made from the same schemas that check a configuration. For technicians: tables, and an example each. */
import { actionSchema, hookSchema } from './actions.ts';
import type { JsonSchema } from './json-schema.ts';
import { configJsonSchema, toJson } from './json-schema.ts';
import type { Kinds } from './kinds.ts';
import { profileSchema } from './profiles.ts';
import { DURATION_PATTERN, NAME, SIZE_PATTERN } from './schema-parts.ts';

const HOOK_EXAMPLE = [
  '```yaml',
  'hooks:',
  '  sms:',
  "    run: [/usr/local/lib/sluice-hooks/sms, '--to={number}', '--', '{message}']",
  '    timeout: 30s',
  '```',
];

/** @param example text of a valid configuration; each top-level section of it becomes the example of its chapter. */
export function referencePage(kinds: Kinds, example: string): string {
  const schema = configJsonSchema(kinds);
  const section = (key: string): JsonSchema => schema.properties?.[key] ?? {};
  const exampleOf = (key: string) => ['```yaml', sectionText(example, key), '```'];
  const drivers = kinds.drivers.map((kind) => ({
    kind,
    bus: toJson(kind.bus),
    device: toJson(kind.device),
    point: toJson(kind.point),
  }));
  const families = [...new Map(drivers.map((driver) => [driver.kind.family, driver])).values()];
  const protocols = (family: string) => kinds.drivers.filter((kind) => kind.family === family).map((kind) => code(kind.protocol));
  const rule = section('rules').additionalProperties as JsonSchema;
  const kindKeys = new Set(kinds.rules.map((kind) => kind.key));
  const common = {
    ...rule,
    properties: Object.fromEntries(Object.entries(rule.properties ?? {}).filter(([key]) => !kindKeys.has(key))),
  };

  const lines = [
    '<!-- Generated from the schema by scripts/generate-docs.ts; do not edit. -->',
    '# Configuration',
    '',
    'This page lists every key of the configuration. It is for people who write or change one.',
    '',
    'The configuration is one YAML file, usually `/etc/sluice/gateway.yaml`. `sluice init` writes a starter. `sluice check FILE` reports',
    'every fault with its line and what to write instead. Editors that know JSON Schema complete and check while you type. Put',
    '`# yaml-language-server: $schema=…/docs/reference/gateway.schema.json` into the first line for that.',
    '',
    '| what | how it is written |',
    '|---|---|',
    '| duration | a number and a unit: `250ms`, `10s`, `5m`, `24h`, `30d` |',
    '| size | a number and a unit: `64MB`, `1GB` (1 MB is 1024 × 1024 bytes) |',
    '| name | small letters, digits, `-` and `_`. It begins with a letter or digit and has at most 64 characters. |',
    '| secret | `{file: /path/to/it}` or `{env: NAME}`, or the text itself, in quotes. The gateway never shows it. One line break at the end of a file is dropped. A relative path starts at the folder of the configuration. |',
    '| unit | a UCUM code: `Cel`, `%`, `kW.h`, `V`, `bar`, `1` |',
    '',
    'Unknown keys are refused. A file has at most 1 MB, and 40,000 keys, values and lines together. Anchors (`&name`, `*name`) and merge keys (`<<`) may be used.',
    '',
    ...chapter('gateway', section('gateway'), [], exampleOf('gateway')),
    '## buses',
    '',
    'One entry for each wire. The key is its name. Two buses on one port are refused.',
    '',
    ...drivers.flatMap(({ kind, bus }) => [`### ${code(`protocol: ${kind.protocol}`)}`, '', ...table(bus), '']),
    ...exampleOf('buses'),
    '',
    '## devices',
    '',
    'One entry for each instrument. The key is its name. Two devices with one unit on a bus are refused.',
    '',
    ...table({
      properties: {
        bus: deviceKey(section('devices'), 'bus'),
        profile: deviceKey(section('devices'), 'profile'),
        privacy: deviceKey(section('devices'), 'privacy'),
        points: { ...deviceKey(section('devices'), 'points') },
      },
      required: ['bus'],
    }),
    '',
    ...families.flatMap(({ kind, device, point }) => [
      `### On a bus with ${protocols(kind.family).join(' or ')}`,
      '',
      ...table(device),
      '',
      `Keys of a point:`,
      '',
      ...table(point),
      '',
    ]),
    ...exampleOf('devices'),
    '',
    'With a profile, `points:` changes single keys of a point, adds points, and removes one with `null`:',
    '',
    '```yaml',
    'devices:',
    '  fridge:',
    '    bus: field',
    '    unit: 1',
    '    profile: xy-md02',
    '    points:',
    '      temperature: {offset: -0.4}   # this key alone changes',
    '      humidity: null                # not read',
    '```',
    '',
    '## rules',
    '',
    'One entry for each rule. The key is its name. A rule has exactly one of the keys of the second table.',
    '',
    ...table(common),
    '',
    ...table({ properties: Object.fromEntries(kinds.rules.map((kind) => [kind.key, rule.properties?.[kind.key] ?? {}])) }),
    '',
    ...exampleOf('rules'),
    '',
    'Keys of one action, under `do` of a rule or of `escalate`. An action has exactly one of `write`, `publish`, `hook`, `flow` and `output`.',
    '',
    ...table(toJson(actionSchema)).filter((row) => !row.startsWith('| `else.')),
    '',
    '## hooks',
    '',
    'One entry for each program that rules may start. The key is its name. [Let rules act](../how-to/let-rules-act.md) shows how.',
    '',
    ...table(toJson(hookSchema)),
    '',
    ...HOOK_EXAMPLE,
    '',
    ...chapter('buffer', section('buffer'), [], exampleOf('buffer')),
    ...chapter(
      'privacy',
      section('privacy'),
      ['[Keep private readings private](../how-to/keep-readings-private.md) explains the classes.', ''],
      [
        '```yaml',
        'privacy:',
        '  household: {keep: 30d, upstream: {aggregate: 15m}}',
        '  health: {keep: 7d, upstream: never}',
        '```',
      ],
    ),
    ...chapter('broker', section('broker'), [], exampleOf('broker')),
    '## forwarders',
    '',
    'One entry for each destination. The key is its name. The gateway remembers under that name what it has delivered.',
    '',
    ...kinds.forwarders.flatMap((kind) => [`### ${code(`type: ${kind.type}`)}`, '', ...table(toJson(kind.forwarder)), '']),
    ...exampleOf('forwarders'),
    '',
    ...chapter('dashboard', section('dashboard'), [], exampleOf('dashboard')),
    ...chapter(
      'nodeRed',
      section('nodeRed'),
      ['[Switch on Node-RED](../how-to/switch-on-node-red.md) shows each step.', ''],
      ['```yaml', 'nodeRed:', '  enabled: true', '```'],
    ),
    '## Profiles',
    '',
    'A profile describes a device model. Its name is its file name without `.yaml`. Profiles of the gateway are in',
    '`hardware-profiles/devices/<vendor>/`. Your own are in `profiles/` beside the configuration file. A name may exist only once.',
    '',
    ...table(toJson(profileSchema)),
    '',
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function chapter(title: string, schema: JsonSchema, extra: readonly string[], example: readonly string[]): string[] {
  const object = variants(schema)[0] ?? schema;
  return [
    `## ${title}`,
    '',
    ...(schema.description ? [schema.description, ''] : []),
    ...table(object),
    '',
    ...extra,
    ...example,
    '',
  ];
}

function deviceKey(devices: JsonSchema, key: string): JsonSchema {
  const any = devices.additionalProperties as JsonSchema;
  const property = (variants(any)[0] ?? any).properties?.[key] ?? {};
  return key === 'points' ? { description: property.description ?? '', title: 'section' } : property;
}

/** A table of keys for a page. */
export function table(schema: JsonSchema): string[] {
  const rows = rowsOf(schema, '', '');
  return rows.length === 0 ? ['(no keys)'] : ['| key | type | default | meaning |', '|---|---|---|---|', ...rows];
}

function rowsOf(schema: JsonSchema, prefix: string, note: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const name = `${prefix}${key}`;
    const objects = isSecret(property) ? [] : variants(property).filter((variant) => variant.properties !== undefined);
    const others = isSecret(property) ? [property] : variants(property).filter((variant) => variant.properties === undefined);
    const needed = schema.required?.includes(key) ?? false;
    const type = objects.length === 0 ? typeWords(property) : ['section', ...others.map(typeWords)].join(' or ');
    const row = `| ${code(name)}${note} | ${cell(type)} | ${defaultWords(property, needed)} | ${cell(property.description ?? '')} |`;
    const nested = objects.flatMap((variant) => {
      const tag = objects.length > 1 ? tagOf(variant) : undefined;
      return rowsOf(variant, `${name}.`, tag === undefined ? '' : ` (${tag})`);
    });
    return [row, ...nested];
  });
}

/** `type: line` for the variant of a section that begins with that. */
function tagOf(variant: JsonSchema): string | undefined {
  const found = Object.entries(variant.properties ?? {}).find(([, property]) => property.const !== undefined);
  return found && `${found[0]}: ${String(found[1].const)}`;
}

function variants(schema: JsonSchema): JsonSchema[] {
  const several = schema.anyOf ?? schema.oneOf;
  return several === undefined ? [schema] : several.filter((variant) => variant.type !== 'null').flatMap(variants);
}

function isSecret(schema: JsonSchema): boolean {
  return (
    variants(schema).some((variant) => variant.properties?.env !== undefined) && variants(schema).some((v) => v.type === 'string')
  );
}

function typeWords(schema: JsonSchema): string {
  if (schema.title === 'section') return 'section';
  if (isSecret(schema)) return 'secret';
  const several = schema.anyOf ?? schema.oneOf;
  if (several !== undefined) return joined([...new Set(variants(schema).map(typeWords))]);
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? 'anything';
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.pattern === DURATION_PATTERN.source) return 'duration';
  if (schema.pattern === SIZE_PATTERN.source) return 'size';
  if (schema.pattern === NAME.source) return 'name';
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeWords({ type })).join(' or ');
  switch (schema.type) {
    case 'integer':
      return `whole number${rangeWords(schema)}`;
    case 'number':
      return `number${rangeWords(schema)}`;
    case 'string':
      return 'text';
    case 'boolean':
      return '`true` or `false`';
    case 'array':
      return `list of ${schema.items === undefined ? 'anything' : typeWords(schema.items)}`;
    case 'object':
      return 'section';
    default:
      return 'anything';
  }
}

/** Words that may be written stand in a row; kinds of values are told apart by `or`. */
function joined(words: readonly string[]): string {
  return words.join(words.every((word) => word.startsWith('`')) ? ', ' : ' or ');
}

function rangeWords({ minimum, maximum }: JsonSchema): string {
  const low = minimum !== undefined && Math.abs(minimum) < 2 ** 53 - 1 ? minimum : undefined;
  const high = maximum !== undefined && Math.abs(maximum) < 2 ** 53 - 1 ? maximum : undefined;
  if (low !== undefined && high !== undefined) return ` ${low} to ${high}`;
  if (low !== undefined) return ` from ${low}`;
  return high === undefined ? '' : ` up to ${high}`;
}

function defaultWords(schema: JsonSchema, needed: boolean): string {
  if (needed) return '(needed)';
  const value = schema.default;
  if (value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)) return '';
  return code(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

const code = (text: string) => `\`${text}\``;
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The lines of one top-level section of a YAML text. */
function sectionText(text: string, key: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`${key}:`));
  if (start === -1) return `${key}: {}`;
  const length = lines.slice(start + 1).findIndex((line) => /^\S/.test(line));
  return lines
    .slice(start, length === -1 ? undefined : start + 1 + length)
    .join('\n')
    .trimEnd();
}
