/**
 * A gateway with planted readings and names that must not leave, and with two forwarders of each row: one without a purpose, and one
 * with it. Each has a broker of its own in this process, which keeps every byte.
 */
import { mkdirSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { makePlatformSecret, type PlatformSecret } from '../../src/codecs/bundle/keys.ts';
import { readColumns } from '../../src/codecs/read-columns.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import { ForwarderMemories } from '../../src/forwarders/forwarder-memories.ts';
import { Log } from '../../src/store/log.ts';
import { socksProxy } from '../fakes/proxies.ts';
import { type RegisterServer, registerServer } from '../fakes/register-server.ts';
import { type Message, ScriptedBroker } from '../fakes/scripted-broker.ts';
import { Authority } from './certificates.ts';
import { serverOf } from './recipe-site.ts';
import { type Gateway, makeGateway } from './start-gateway.ts';

/** What is planted, by point. No other figure of the site has these digits. */
export const PLANTED = {
  heartbeat: 3_141_592_653,
  /** What a computed point makes of it. */
  pulse: 3_141_592_654,
  systole: 2_236_067_977,
  spore: 1_618_033_988,
  dose: 1_234_567_891,
  watts: 2_718_281_828,
  wattsBefore: [2_645_751_311, 2_449_489_742],
  latitude: 23.810331,
  diary: 'QZXPULSE',
} as const;
/** Where the position may leave with a purpose. */
export const ROUNDED = 23.81;
/** The mean of a window of the hours before the start. */
export const MEAN = (PLANTED.wattsBefore[0] + PLANTED.wattsBefore[1]) / 2;
const HOURS = 3;

const POINTS: Readonly<Record<string, { readonly address: number; readonly value: number }>> = {
  heartbeat: { address: 10, value: PLANTED.heartbeat },
  systole: { address: 20, value: PLANTED.systole },
  spore: { address: 30, value: PLANTED.spore },
  latitude: { address: 50, value: Math.round(PLANTED.latitude * 1e6) },
  watts: { address: 60, value: PLANTED.watts },
};

export interface Row {
  /** The word under `format`. */
  readonly format: string;
  /** More keys of the forwarder, in YAML. */
  readonly keys?: string;
  /** The address that its cloud has; a proxy leads to the broker. `ID` is another one for each forwarder. */
  readonly host?: string;
}

export interface PrivateSite {
  readonly gateway: Gateway;
  readonly device: RegisterServer;
  /** By the name of the forwarder of bundles. */
  readonly platforms: Readonly<Record<string, PlatformSecret>>;
  /** By the name of the forwarder. */
  readonly brokers: ReadonlyMap<string, ScriptedBroker>;
  set(point: string, value: number): void;
}

export const PURPOSE = 'care by the nurse of the village';
const COMMANDS =
  'commands: {read: ["*"], write: ["*"], ack: ["*"], shelve: ["*"], reset: ["*"], outOfService: ["*"], reload: true, resend: true, configure: true, restartFlows: true}';

/** undefined after a skip. @param rows by the name of the row: the forwarders are `plain-<name>` and `cleared-<name>` */
export async function privateSite(t: TestContext, rows: Readonly<Record<string, Row>>): Promise<PrivateSite | undefined> {
  const authority = Authority.make(t);
  if (authority === undefined) return undefined;
  const names = Object.entries(rows).flatMap(([name, row]) =>
    [`plain-${name}`, `cleared-${name}`].map((forwarder) => ({ forwarder, row, host: row.host?.replace('ID', forwarder) })),
  );
  const hosts = names.flatMap(({ host }) => (host === undefined ? [] : [`DNS:${host}`]));
  const server = serverOf(authority.sign('brokers', { names: ['IP:127.0.0.1', ...hosts].join(',') }));
  const own = authority.sign('g1');
  const brokers = new Map<string, ScriptedBroker>();
  const forwarders: string[] = [];
  for (const { forwarder, row, host } of names) {
    const broker = await ScriptedBroker.start(t, { connect: () => 0, publish: () => 0 }, server);
    brokers.set(forwarder, broker);
    const proxy = host === undefined ? undefined : await socksProxy(t, undefined, broker.port);
    forwarders.push(`  ${forwarder}:
    type: mqtt
    url: mqtts://${host ?? `127.0.0.1:${broker.port}`}
    tls: {ca: ${authority.ca}${row.format === 'aws-iot' ? `, cert: ${own.cert}, key: ${own.key}` : ''}}
    format: ${row.format}
${[
  ...(row.keys === undefined ? [] : [row.keys]),
  ...(proxy === undefined ? [] : [`proxy: socks5://127.0.0.1:${proxy.port}`]),
  ...(row.format === 'homeassistant' ? [] : ['batch: {maxAge: 50ms}']),
  ...(forwarder.startsWith('cleared') ? [`purpose: ${PURPOSE}`] : []),
  ...(row.keys?.startsWith('budget') ? [] : [COMMANDS]),
]
  .map((line) => `    ${line}\n`)
  .join('')}`);
  }
  const device = await registerServer(t);
  const platforms = { carrier: makePlatformSecret(), nurse: makePlatformSecret() };
  const gateway = makeGateway(
    t,
    (g) => `${g.section}
buses:
  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 500ms, retries: 0}
  computed: {protocol: derived}
devices:
  band:
    bus: plant
    unit: 1
    interval: 200ms
    points:
      load: {table: holding, address: 0, type: uint16}
      valve: {table: holding, address: 1, type: uint16, write: {min: 0, max: 9}}
      heartbeat: {table: holding, address: 10, type: uint32, privacy: health, write: {min: 0, max: 4e9}}
      diary: {table: holding, address: 70, type: string, length: 4, privacy: health}
      spore: {table: holding, address: 30, type: uint32, privacy: environmental}
      dose: {table: holding, address: 40, type: uint32, privacy: health, write: {min: 0, max: 4e9, safe: {value: ${PLANTED.dose}, onStop: true}}}
      latitude: {table: holding, address: 50, type: int32, scale: 0.000001, privacy: location}
      watts: {table: holding, address: 60, type: uint32, privacy: household}
  cuff:
    bus: plant
    unit: 2
    interval: 200ms
    privacy: health
    points: {systole: {table: holding, address: 20, type: uint32}}
  calc:
    bus: computed
    points: {pulse: {expression: 'band.heartbeat + 1.0'}, twice: {expression: 'band.load * 2.0'}}
rules:
  racing: {point: band.heartbeat, above: 200, severity: critical, latch: true, interlock: [band.valve], do: [{publish: note, to: plain-json, payload: '{point} is {value}, {message}'}]}
  pressed: {point: cuff.systole, above: 100, severity: warning}
  airy: {point: band.spore, above: 100}
  burning: {point: band.watts, above: 100}
  abroad: {point: band.latitude, outside: {min: 90, max: 180}}
  written: {point: band.diary, notEquals: nothing}
  apart: {point: band.load, deviation: {from: band.heartbeat, by: 3}}
  tried: {point: band.heartbeat, above: 100, observe: true}
  busy: {point: band.load, above: 5, do: [{write: band.heartbeat, value: 7, retries: 0}]}
privacy:
  location: {upstream: {round: 0.01}}
  household: {upstream: {aggregate: 15m}}
  environmental: {upstream: never}
buffer: {commitEvery: 200ms}
forwarders:
${forwarders.join('')}  carrier: {type: bundle, platform: "${platforms.carrier.text}"}
  nurse: {type: bundle, platform: "${platforms.nurse.text}", purpose: ${PURPOSE}}
`,
  );
  const set = (point: string, value: number): void => {
    const { address } = POINTS[point] ?? { address: 0 };
    if (address === 0) device.registers.set(0, value);
    else for (const [i, word] of [value >>> 16, value & 0xffff].entries()) device.registers.set(address + i, word);
  };
  for (const [name, { value }] of Object.entries(POINTS)) set(name, value);
  for (let i = 0; i < 4; i++)
    device.registers.set(70 + i, (PLANTED.diary.charCodeAt(2 * i) << 8) | PLANTED.diary.charCodeAt(2 * i + 1));
  // Its writes come to nothing, so a refusal has the value that the device shows.
  for (const address of [10, 11]) device.stubborn.add(address);
  await fillHours(gateway);
  return { gateway, device, platforms, brokers, set };
}

/** Hours before the start, six readings in each minute: windows and summaries need no waiting. */
async function fillHours(gateway: Gateway): Promise<void> {
  const end = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  let passed = Math.ceil(systemClock.monotonic());
  const begin = passed;
  const start = end - HOURS * 3_600_000;
  const clock: Clock = { ...systemClock, monotonic: () => passed, wall: () => start + passed - begin, after: systemClock.after };
  mkdirSync(gateway.stateDir, { recursive: true });
  const log = await Log.open({
    ...{ stateDir: gateway.stateDir, runtimeDir: gateway.runtimeDir, clock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 60_000 },
  });
  log.setClock(start - begin, false);
  const shape: Shape = {
    device: 'band',
    points: [
      { name: 'load', type: 'uint16', storage: 'number' },
      { name: 'watts', type: 'uint32', storage: 'number', privacy: 'household' },
      { name: 'heartbeat', type: 'uint32', storage: 'number', privacy: 'health' },
    ],
  };
  for (let i = 0; i < 360 * HOURS; i++) {
    passed = begin + i * 10_000 + 5000;
    log.append({ shape, at: passed, values: [1, PLANTED.wattsBefore[i % 2] as number, PLANTED.heartbeat], reasons: null });
  }
  for (const forwarder of ['plain-budget', 'cleared-budget'])
    new ForwarderMemories().of(`${forwarder}@summary`, log).save({ covered: start });
  await log.flush();
  await log.close(10_000);
}

/** Each form in which a planted reading may stand in bytes. */
function formsOf(value: number | string): Buffer[] {
  if (typeof value === 'string') return [Buffer.from(value)];
  const text = String(value);
  const forms = [Buffer.from(Number.isInteger(value) ? text : text.slice(0, -2))];
  const raws = Number.isInteger(value) ? [value] : [Math.round(value * 1e6)];
  for (const raw of raws) {
    const int = Buffer.alloc(4);
    int.writeUInt32BE(raw);
    const varint: number[] = [];
    for (let rest = raw; rest > 0; rest = Math.floor(rest / 128)) varint.push((rest % 128) + (rest >= 128 ? 128 : 0));
    forms.push(int, Buffer.from(int).reverse(), Buffer.from(varint));
  }
  const float = Buffer.alloc(8);
  float.writeDoubleBE(value);
  const single = Buffer.alloc(4);
  single.writeFloatBE(value);
  // A short float of a whole number is the float of many others.
  for (const form of Number.isInteger(value) ? [float] : [float, single]) forms.push(form, Buffer.from(form).reverse());
  return forms;
}

export interface Secret {
  readonly name: string;
  readonly forms: readonly Buffer[];
}

/** Readings by the names of PLANTED, and names of points. */
export function secrets(readings: readonly (keyof typeof PLANTED)[], names: readonly string[]): Secret[] {
  return [
    ...readings.flatMap((name) => ({
      name,
      forms: [PLANTED[name]].flat().flatMap((value) => formsOf(value as number | string)),
    })),
    ...names.map((name) => ({ name: `the name ${name}`, forms: [Buffer.from(name)] })),
  ];
}

/** As it is, without its compression, or the records of columns. */
function* contents(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > 4 && bytes.readUInt32BE(0) === 0x534c4301) {
    yield Buffer.from(
      JSON.stringify(readColumns(bytes, 'data').records, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    );
    return;
  }
  // The sign of gzip.
  yield bytes.length > 2 && bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes;
}

/** What a text or a payload shows of them. */
export function found(bytes: Buffer, all: readonly Secret[]): string[] {
  const parts = [...contents(bytes)];
  return all.flatMap(({ name, forms }) => (forms.some((form) => parts.some((part) => part.includes(form))) ? [name] : []));
}

/** For a message of a failing test. */
export const shown = ({ topic, payload }: Pick<Message, 'topic' | 'payload'>): string =>
  `${topic}: ${payload.toString('latin1').slice(0, 300)}`;
