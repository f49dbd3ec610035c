/** `sluice read`: now, between the polls of a running gateway, or from the wire itself while none runs. */

import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../admin/client.ts';
import type { ReadReply } from '../admin/target.ts';
import type { ExchangeReply } from '../admin/wire-target.ts';
import { isBitTable, type ModbusPoint, TABLES, type Table, widthOf } from '../codecs/modbus-point.ts';
import { chooseModels, type SunspecChain } from '../codecs/sunspec.ts';
import type { GatewayConfig, ResolvedBus, ResolvedDevice } from '../config/kinds.ts';
import { SluiceError } from '../core/errors.ts';
import { unitWords } from '../core/unit-words.ts';
import type { DeviceRequest } from '../drivers/modbus/bus.ts';
import { SEARCH } from '../drivers/modbus/model-search.ts';
import { configInForce } from './in-force.ts';
import { nobodyRuns, paint, type RunningOptions, socketOf } from './running.ts';
import { readingLine } from './tail.ts';
import { clean } from './terminal/clean.ts';
import { gridText, lookAtOrders } from './wire/orders.ts';
import { readTalker } from './wire/read-talker.ts';
import { frameLines, lineBytes, type Readings, readingsOf } from './wire/show.ts';
import { chainOf } from './wire/sunspec.ts';
import { busNamed, errorWords, heardOf, type Look, type OpenWire, openWire, planOf, wishesOf } from './wire/wire.ts';

export interface ReadOptions extends RunningOptions {
  readonly raw?: boolean;
  readonly orders?: boolean;
  readonly table?: Table;
  readonly address?: number;
  readonly count?: number;
}

export async function read(target: string, options: ReadOptions): Promise<void> {
  const [device = '', point, ...rest] = target.split('.');
  if (rest.length > 0) throw new SluiceError('usage', `${target} is neither a device nor a point: write device or device.point`);
  const byAddress = options.table !== undefined || options.address !== undefined || options.count !== undefined;
  if (byAddress && (options.table === undefined || options.address === undefined))
    throw new SluiceError('usage', `a raw address is a table and an address: --table ${TABLES.join('|')} --address 0`);
  if (byAddress && point !== undefined) throw new SluiceError('usage', 'name a point, or a table and an address, not both');
  if (options.orders) await readOrders(device, point, options);
  else if (byAddress) await readAddress(device, options);
  else if (options.raw && heardOf(deviceNamed(options, device).bus) === 'asked') await readWire(device, point, options);
  else await readPlain(device, point, options);
}

async function readPlain(device: string, point: string | undefined, options: ReadOptions): Promise<void> {
  const raw = options.raw === true;
  let reply: ReadReply;
  try {
    reply = (await request(socketOf(options), 'POST', '/api/v1/read', { device, raw })) as ReadReply;
  } catch (thrown) {
    if (!nobodyRuns(thrown) || options.socket !== undefined) throw thrown;
    const found = deviceNamed(options, device);
    const heard = heardOf(found.bus);
    if (heard === 'gateway') throw thrown;
    if (heard === 'asked') return readWire(device, point, options);
    reply = await readTalker(found.bus, found.device, raw);
  }
  const faults = reply.faults.filter((f) => point === undefined || f.points.includes(point));
  const readings = reply.readings.length === 0 && faults.length > 0 ? [] : only(point, device, reply.readings);
  tell(device, readings, faults, options, reply.frames);
}

/** Every request of the device, or those with the point, frame by frame where `--raw` asks for it. */
async function readWire(name: string, point: string | undefined, options: ReadOptions): Promise<void> {
  const { bus, device } = deviceNamed(options, name);
  if (point !== undefined && !device.points.has(point))
    only(
      point,
      name,
      [...device.points.keys()].map((p) => ({ point: p })),
    );
  // A scale factor is read along with what it scales.
  const factor = point === undefined ? undefined : (device.points.get(point) as ModbusPoint | undefined)?.scaleFactor;
  await onWire(bus, device, options, async (wire) => {
    const replies: object[] = [];
    const unitId = unitOf(device);
    const show = (label: string, reply: ExchangeReply) =>
      print(`${name}, unit ${unitId} on ${bus.name}: ${label}`, ...frameLines(reply));
    const chain =
      wishesOf(device).length > 0
        ? await chainOn(wire, bus, device, (label, asked, reply) => {
            if (options.json) replies.push({ request: asked, ...reply, readings: [] });
            else if (options.raw) show(label, reply);
          })
        : undefined;
    const { requests, fault } = planOf(bus, device, chain);
    if (fault !== undefined) process.stderr.write(`${paint(33, `${name}: ${clean(fault)}`)}\n`);
    const planned = requests
      .filter(({ shape }) => point === undefined || shape.points.some((p) => p.name === point || p.name === factor))
      .sort((a, b) => Number(has(b, factor)) - Number(has(a, factor)));
    let wrong = planned.length === 0;
    for (const request of planned) {
      const { table, start, count } = request.request;
      const look = { unit: unitId, request: { kind: 'read', table, start, count } as const, ...timeoutOf(device) };
      const reply = await wire.exchange(look);
      const readings = readingsOf(request, reply).filter((r) =>
        point === undefined ? device.points.has(r.point) : r.point === point,
      );
      wrong ||= reply.error !== null || readings.some((r) => r.quality === 'bad');
      if (options.json) replies.push({ request: look.request, ...reply, readings });
      else {
        if (options.raw) show(request.label, reply);
        if (reply.error) print(paint(33, `  ${errorWords(reply.error, bus, unitId, request.label)}`));
        print(...readings.map((reading) => readingLine({ ...reading, device: name })));
      }
    }
    const readings = replies.flatMap((each) => (each as { readings: Readings }).readings);
    if (options.json)
      print(JSON.stringify(options.raw ? { device: name, bus: bus.name, requests: replies } : { device: name, readings }));
    if (wrong) process.exitCode = 1;
  });
}

/** Where the models of a SunSpec device lie now. @throws SluiceError in words, where it does not answer */
async function chainOn(
  wire: Pick<OpenWire, 'exchange'>,
  bus: ResolvedBus,
  device: ResolvedDevice,
  asked: (label: string, request: Look['request'], reply: ExchangeReply) => void = () => {},
): Promise<{ readonly found: SunspecChain | undefined }> {
  const unitId = unitOf(device);
  let failed: ExchangeReply['error'] = null;
  const found = chainOf(async (request) => {
    const reply = await wire.exchange({ unit: unitId, request, ...timeoutOf(device) });
    failed = reply.error;
    asked(SEARCH, request, reply);
    return reply;
  });
  return {
    found: await found.catch((thrown: unknown) => {
      if (!(thrown instanceof SluiceError) || failed === null) throw thrown;
      throw new SluiceError(thrown.code, errorWords(failed, bus, unitId, SEARCH), { cause: thrown });
    }),
  };
}

/** A table and an address without any point. */
async function readAddress(name: string, options: ReadOptions): Promise<void> {
  const { bus, device } = deviceNamed(options, name);
  const { table = 'holding', address = 0, count = 1 } = options;
  const unitId = unitOf(device);
  await onWire(bus, device, options, async (wire) => {
    const request = { kind: 'read', table, start: address, count } as const;
    const reply = await wire.exchange({ unit: unitId, request, ...timeoutOf(device) });
    const values = valuesOf(table, count, reply);
    if (options.json) print(JSON.stringify({ device: name, bus: bus.name, requests: [{ request, ...reply, values }] }));
    else {
      const label = `${table} ${address}${count === 1 ? '' : ` to ${address + count - 1}`}`;
      print(`${name}, unit ${unitId} on ${bus.name}: ${label}`, ...frameLines(reply));
      if (reply.error) print(paint(33, `  ${errorWords(reply.error, bus, unitId, label)}`));
      for (const [i, value] of values.entries()) {
        const bits = `0x${value.toString(16).padStart(4, '0')}`;
        print(isBitTable(table) ? `  ${table} ${address + i}  ${value}` : `  ${table} ${address + i}  ${bits}  ${value}`);
      }
    }
    if (reply.error) process.exitCode = 1;
  });
}

async function readOrders(name: string, pointName: string | undefined, options: ReadOptions): Promise<void> {
  const { bus, device } = deviceNamed(options, name);
  const point = pointName === undefined ? undefined : (device.points.get(pointName) as ModbusPoint | undefined);
  if (pointName !== undefined && point === undefined)
    only(
      pointName,
      name,
      [...device.points.keys()].map((p) => ({ point: p })),
    );
  const { table = point?.table, address = point?.address } = options;
  const all = [...device.points.entries()]
    .map(([at, of]) => [at, of as unknown as ModbusPoint] as const)
    .filter(([, of]) => of.table === 'holding' || of.table === 'input');
  if (table !== undefined && table !== 'holding' && table !== 'input')
    throw new SluiceError('usage', `${table} has single bits, which have no byte order; --orders is for holding and input`);
  if ((table === undefined || address === undefined) && all.length === 0)
    throw new SluiceError('usage', `${name} has no point in registers: say which ones, --table input --address 0`);
  const wanted = table === undefined || address === undefined ? all : [[pointName, { ...point, table, address }] as const];
  await onWire(bus, device, options, async (wire) => {
    const shown: object[] = [];
    let good = false;
    for (const [at, of] of wanted) {
      const known = 'type' in of ? (of as ModbusPoint) : undefined;
      const start = known?.model === undefined ? 0 : await modelStart(wire, bus, device, known.model);
      const count = options.count ?? Math.max(4, known === undefined ? 4 : widthOf(known));
      // With a factor that stands elsewhere the number here is as raw as without any point.
      const scaled = known?.scaleFactor === undefined ? known : undefined;
      const sought = { table: of.table as 'holding' | 'input', address: start + of.address, count, point: scaled };
      const grids = await lookAtOrders((look) => wire.exchange(look), unitOf(device), sought, timeoutOf(device).timeout);
      good ||= grids.some((grid) => grid.error === null);
      if (options.json) shown.push(...grids.map((grid) => ({ ...(at === undefined ? {} : { point: at }), ...grid })));
      else {
        if (wanted.length > 1) print(`${name}.${at}:`);
        print(...grids.map((grid) => gridText(grid, (text) => paint(32, text))));
        print(`* plausible${known === undefined ? '' : scaleWords(known)}`);
      }
    }
    if (options.json) print(JSON.stringify({ device: name, bus: bus.name, unit: unitOf(device), grids: shown }));
    if (!good) process.exitCode = 1;
  });
}

function scaleWords({ scale = 1, offset = 0, unit }: ModbusPoint): string {
  return `; values are raw × ${scale} + ${offset}${unit === undefined ? '' : ` in ${unitWords(unit)}`}`;
}

/** The first register of a SunSpec model. @throws SluiceError in words, where the device does not have it */
async function modelStart(
  wire: Pick<OpenWire, 'exchange'>,
  bus: ResolvedBus,
  device: ResolvedDevice,
  role: string,
): Promise<number> {
  const { found } = await chainOn(wire, bus, device);
  const { chosen, missing } = chooseModels(found, wishesOf(device));
  const model = chosen.get(role);
  if (model === undefined) throw new SluiceError('not-found', `${device.name}: ${missing.get(role)}`);
  return model.start;
}

async function onWire(
  bus: ResolvedBus,
  device: ResolvedDevice,
  options: RunningOptions,
  run: (wire: Pick<OpenWire, 'exchange'>) => Promise<void>,
): Promise<void> {
  const wire = await openWire(bus, options);
  try {
    // A running gateway keeps this pause itself.
    if (!wire.shared) await sleep(Number(device.settings.connectDelay ?? 0));
    await run(wire);
  } finally {
    await wire.close();
  }
}

function deviceNamed(options: RunningOptions, name: string): { config: GatewayConfig; bus: ResolvedBus; device: ResolvedDevice } {
  const config = configInForce(options.config, false);
  const device = config.devices.get(name);
  if (device === undefined)
    throw new SluiceError('not-found', `there is no device ${name}; the devices are: ${[...config.devices.keys()].join(', ')}`);
  return { config, device, bus: busNamed(config, device.bus) };
}

const has = ({ shape }: DeviceRequest, point: string | undefined) => shape.points.some((p) => p.name === point);
const unitOf = (device: ResolvedDevice) => Number(device.settings.unit);
const timeoutOf = (device: ResolvedDevice) =>
  typeof device.settings.timeout === 'number' ? { timeout: device.settings.timeout } : {};

/** Registers, or bits, of a good reply. */
function valuesOf(table: Table, count: number, reply: ExchangeReply): number[] {
  if (reply.pdu === null) return [];
  const data = Buffer.from(reply.pdu, 'hex').subarray(2);
  if (isBitTable(table)) return Array.from({ length: count }, (_, i) => ((data[i >> 3] ?? 0) >> (i & 7)) & 1);
  return Array.from({ length: count }, (_, i) => data.readUInt16BE(i * 2));
}

/** @throws SluiceError `not-found` */
function only<T extends { readonly point: string }>(point: string | undefined, device: string, all: readonly T[]): readonly T[] {
  const found = point === undefined ? all : all.filter((each) => each.point === point);
  if (found.length > 0 || point === undefined) return found;
  throw new SluiceError('not-found', `${device} has no point ${point}; it has: ${all.map((each) => each.point).join(', ')}`);
}

function tell(
  device: string,
  readings: Readings,
  faults: ReadReply['faults'],
  options: ReadOptions,
  frames: ReadReply['frames'],
): void {
  const beside = { ...(faults.length === 0 ? {} : { faults }), ...(frames === undefined ? {} : { frames }) };
  if (options.json) print(JSON.stringify({ device, readings, ...beside }));
  else {
    if (frames !== undefined) print(`${device}:`, ...frames.map(lineBytes));
    print(...readings.map((reading) => readingLine({ ...reading, device })));
    print(...faults.map(({ points, message }) => paint(33, `  ${points.join(', ')}: ${clean(message)}`)));
  }
  if (readings.some((r) => r.quality === 'bad') || readings.length === 0) process.exitCode = 1;
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
