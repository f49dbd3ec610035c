/** Gives the bytes of a case to the decoders that a gateway would use, and reports what comes out otherwise than written. */

import { DeviceMemory } from '../../codecs/modbus-memory.ts';
import { packBits, packWords } from '../../codecs/modbus-pdu.ts';
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import { isBitTable, shapeOf, widthOf } from '../../codecs/modbus-point.ts';
import { compileRequest } from '../../codecs/modbus-registers.ts';
import { parseHex } from '../../codecs/serial/hex.ts';
import { Talker } from '../../codecs/serial/talker.ts';
import { chooseModels, placePoint, walkChain } from '../../codecs/sunspec.ts';
import type { Path } from '../../config/fault.ts';
import type { ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { ProfileCase } from '../../config/profile-case.ts';
import { systemClock } from '../../core/clock.ts';
import type { DeviceTopics, TopicListener } from '../../core/device-topics.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Sample, Value } from '../../core/point.ts';
import { hasValue, reasonAt } from '../../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonName } from '../../core/reasons.ts';
import { pointsOf } from '../../drivers/modbus/check.ts';
import { readsOf } from '../../drivers/modbus/reads.ts';
import type { DeviceSettings } from '../../drivers/modbus/schema.ts';
import { modelWishes } from '../../drivers/modbus/sunspec.ts';
import type { WireTiming } from '../../drivers/modbus/wire-cost.ts';
import { mqtt } from '../../drivers/mqtt/kind.ts';
import { inTopic } from '../../drivers/mqtt/plan.ts';
import { talkerConfig } from '../../drivers/serial/kind.ts';

interface Outcome {
  readonly readings: Record<string, Value>;
  readonly bad: Record<string, string>;
  readonly uncertain: Record<string, string>;
}

/** @returns what differs; the path is relative to the case */
export function runCase(device: ResolvedDevice, written: ProfileCase): { path: Path; message: string }[] {
  const { registers, frames, text, messages, readings, tolerance } = written;
  const [family, needs] = neededBy(device);
  const given = registers !== undefined ? 'modbus' : messages !== undefined ? 'mqtt' : 'serial';
  if (given !== family) return [{ path: [], message: needs }];
  const bytes =
    frames === undefined ? new TextEncoder().encode(text?.trimEnd().replaceAll('\n', '\r\n').concat('\r\n')) : parseHex(frames);
  let decoded: Outcome;
  try {
    if (messages !== undefined) decoded = outcome(publish(device, messages));
    else if (registers !== undefined) decoded = outcome(readImage(device, registers));
    else decoded = outcome(new Talker(talkerConfig(device)).push(bytes, 0));
  } catch (error) {
    return [{ path: ['registers'], message: toError(error).message }];
  }
  const wrong: { path: Path; message: string }[] = [];
  for (const [point, value] of Object.entries(readings)) {
    const got = decoded.readings[point];
    if (got === undefined)
      wrong.push({ path: ['readings', point], message: `${point} has no value here${because(decoded, point)}` });
    else if (!isSame(got, value, tolerance))
      wrong.push({ path: ['readings', point], message: `${point} is ${String(got)}, not ${String(value)}` });
  }
  for (const [point, got] of Object.entries(decoded.readings))
    if (!Object.hasOwn(readings, point))
      wrong.push({ path: ['readings'], message: `${point} is ${String(got)}, but the case does not name it` });
  for (const kind of ['bad', 'uncertain'] as const)
    for (const point of new Set([...Object.keys(written[kind]), ...Object.keys(decoded[kind])])) {
      const [says, is] = [written[kind][point], decoded[kind][point]];
      if (says === is) continue;
      const words = is === undefined ? `not ${kind}` : `${kind} (${is})`;
      const message =
        says === undefined
          ? `${point} is ${words}, but the case does not name it`
          : `${point} is ${words}, not ${kind} (${says})`;
      wrong.push({ path: [kind, point], message });
    }
  return wrong;
}

/** The family of the device, and what its case needs. */
function neededBy({ settings }: ResolvedDevice): readonly ['modbus' | 'serial' | 'mqtt', string] {
  if ('unit' in settings) return ['modbus', 'a Modbus device needs `registers`'];
  if ('topic' in settings) return ['mqtt', 'a device that speaks MQTT needs `messages`'];
  return ['serial', 'a serial device needs `frames` or `text`'];
}

/** Gives the messages to the driver, as the embedded broker would. */
function publish(device: ResolvedDevice, messages: NonNullable<ProfileCase['messages']>): Sample[] {
  const samples: Sample[] = [];
  let listener: TopicListener | undefined;
  const topics: DeviceTopics = {
    open: true,
    listen: (_filters, given) => {
      listener = given;
      return () => {};
    },
    publish: () => false,
  };
  const bus: ResolvedBus = { name: device.bus, protocol: mqtt.protocol, settings: mqtt.bus.parse({}) };
  const emit = (sample: Sample) => samples.push(sample);
  const made = mqtt.create(bus, [device], { clock: systemClock, logger: silentLogger, emit, topics });
  made.start();
  for (const { topic, payload, retained } of messages)
    listener?.message({
      topic: inTopic(topic, String(device.settings.topic)),
      payload: new TextEncoder().encode(payload),
      ...{ at: systemClock.monotonic(), retained, again: false },
    });
  void made.stop();
  return samples;
}

function isSame(got: Value, value: number | string | boolean, tolerance: number): boolean {
  if (typeof value === 'number') return typeof got === 'number' && Math.abs(got - value) <= tolerance * Math.abs(value);
  return (typeof got === 'bigint' ? String(got) : got) === value;
}

function because({ bad }: Outcome, point: string): string {
  return bad[point] === undefined ? '' : ` (${bad[point]})`;
}

function outcome(samples: readonly Sample[]): Outcome {
  const decoded: Outcome = { readings: {}, bad: {}, uncertain: {} };
  for (const sample of samples)
    for (const [i, { name }] of sample.shape.points.entries()) {
      const reason = reasonAt(sample, i);
      if (reason === ABSENT) continue;
      if (hasValue(reason)) decoded.readings[name] = sample.values[i] ?? 0;
      if (reason !== GOOD && qualityOf(reason) !== 'good')
        decoded[hasValue(reason) ? 'uncertain' : 'bad'][name] = reasonName(reason);
    }
  return decoded;
}

type Image = NonNullable<ProfileCase['registers']>;

/** How reads are grouped changes no value, so any wire will do. */
const WIRE: WireTiming = { protocol: 'modbus-tcp', line: undefined, turnaround: 0, inFlight: 1 };

/** Reads the image as the driver would, request by request; a point that meets a register which the case leaves out is not read. */
function readImage(device: ResolvedDevice, image: Image): Sample[] {
  const words = wordsOf(image);
  const points = placed(device, words).filter((point) =>
    Array.from({ length: widthOf(point) }, (_, i) => point.address + i).every((address) =>
      words.has(`${point.table}:${address}`),
    ),
  );
  const memory = new DeviceMemory(points);
  const given = { ...device, points: new Map(points.map(({ name, ...settings }) => [name, settings])) };
  const requests = readsOf(WIRE, given).map(({ table, start, count, points: read }) => {
    const payload = Array.from({ length: count }, (_, i) => words.get(`${table}:${start + i}`) ?? 0);
    const decode = compileRequest(shapeOf(device.name, read), read, start, memory);
    return () => decode(isBitTable(table) ? packBits(payload) : packWords(payload), 0);
  });
  // Twice, since a scale factor may come in a later reply than what it scales.
  for (const read of requests) read();
  return requests.map((read) => read());
}

/** The points where they lie: those of SunSpec by the chain that stands in the image. @throws SluiceError when it has none */
function placed(device: ResolvedDevice, words: ReadonlyMap<string, number>): ModbusPoint[] {
  const wishes = modelWishes(device.settings as unknown as DeviceSettings);
  if (wishes.length === 0) return pointsOf(device);
  const walk = walkChain();
  let step = walk.next();
  while (!step.done) {
    const { start, count } = step.value;
    const read = Array.from({ length: count }, (_, i) => words.get(`holding:${start + i}`));
    step = walk.next(read.every((word) => word !== undefined) ? read : undefined);
  }
  const { chosen, missing } = chooseModels(step.value, wishes);
  for (const message of missing.values()) throw new SluiceError('bad-reply', message);
  return pointsOf(device).flatMap((point) => placePoint(point, chosen) ?? []);
}

/** Registers, or bits of a table of bits (the first in the lowest bit of the first byte, as on the wire), by `table:address`. */
function wordsOf(image: Image): Map<string, number> {
  const memory = new Map<string, number>();
  for (const [table, blocks] of Object.entries(image))
    for (const [start, hex] of Object.entries(blocks)) {
      const bytes = parseHex(hex);
      const bits = table === 'coil' || table === 'discrete';
      const words = bits
        ? Array.from({ length: 8 * bytes.length }, (_, i) => ((bytes[i >> 3] as number) >> (i & 7)) & 1)
        : Array.from({ length: bytes.length >> 1 }, (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number));
      for (const [i, word] of words.entries()) memory.set(`${table}:${Number(start) + i}`, word);
    }
  return memory;
}
