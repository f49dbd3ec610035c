import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { formatFault } from '../../../src/config/fault.ts';
import type { JsonSchema } from '../../../src/config/json-schema.ts';
import { configJsonSchema } from '../../../src/config/json-schema.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { referencePage } from '../../../src/config/reference.ts';
import { starterConfig } from '../../../src/config/starter.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { schemaFaults } from '../../oracles/json-schema.ts';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const example = read('test/cases/config/gateway.example.yaml');
const options = { profileDirs: [path.join(root, 'hardware-profiles/devices')], env: {} };
const load = (text: string) => {
  const { config, faults, warnings } = loadConfigText(text, '/etc/sluice/gateway.yaml', kinds, options);
  return { config, faults: faults.map(formatFault), warnings: warnings.map(formatFault) };
};
const stale = 'run: node scripts/generate-docs.ts';

test('the JSON Schema file is up to date', () => {
  assert.equal(read('docs/reference/gateway.schema.json'), `${JSON.stringify(configJsonSchema(kinds), null, 2)}\n`, stale);
});

test('the reference page is up to date', () => {
  assert.equal(read('docs/reference/configuration.md'), referencePage(kinds, example), stale);
});

test('every key of the reference page has a meaning', () => {
  const silent = read('docs/reference/configuration.md')
    .split('\n')
    .filter((line) => /^\| `.*\|\s+\|$/.test(line));
  assert.deepEqual(silent, []);
});

test('the example is accepted, by the loader and by the JSON Schema', () => {
  const { config, faults, warnings } = load(example);
  assert.deepEqual([faults, warnings], [[], []]);
  assert.deepEqual(schemaFaults(configJsonSchema(kinds), parse(example)), []);
  assert.deepEqual([...(config?.devices.get('fridge')?.points.keys() ?? [])], ['temperature', 'humidity']);
  assert.deepEqual([...(config?.devices.get('dust')?.points.keys() ?? [])], ['pm2_5', 'pm10']);
  assert.equal(config?.rules.get('fridge-warm')?.onDelay, 36_000_000);
});

test('the starter configuration is accepted, with every line in it that is commented out, too', () => {
  const starter = starterConfig();
  assert.deepEqual([load(starter).faults, load(starter).warnings], [[], []]);
  assert.deepEqual(schemaFaults(configJsonSchema(kinds), parse(starter)), []);
  // A commented line of configuration has its key right after `# `; sentences begin with a capital letter.
  const all = starter
    .replace(/^( *)# ((?: *)[a-z][a-zA-Z0-9]*:(?: |$))/gm, '$1$2')
    .replace('{file: /etc/sluice/cloud-password}', 'x');
  assert.match(all, /^ {2}plant:/m);
  assert.match(starterConfig({ ownState: true }), /^ {2}stateDir: state /m);
  assert.deepEqual(load(starterConfig({ ownState: true })).faults, []);
  assert.match(all, /^forwarders:/m);
  assert.deepEqual(load(all).faults, []);
});

test('the JSON Schema refuses what the loader refuses, as far as it can say it', () => {
  const schema = configJsonSchema(kinds);
  const change = (edit: (config: Record<string, Record<string, Record<string, unknown>>>) => unknown) => {
    const config = parse(example) as Record<string, Record<string, Record<string, unknown>>>;
    edit(config);
    return schemaFaults(schema, config);
  };
  const edits: Record<string, Parameters<typeof change>[0]> = {
    'unknown key': (c) => Object.assign(c.gateway!, { nmae: 1 }),
    'unknown protocol': (c) => Object.assign(c.buses!.field!, { protocol: 'modbus-rtuu' }),
    'key of another protocol': (c) => Object.assign(c.buses!.plant!, { parity: 'none' }),
    'wrong type': (c) => Object.assign(c.devices!.pump!, { unit: 'one' }),
    'wrong point': (c) => Object.assign(c.devices!.pump!, { points: { speed: { table: 'inputs' } } }),
    'rule without a kind': (c) => delete c.rules!.overpressure!.above,
    'rule with two kinds': (c) => Object.assign(c.rules!.overpressure!, { below: 1 }),
    'bad duration': (c) => Object.assign(c.rules!.overpressure!, { onDelay: '2 s' }),
    'bad name': (c) => Object.assign(c.devices!, { 'Water Meter': c.devices!.fridge }),
    'wrong listener': (c) => Object.assign(c, { dashboard: { listen: { host: '0.0.0.0', tls: 'yes' } } }),
    'unknown forwarder': (c) => Object.assign(c.forwarders!.cloud!, { type: 'http' }),
  };
  for (const [name, edit] of Object.entries(edits)) assert.notDeepEqual(change(edit), [], name);
  assert.deepEqual(
    change((c) => Object.assign(c.devices!.fridge!, { points: { temperature: { offset: 1 }, humidity: null } })),
    [],
  );
  assert.deepEqual(
    change((c) => Object.assign(c.forwarders!.cloud!, { password: { env: 'X' } })),
    [],
  );
});

test('editors see defaults as they are written, and a sentence for every key', () => {
  const schema = configJsonSchema(kinds);
  const gateway = schema.properties?.gateway?.properties;
  assert.equal(gateway?.clockHold?.default, '5m');
  assert.equal(schema.properties?.buffer?.properties?.maxSize?.default, '256MB');
  const silent: string[] = [];
  const walk = (node: JsonSchema, at: string): void => {
    for (const [key, property] of Object.entries(node.properties ?? {})) {
      const secret = /(password|azure-iot-hub\.key)$/.test(at);
      if (property.description === undefined && !secret) silent.push(`${at}.${key}`);
      walk(property, `${at}.${key}`);
    }
    for (const variant of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) walk(variant, at);
    if (typeof node.additionalProperties === 'object') walk(node.additionalProperties, `${at}.*`);
  };
  walk(schema, '');
  assert.deepEqual(
    silent.filter((at) => !/protocol$|type$|outside\./.test(at)),
    [],
  );
});
