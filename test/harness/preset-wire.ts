/**
 * What a forwarder of a platform's preset writes on the wire, as lines of text. A case is a folder with `gateway.yaml` (the forwarder,
 * as a person writes it) and `said.json` (what there is to say). The packets are read by the foreign `mqtt-packet`.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { generate, type Packet, parser } from 'mqtt-packet';
import { compressed, isCompression } from '../../src/codecs/compress.ts';
import { loadConfigText } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { RemoteCaller } from '../../src/core/remote-commands.ts';
import { parseBrokerUrl } from '../../src/forwarders/mqtt/address.ts';
import { Connection } from '../../src/forwarders/mqtt/connection.ts';
import type { OutMessage } from '../../src/forwarders/mqtt/dialect.ts';
import { dialectContext } from '../../src/forwarders/mqtt/dialect-context.ts';
import { clientIdOf, wayOf } from '../../src/forwarders/mqtt/login.ts';
import type { MqttForwarderSettings } from '../../src/forwarders/mqtt/schema.ts';
import { DIALECTS, kinds } from '../../src/gateway/registry.ts';
import type { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../fakes/forwarder-context.ts';
import { formatCases } from './format-case.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

interface Said {
  /** Contents of files that the configuration names. */
  readonly files?: Readonly<Record<string, string>>;
  /** UTC ms. */
  readonly now: number;
  readonly status: object;
  readonly inventory: object;
  /** Rules that there were once. */
  readonly gone?: readonly string[];
  /** Cases of test/cases/formats/json. */
  readonly batches?: readonly { readonly lane: 'data' | 'history'; readonly case: string }[];
  readonly notices?: readonly {
    readonly kind: 'alarm' | 'event';
    readonly key: string;
    readonly seq: number;
    readonly json: object;
  }[];
  /** What comes, and the answer to it. */
  readonly commands?: readonly {
    readonly topic: string;
    readonly payload: object;
    readonly answer: { readonly kind: 'result' | 'resend'; readonly json: object };
  }[];
}

const OPENERS = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };

/** A listener that takes everything, and writes down what it was sent. */
async function listener(t: TestContext): Promise<{ port: number; lines: string[] }> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let reader: ReturnType<typeof parser> | undefined;
    let protocolVersion = 4;
    socket.on('data', (bytes) => {
      if (reader === undefined) {
        protocolVersion = bytes[bytes.indexOf('MQTT') + 4] ?? 4;
        reader = parser({ protocolVersion });
        reader.on('packet', (packet: Packet) => {
          lines.push(...linesOf(packet));
          const answer = answerTo(packet);
          if (answer !== undefined) socket.write(generate(answer as Packet, { protocolVersion }));
        });
      }
      reader.parse(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, lines };
}

function answerTo(packet: Packet): object | undefined {
  if (packet.cmd === 'connect') return { cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 };
  if (packet.cmd === 'subscribe')
    return { cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(({ qos }) => qos) };
  return packet.cmd === 'publish' && packet.qos === 1 ? { cmd: 'puback', messageId: packet.messageId } : undefined;
}

function linesOf(packet: Packet): string[] {
  const how = ({ qos, retain }: { qos?: number; retain?: boolean }) => `qos ${qos ?? 0}${retain === true ? ' retained' : ''}`;
  switch (packet.cmd) {
    case 'connect': {
      const { protocolVersion, clean, keepalive, clientId, username, password, properties, will } = packet;
      return [
        `CONNECT\tlevel ${protocolVersion}\t${clean === true ? 'clean' : 'keeps its session'}\tkeep-alive ${keepalive}`,
        `  client id\t${clientId}`,
        ...(username === undefined ? [] : [`  user name\t${username}`]),
        ...(password === undefined ? [] : [`  password\t${String(password)}`]),
        ...(properties === undefined ? [] : [`  properties\t${JSON.stringify(properties)}`]),
        ...(will === undefined ? [] : [`  will\t${how(will)}\t${will.topic}\t${String(will.payload)}`]),
      ];
    }
    case 'subscribe':
      return packet.subscriptions.map(({ topic, qos }) => `SUBSCRIBE\tqos ${qos}\t${topic}`);
    case 'publish':
      return [`PUBLISH\t${how(packet)}\t${packet.topic}\t${textOf(packet.topic, Buffer.from(packet.payload))}`];
    case 'disconnect':
      return ['DISCONNECT'];
    default:
      return [];
  }
}

/** What is compressed stands there as it was before: another zlib makes other bytes. */
function textOf(topic: string, payload: Buffer): string {
  const [, encoding = ''] = /%24\.ce=(gzip|br|zstd)(?:&|$)/.exec(topic) ?? [];
  const open = Object.entries(OPENERS).find(([name]) => name === encoding)?.[1];
  return open === undefined ? payload.toString() : `(${encoding}) ${open(payload).toString()}`;
}

/** The lines of a case. The version of the gateway is none of the golden text. */
export async function wireOf(t: TestContext, folder: string): Promise<string> {
  const said = JSON.parse(readFileSync(path.join(folder, 'said.json'), 'utf8')) as Said;
  const place = scratch(t, 'preset');
  for (const [name, content] of Object.entries(said.files ?? {})) {
    mkdirSync(path.dirname(path.join(place, name)), { recursive: true });
    writeFileSync(path.join(place, name), content, { mode: 0o600 });
  }
  const yaml = readFileSync(path.join(folder, 'gateway.yaml'), 'utf8');
  const { config, faults } = loadConfigText(yaml, path.join(place, 'gateway.yaml'), kinds, { profileDirs: [] });
  assert.deepEqual(faults, []);
  const [forwarder] = config?.forwarders.values() ?? [];
  const { name, settings: loaded } = forwarder ?? assert.fail('no forwarder');
  const settings = loaded as unknown as MqttForwarderSettings;
  const dialect = DIALECTS.find(({ name }) => name === settings.format);
  assert.ok(dialect?.kind === 'log');
  const asked: RemoteCaller[] = [];
  const say: { now: (message: OutMessage) => Promise<void> } = { now: () => Promise.resolve() };
  const context = dialectContext(
    {
      // Nothing of this is read from a log.
      ...forwarderContext(undefined as unknown as Log, {
        ...{ gateway: config?.gateway.id ?? '', now: () => said.now, goneRules: said.gone ?? [] },
        hasRule: (rule) => !(said.gone ?? []).includes(rule),
        ...{ status: () => JSON.stringify(said.status), inventory: () => JSON.stringify(said.inventory) },
        commands: { take: (_, caller) => void asked.push(caller) },
      }),
      ...{ name, settings, dialect },
    },
    (message) => say.now(message),
  );
  const delivery = { greet() {}, say: async () => {}, proven: async () => {}, again() {}, leave() {}, next() {} };
  const speaker = dialect.create({ ...context, delivery });
  const address = parseBrokerUrl([settings.url].flat()[0] ?? '');
  if ('wrong' in address) throw new Error(address.wrong);
  const { port, lines } = await listener(t);
  lines.push(`LIMITS\t${JSON.stringify(speaker.limits)}`);
  lines.push(
    `TLS\t${address.host}:${address.port}\talpn ${(settings.tls?.alpn ?? speaker.alpn?.(address) ?? ['none']).join(' ')}`,
  );
  // The wire has no TLS, and nothing of what the platform limits has to be waited for.
  const { renewAfter, ...way } = await wayOf(
    settings,
    { ...address, scheme: 'mqtt' },
    speaker,
    clientIdOf(context.gateway, name, settings),
  );
  if (renewAfter !== undefined) lines.push(`RENEWED\tafter ${renewAfter} ms`);
  const connection = await Connection.open({
    ...{ ...way, scheme: 'mqtt', host: '127.0.0.1', port, limits: undefined, will: () => speaker.will() },
    ...{ connectTimeout: 10_000, ackTimeout: 10_000, clock: systemClock, signal: new AbortController().signal },
  });
  const publish = async (messages: Iterable<OutMessage>): Promise<void> => {
    for (const message of messages) {
      await connection.publish(message);
      message.taken?.();
    }
  };
  say.now = (message) => publish([message]);
  if (speaker.subscriptions !== undefined) await connection.subscribe(speaker.subscriptions);
  await publish(speaker.greet());
  for (const { lane, case: of } of said.batches ?? []) {
    const { batch } = formatCases('json').find(({ name }) => name === of) ?? assert.fail(`no batch ${of}`);
    const { records, boot } = batch;
    const messages = dialect.format.encode({ ...batch, lane }, speaker.formatOptions ?? {}).map(({ to, payload }) => ({
      to,
      payload: isCompression(settings.compress) ? compressed(payload, settings.compress) : payload,
    }));
    const [first, last] = [records[0]?.seq ?? 0, records.at(-1)?.seq ?? 0];
    const counts = { records: records.length, readings: 0, oldest: undefined, clock: 0 };
    await publish(speaker.batch({ lane, log: 1, boot, first, last, messages, ...counts }));
  }
  for (const { kind, key, seq, json } of said.notices ?? [])
    await publish(speaker.notice({ log: 1, kind, key, seq, json: JSON.stringify(json) }));
  for (const { topic, payload, answer } of said.commands ?? []) {
    lines.push(`HEARD\t${topic}\t${JSON.stringify(payload)}`);
    assert.equal(speaker.received?.(topic, Buffer.from(JSON.stringify(payload)), false), undefined);
    const { id } = answer.json as { readonly id?: unknown };
    await asked.at(-1)?.answer(answer.kind, String(id), JSON.stringify(answer.json));
  }
  assert.equal(asked.length, said.commands?.length ?? 0);
  await publish(speaker.farewell());
  await connection.end(10_000);
  await waitFor('the goodbye', () => lines.at(-1) === 'DISCONNECT');
  return `${lines.join('\n')}\n`.replaceAll(/sluice \d+\.\d+\.\d+[^"]*/g, 'sluice V');
}
