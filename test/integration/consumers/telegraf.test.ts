/**
 * The configuration of Telegraf without Telegraf, which Debian does not have: it is TOML with documented keys, its topics are topics
 * of the gateway with the format that it expects, and its parsers, as the documentation describes them, find every reading. What
 * Telegraf 1.35.4 wrote for the golden cases is in a file, and has to be what the gateway sends.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { parse } from 'yaml';
import { MESSAGES, TOPICS } from '../../../src/admin/asyncapi/description.ts';
import { lineProtocolBatch } from '../../../src/codecs/format-line-protocol.ts';
import { formatCases } from '../../harness/format-case.ts';
import { type Point, parseLines } from '../../oracles/line-protocol.ts';
import { pythonPeer } from '../../peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

interface Input {
  readonly servers: readonly string[];
  readonly topics: readonly string[];
  readonly qos: number;
  readonly client_id: string;
  readonly persistent_session: boolean;
  readonly topic_tag: string;
  readonly data_format: string;
  readonly max_undelivered_messages?: number;
  readonly tag_keys?: readonly string[];
  readonly json_string_fields?: readonly string[];
  readonly json_time_key?: string;
  readonly json_time_format?: string;
  readonly topic_parsing?: readonly { readonly topic: string; readonly tags: string }[];
}
interface Config {
  readonly agent?: Readonly<Record<string, unknown>>;
  readonly inputs: { readonly mqtt_consumer: readonly Input[] };
  readonly outputs?: Readonly<Partial<Record<'influxdb' | 'influxdb_v2', readonly Readonly<Record<string, unknown>>[]>>>;
}

/**
 * Keys that the source of Telegraf 1.39.3 has for these sections (influxdata/telegraf: config/config.go,
 * plugins/inputs/mqtt_consumer/mqtt_consumer.go, plugins/parsers/json/parser.go, plugins/outputs/influxdb_v2/influxdb_v2.go,
 * plugins/outputs/influxdb/influxdb.go). Those of the examples are in 1.27.2 as well, which is the first release that they name.
 */
const KNOWN = {
  agent: [
    ...['interval', 'round_interval', 'metric_batch_size', 'metric_buffer_limit', 'collection_jitter', 'collection_offset'],
    ...['flush_interval', 'flush_jitter', 'precision', 'debug', 'quiet', 'logtarget', 'logfile', 'hostname', 'omit_hostname'],
    ...['statefile', 'buffer_strategy', 'buffer_directory'],
  ],
  input: [
    ...[
      'servers',
      'topics',
      'topic_tag',
      'qos',
      'connection_timeout',
      'max_undelivered_messages',
      'persistent_session',
      'client_id',
    ],
    ...['username', 'password', 'tls_ca', 'tls_cert', 'tls_key', 'insecure_skip_verify', 'client_trace', 'data_format'],
    'topic_parsing',
    // Every input has these.
    ...['alias', 'interval', 'precision', 'name_override', 'name_prefix', 'name_suffix', 'tags', 'log_level'],
    // The parser `json` has these.
    ...['json_strict', 'json_query', 'tag_keys', 'json_string_fields', 'json_name_key', 'json_time_key', 'json_time_format'],
    'json_timezone',
  ],
  influxdb_v2: [
    ...[
      'urls',
      'local_address',
      'token',
      'organization',
      'bucket',
      'bucket_tag',
      'exclude_bucket_tag',
      'timeout',
      'http_headers',
    ],
    ...['http_proxy', 'user_agent', 'content_encoding', 'influx_uint_support', 'influx_omit_timestamp', 'ping_timeout'],
    ...['read_idle_timeout', 'tls_ca', 'tls_cert', 'tls_key', 'insecure_skip_verify', 'rate_limit', 'rate_limit_period'],
    'concurrent_writes',
  ],
  influxdb: [
    ...[
      'urls',
      'local_address',
      'database',
      'database_tag',
      'exclude_database_tag',
      'skip_database_creation',
      'retention_policy',
    ],
    ...['retention_policy_tag', 'exclude_retention_policy_tag', 'write_consistency', 'timeout', 'username', 'password'],
    ...['user_agent', 'udp_payload', 'tls_ca', 'tls_cert', 'tls_key', 'insecure_skip_verify', 'http_proxy', 'http_headers'],
    ...['content_encoding', 'influx_uint_support', 'influx_omit_timestamp'],
  ],
} as const;

/** The file, the file for InfluxDB 1 as its comment says it, and the second input on the page. */
function configs(t: TestContext): readonly Config[] | undefined {
  const python = pythonPeer(t, 'tomllib', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const page = read('docs/how-to/send-readings-to-influxdb.md');
  const blocks = [...page.matchAll(/^```toml\n(.*?)^```/gms)].map(([, toml = '']) => toml);
  assert.equal(blocks.length, 1);
  const file = read('examples/influxdb/telegraf.conf');
  const [head = '', , commented = ''] = file.split(/^(?=\[\[outputs)|^# InfluxDB 1 instead:\n/m);
  return [file, `${head}${commented.replace(/^# /gm, '')}`, ...blocks].map((toml) => {
    const loaded = spawnSync(python, ['-c', 'import json, sys, tomllib; print(json.dumps(tomllib.load(sys.stdin.buffer)))'], {
      ...{ input: toml, encoding: 'utf8' },
    });
    assert.equal(loaded.status, 0, loaded.stderr);
    return JSON.parse(loaded.stdout) as Config;
  });
}

const matches = (filter: string, topic: string) => new RegExp(`^${filter.replaceAll('+', '[^/]+')}$`).test(topic);

test('the configuration of Telegraf has documented keys, and sessions that outlive it', (t) => {
  const all = configs(t);
  if (all === undefined) return;
  const known = (section: object, keys: readonly string[]) =>
    assert.deepEqual(
      Object.keys(section).filter((key) => !keys.includes(key)),
      [],
    );
  const inputs = all.flatMap((config) => config.inputs.mqtt_consumer);
  for (const config of all) {
    known(config.agent ?? {}, KNOWN.agent);
    for (const output of config.outputs?.influxdb_v2 ?? []) known(output, KNOWN.influxdb_v2);
    for (const output of config.outputs?.influxdb ?? []) known(output, KNOWN.influxdb);
  }
  assert.deepEqual(
    all.map(({ outputs = {} }) => Object.keys(outputs)),
    [['influxdb_v2'], ['influxdb'], []],
  );
  // The documented way for a variable of the environment: in braces, and in quotes.
  assert.match(String(all[0]?.outputs?.influxdb_v2?.[0]?.token), /^\$\{\w+\}$/);
  for (const input of inputs) {
    known(input, KNOWN.input);
    assert.ok(input.qos === 1 && input.persistent_session && input.topic_tag === '', input.client_id);
    assert.match(input.servers.join(), /^tcp:\/\/[\w.]+:\d+$/);
  }
  // The file for InfluxDB 1 takes the place of the other one.
  assert.equal(new Set(inputs.map((input) => input.client_id)).size, inputs.length - 1);
  // The readings of messages that are not acknowledged yet have to fit, or Telegraf throws some away.
  const gateway = parse(read('examples/influxdb/gateway.yaml')) as {
    readonly forwarders: { readonly influxdb: { readonly url: string; readonly batch: { readonly maxReadings: number } } };
  };
  const [first] = inputs;
  const { url, batch } = gateway.forwarders.influxdb;
  assert.ok(
    batch.maxReadings * (first?.max_undelivered_messages ?? Number.POSITIVE_INFINITY) <=
      Number(all[0]?.agent?.metric_buffer_limit),
  );
  assert.equal(url.replace('mqtt:', 'tcp:'), first?.servers[0]);
});

test('Telegraf asks for topics of the gateway, in a format that they have', (t) => {
  const all = configs(t);
  if (all === undefined) return;
  for (const { topics, data_format } of all.flatMap((config) => config.inputs.mqtt_consumer))
    for (const filter of topics) {
      const found = Object.values(TOPICS).filter(({ topic }) => matches(filter, `sluice/g/${topic.replace(/\{\w+\}/g, 'x')}`));
      assert.equal(found.length, 1, filter);
      const formats = found.flatMap(({ messages }) =>
        messages.map((name) => (MESSAGES[name] as { format?: string }).format ?? 'json'),
      );
      assert.ok(formats.includes(data_format === 'influx' ? 'line-protocol' : data_format), `${filter}: ${formats}`);
    }
});

test('the parsers of Telegraf find each reading with its time, and each alarm', (t) => {
  const all = configs(t);
  if (all === undefined) return;
  // The parser `influx` takes times in nanoseconds, unless it is told otherwise.
  for (const { name, batch, read: file } of formatCases('line-protocol')) {
    const times = batch.records.map(({ sample }) => BigInt(sample.at + batch.offset));
    for (const { time } of parseLines(file('expected.txt'))) assert.ok(times.includes(time / 1_000_000n), `${name}: ${time}`);
  }
  // The parser `json` makes fields of numbers, and of the texts that are named.
  const json = all.flatMap((config) => config.inputs.mqtt_consumer).find(({ data_format }) => data_format === 'json');
  const example =
    [...read('docs/reference/topics.md').matchAll(/^\{"v":1,"log".*"rule".*\}$/gm)][0]?.[0] ?? assert.fail('no example');
  const alarm = JSON.parse(example) as Readonly<Record<string, unknown>>;
  for (const key of [...(json?.tag_keys ?? []), ...(json?.json_string_fields ?? [])])
    assert.equal(typeof alarm[key], 'string', `${key} of an alarm`);
  const named = new Set([...(json?.tag_keys ?? []), ...(json?.json_string_fields ?? [])]);
  const lost = Object.keys(alarm).filter((key) => typeof alarm[key] !== 'number' && !named.has(key));
  assert.deepEqual(lost, [], 'no text of an alarm is left out');
  assert.equal(json?.json_time_format, 'unix_ms');
  assert.ok(Number(alarm[json?.json_time_key ?? '']) > 1.7e12);
});

/** The alarms of the page as the parser `json` and the parts of the topic `sluice/g/alarm/<rule>` make them. */
function alarmPoints(input: Input): Point[] {
  const tagKeys = input.tag_keys ?? [];
  const [parsed] = input.topic_parsing ?? [];
  assert.equal(parsed?.topic, input.topics[0]);
  const found = [...read('docs/reference/topics.md').matchAll(/^\{"v":1,"log".*"rule".*\}$/gm)];
  return found.map(([text]) => {
    const alarm = JSON.parse(text) as Readonly<Record<string, string | number>>;
    const parts = `sluice/g/alarm/${alarm.rule}`.split('/');
    const fromTopic = (parsed?.tags ?? '').split('/').flatMap((key, i) => (key === '_' ? [] : [[key, parts[i]]]));
    const fields = Object.entries(alarm).filter(([key]) => !tagKeys.includes(key) && key !== input.json_time_key);
    return {
      measurement: 'alarm',
      tags: new Map([...tagKeys.map((key) => [key, alarm[key]]), ...fromTopic] as [string, string][]),
      fields: new Map(fields),
      time: BigInt(alarm[input.json_time_key ?? ''] ?? 0) * 1_000_000n,
    };
  });
}

test('Telegraf 1.35.4 wrote what the gateway sends, with its tags, types and times', (t) => {
  const all = configs(t);
  const alarms = all?.flatMap((config) => config.inputs.mqtt_consumer).find(({ data_format }) => data_format === 'json');
  if (alarms === undefined) return;
  const sent = formatCases('line-protocol').flatMap(({ batch, options }) => parseLines(lineProtocolBatch(batch, options)));
  const expected = [...sent, ...alarmPoints(alarms)];
  assert.equal(expected.length, 17);
  const [, unsigned = '', signed = ''] = read('test/oracles/telegraf-1.35.4.txt').split(/^# output \w+\n/m);
  assert.deepEqual(parseLines(unsigned), expected);
  // InfluxDB 1 has no unsigned integers: the highest signed one takes their place.
  const most = 2n ** 63n - 1n;
  const clipped = expected.map((point) => ({
    ...point,
    fields: new Map([...point.fields].map(([key, value]) => [key, typeof value === 'bigint' && value > most ? most : value])),
  }));
  assert.deepEqual(parseLines(signed), clipped);
});
