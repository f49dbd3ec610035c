/**
 * Every door of the gateway and readings that must not leave by it. One table names the doors: a new dialect, forwarder, command, topic,
 * permission or part of the support bundle fails this test until it has its line here. The gateway is killed and stopped in between.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { PERMISSIONS } from '../../../src/access/roles.ts';
import { TOPICS } from '../../../src/admin/asyncapi/description.ts';
import { OWN_TOPICS } from '../../../src/admin/asyncapi/dialects.ts';
import { BundleFile, type Section } from '../../../src/codecs/bundle/container.ts';
import { WORDS } from '../../../src/control/remote/message.ts';
import { DIALECTS, FORWARDERS } from '../../../src/gateway/registry.ts';
import type { Message } from '../../fakes/scripted-broker.ts';
import { callAll } from '../../harness/api-call.ts';
import { found, MEAN, PLANTED, PURPOSE, privateSite, ROUNDED, type Row, secrets, shown } from '../../harness/private-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor as waitForLong } from '../../harness/wait-for.ts';

/** A time of the day so many hours from now. A window in which this hour is far from both ends begins at once. */
function clockAfter(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
}

/** Each dialect, and ways of it that have an encoder of their own. */
const ROWS: Readonly<Record<string, Row>> = {
  json: { format: 'json' },
  zipped: { format: 'json', keys: 'compress: gzip' },
  windows: { format: 'json', keys: 'filter: {every: 15m}' },
  budget: { format: 'json', keys: `budget: {perDay: 15kB, between: ["${clockAfter(-12)}", "${clockAfter(11)}"]}` },
  'line-protocol': { format: 'line-protocol' },
  senml: { format: 'senml' },
  'senml-cbor': { format: 'senml', keys: 'senml: {encoding: cbor}' },
  columns: { format: 'columns' },
  thingsboard: { format: 'thingsboard' },
  'aws-iot': { format: 'aws-iot', host: 'ID-ats.iot.eu-central-1.amazonaws.com' },
  'azure-iot-hub': {
    ...{ format: 'azure-iot-hub', host: 'ID.azure-devices.net' },
    keys: `azure-iot-hub: {device: g1, key: ${Buffer.from('a key of a device in a hub').toString('base64')}}`,
  },
  'sparkplug-b': { format: 'sparkplug-b', keys: 'sparkplug-b: {group: hills}' },
  homeassistant: { format: 'homeassistant' },
};
/** Below `sluice/g1` of a broker upstream. */
const TOPIC_ROWS = ['status', 'inventory', 'data', 'history', 'summary', 'alarm', 'event', 'result', 'resend', 'action'];
/** The span holds this run, and not the hours before it. Wall clock, ms. */
const SPAN = { from: Date.now() - 60_000, to: Date.now() + 3_600_000 };
const COMMANDS: Readonly<Record<(typeof WORDS)[number], object>> = {
  read: { target: 'band' },
  write: { target: 'band.heartbeat', value: 9 },
  ack: { target: 'racing' },
  shelve: { target: 'pressed', for: '1h' },
  'out-of-service': { target: 'airy', reason: 'a repair' },
  'in-service': { target: 'airy' },
  reset: { target: 'racing' },
  resend: SPAN,
  reload: {},
  configure: { version: 1, yaml: 'gateway: {id: g1}', signature: 'A'.repeat(86) },
  'restart-flows': {},
};
/** `site`: people and programs of the site, by their rights. `asked`: a forwarder asks for it. */
const PERMISSION_ROWS = {
  asked: [
    ...['read', 'write', 'acknowledge', 'shelve', 'reset', 'out-of-service', 'in-service', 'resend', 'reload', 'configure'],
    ...['restart-flows', 'bundle'],
  ],
  site: [
    ...['health', 'claim', 'log-in', 'session', 'status', 'readings', 'history', 'flows', 'exchange', 'capture', 'safe'],
    ...['configuration', 'accounts', 'claim-code', 'broker-status'],
  ],
};
const SUPPORT_ROWS = [
  'CONTENTS.txt',
  'versions.json',
  'configuration.json',
  'doctor.json',
  'status.json',
  'metrics.txt',
  'journal.txt',
];

/** Some thirty connections begin at once: on a busy machine that takes its time. */
const PATIENCE = 120_000;
const waitFor: typeof waitForLong = (what, probe, options) =>
  waitForLong(what, probe, { timeout: PATIENCE, every: 100, ...options });
const READINGS = Object.keys(PLANTED) as (keyof typeof PLANTED)[];
const NAMES = ['heartbeat', 'diary', 'spore', 'dose', 'latitude', 'watts', 'systole', 'pulse'];
const NO_PURPOSE = secrets(READINGS, NAMES);
/** A means is needed for `watts`, and `spore` stays. */
const CLEARED = secrets(['spore', 'latitude', 'watts', 'wattsBefore'], ['spore', 'watts']);
const WINDOWED = secrets(['spore', 'latitude', 'wattsBefore'], ['spore']);
/** The configuration of the gateway names the safe value. */
const SUPPORT = secrets(
  READINGS.filter((name) => name !== 'dose'),
  [],
);

test('the table has every dialect, forwarder, command, topic and permission', () => {
  const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();
  assert.deepEqual(sorted(Object.values(ROWS).map(({ format }) => format)), sorted(DIALECTS.map(({ name }) => name)));
  assert.deepEqual(
    FORWARDERS.map(({ type }) => type),
    ['mqtt', 'bundle'],
  );
  assert.deepEqual(sorted(Object.keys(COMMANDS)), sorted(WORDS));
  const upstream = Object.values(TOPICS).filter(
    ({ action, brokers }) => action === 'send' && brokers.some((one) => one === 'upstream'),
  );
  assert.deepEqual(sorted(upstream.map(({ topic }) => topic.split('/')[0] ?? '')), sorted(TOPIC_ROWS));
  assert.deepEqual(sorted([...PERMISSION_ROWS.asked, ...PERMISSION_ROWS.site]), sorted(Object.keys(PERMISSIONS)));
});

test('no byte of a private reading, and no name of one, leaves by any door', { timeout: 600_000 }, async (t) => {
  const site = await privateSite(t, ROWS);
  if (site === undefined) return;
  const { gateway, brokers, platforms, set } = site;
  const taken = (forwarder: string): readonly Message[] => brokers.get(forwarder)?.taken ?? [];
  const had = (forwarder: string, pattern: RegExp): Message | undefined =>
    taken(forwarder).findLast(({ topic, payload }) => pattern.test(`${topic} ${payload.toString('latin1')}`));
  const readings = async (what: string): Promise<void> => {
    const before = new Map([...brokers].map(([name, { taken }]) => [name, taken.length]));
    const silent = (): string[] =>
      [...brokers].flatMap(([name, { taken }]) =>
        name.endsWith('budget') || taken.length > (before.get(name) ?? 0) ? [] : [name],
      );
    let faults: unknown;
    await waitFor(
      () => `${what}; silent: ${silent()} ${JSON.stringify(faults)}`,
      async () => {
        if (silent().length === 0) return true;
        const { forwarders } = await gateway.status();
        faults = forwarders.flatMap(({ name, state, fault }) => (fault === undefined ? [] : [{ name, state, fault }]));
        return false;
      },
    );
  };
  const up = async (): Promise<void> => {
    gateway.start();
    await gateway.waitForLog(/The gateway is running/, PATIENCE);
  };
  await up();
  await readings('something at each broker');
  await waitFor('alarms', async () => (await gateway.status()).alarms.length >= 7);
  // A rule that acts on a private point fails, and says why.
  set('load', 9);
  await waitFor('the failed action', () => had('plain-json', /sluice\/g1\/event .*"action".*failed/));
  set('load', 1);

  const ask = async (forwarder: string, id: string, command: object): Promise<string> => {
    brokers.get(forwarder)?.send('sluice/g1/command', JSON.stringify({ id, ...command }));
    return (
      await waitFor(`the result of ${id}`, () => had(forwarder, new RegExp(`^sluice/g1/result/${id} `)))
    ).payload.toString();
  };
  for (const who of ['plain', 'cleared'])
    for (const [word, keys] of Object.entries(COMMANDS)) await ask(`${who}-json`, `${who}-${word}`, { do: word, ...keys });
  assert.match(await ask('plain-json', 'hidden', { do: 'resend', ...SPAN, points: ['band.heartbeat'] }), /not-found/);
  assert.match(await ask('plain-json', 'locked', { do: 'write', target: 'band.valve', value: 3 }), /locked by the rule racing/);
  assert.match(
    await ask('plain-json', 'misspelt', { do: 'write', target: 'band.vavle', value: 3 }),
    /band has no point vavle; it has: band.load, band.valve, a private point/,
  );
  await ask('plain-aws-iot', 'aws', { do: 'read', target: 'band' });
  brokers.get('plain-thingsboard')?.send('v1/gateway/rpc', '{"device":"band","data":{"id":1,"method":"read"}}');
  await waitFor('the answer to a remote call', () => had('plain-thingsboard', /^v1\/gateway\/rpc /));
  brokers.get('plain-azure-iot-hub')?.send('$iothub/methods/POST/read/?$rid=1', '{"target":"band"}');
  await waitFor('the answer to a method', () => had('plain-azure-iot-hub', /^\$iothub\/methods\/res\/200/));

  // Alarms end, and begin again after a kill.
  for (const point of ['heartbeat', 'systole', 'watts']) set(point, 1);
  await waitFor('the end of alarms', () =>
    had('plain-json', /alarm\/burning .*"returned-unacknowledged"|alarm\/burning .*"normal"/),
  );
  await gateway.kill();
  for (const point of ['heartbeat', 'systole', 'watts'] as const) set(point, PLANTED[point]);
  await up();
  await readings('something after the kill');
  // A stop sets a private point to its safe value, and an event says so.
  assert.equal(await gateway.stop(), 0, gateway.tail());
  await up();
  await waitFor('the event of the safe value', () => had('plain-json', /"safe-state"/));
  await readings('something after the stop');
  await waitFor('the summary of a budget', () => had('plain-budget', /\/summary /) && had('cleared-budget', /\/summary /));
  await waitFor('a mean', () => had('cleared-windows', new RegExp(`"watts":${MEAN}`)));

  const folder = scratch(t, 'doors');
  const bundles: Record<string, Section[]> = {};
  for (const [forwarder, platform] of Object.entries(platforms)) {
    const to = path.join(folder, forwarder);
    mkdirSync(to);
    const made = await sluice(t, 'export', '--bundle', to, '--forwarder', forwarder, '-c', gateway.config);
    assert.equal(made.code, 0, made.stderr);
    const bytes = readFileSync(made.stdout.trim());
    const file = new BundleFile({ size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) });
    bundles[forwarder] = [...file.sections(platform)];
  }
  const support = await sluice(t, 'bundle', path.join(folder, 'support.tar.gz'), '-c', gateway.config);
  assert.equal(support.code, 0, support.stderr);
  const [metrics] = await callAll({ socketPath: gateway.socket }, [{ method: 'GET', path: '/metrics' }]);

  const faults: string[] = [];
  const look = (door: string, bytes: Buffer, all: typeof NO_PURPOSE, text: string): void => {
    const names = found(bytes, all);
    if (names.length > 0) faults.push(`${door} shows ${names.join(', ')}: ${text}`);
  };
  for (const [forwarder, { taken, wills }] of brokers) {
    const all = forwarder.startsWith('plain') ? NO_PURPOSE : forwarder === 'cleared-windows' ? WINDOWED : CLEARED;
    assert.ok(taken.length > 0);
    for (const message of [...taken, ...wills.map((will) => ({ ...will, payload: Buffer.from(will.payload) }))]) {
      // The asker named these.
      const own = /\/result\/(?:\w+-write|hidden)$/.test(message.topic)
        ? all.filter(({ name }) => !name.startsWith('the name'))
        : all;
      look(forwarder, Buffer.concat([Buffer.from(`${message.topic}\0`)]), own, message.topic);
      look(forwarder, message.payload, own, shown(message));
    }
  }
  for (const { body, kind } of bundles.carrier ?? []) look(`a bundle, ${kind}`, body as Buffer, NO_PURPOSE, '');
  for (const { body, kind } of bundles.nurse ?? []) look(`a bundle with a purpose, ${kind}`, body as Buffer, CLEARED, '');
  look('the metrics', Buffer.from(metrics?.text ?? ''), SUPPORT, '');
  const unpacked = path.join(folder, 'support');
  mkdirSync(unpacked);
  execFileSync('tar', ['-xzf', path.join(folder, 'support.tar.gz'), '-C', unpacked]);
  for (const name of readdirSync(path.join(unpacked, 'sluice-support'))) {
    assert.ok(SUPPORT_ROWS.includes(name), `${name} is new in the support bundle`);
    const bytes = readFileSync(path.join(unpacked, 'sluice-support', name));
    look(`the support bundle, ${name}`, bytes, SUPPORT, '');
  }
  // The journal of the service, which is in the support bundle too.
  for (const line of gateway.logs()) look('the journal', Buffer.from(JSON.stringify(line)), SUPPORT, JSON.stringify(line));
  assert.deepEqual([...new Set(faults.map((fault) => fault.slice(0, 420)))], []);

  // What may leave did.
  const nurse = secrets(['heartbeat', 'diary'], ['latitude']);
  for (const forwarder of brokers.keys()) {
    if (!forwarder.startsWith('cleared') || /budget|windows|zipped/.test(forwarder)) continue;
    const seen = new Set(taken(forwarder).flatMap(({ payload }) => found(payload, nurse)));
    assert.deepEqual([...seen].sort(), nurse.map(({ name }) => name).sort(), forwarder);
  }
  assert.ok(had('cleared-json', new RegExp(`"latitude":${ROUNDED}[,}]`)));
  assert.ok((bundles.nurse ?? []).some(({ body }) => found(body as Buffer, nurse).includes('heartbeat')));
  for (const row of TOPIC_ROWS)
    assert.ok(had(row === 'summary' ? 'plain-budget' : 'plain-json', new RegExp(`^sluice/g1/${row}[/ ]`)), row);
  const known = new Set(Object.values(OWN_TOPICS).map(({ address }) => address.split('/')[0]));
  for (const [forwarder, { taken }] of brokers)
    for (const { topic } of taken) {
      const [root = '', , row = ''] = topic.split('/');
      const ours = root === 'sluice' ? TOPIC_ROWS.includes(row) : known.has(root);
      assert.ok(ours, `${forwarder}: ${topic} has no row`);
    }

  // With a purpose the readings come, and they come nowhere else.
  const before = new Map([...brokers].map(([name, { taken }]) => [name, taken.length]));
  const yaml = readFileSync(gateway.config, 'utf8');
  const changes = await gateway.reload(yaml.replace('  plain-json:\n', `  plain-json:\n    purpose: ${PURPOSE}\n`));
  assert.deepEqual(changes, ['forwarders.plain-json']);
  const since = (name: string): readonly Message[] => taken(name).slice(before.get(name));
  await waitFor('readings with a purpose, and an inventory with the names', () =>
    ['data', 'inventory'].every((kind) =>
      since('plain-json').some(
        ({ topic, payload }) =>
          topic === `sluice/g1/${kind}` && found(payload, kind === 'data' ? nurse : secrets([], ['heartbeat'])).length > 0,
      ),
    ),
  );
  for (const name of brokers.keys())
    if (name.startsWith('plain-') && name !== 'plain-json')
      for (const message of since(name)) assert.deepEqual(found(message.payload, NO_PURPOSE), [], shown(message));
});
