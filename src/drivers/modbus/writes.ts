/**
 * Writing a point: bounds, the functions that do it, and reading back what the device has made of it.
 *
 * - Only points with `write:`, only within its bounds, and each point at most once in `write.every`.
 * - One write at a time for a bus; a point that has only a part of its registers is changed in what they hold now.
 * - A write is sent once. Whether a device took what it did not acknowledge is found out by whoever asked, by reading.
 * - Bound: 8 writes wait.
 */
import { encodePoint } from '../../codecs/modbus-encode.ts';
import { type ModbusRequest, payloadOf } from '../../codecs/modbus-pdu.ts';
import { isBitTable, type ModbusPoint, pointInfo, sharesRegisters, widthOf } from '../../codecs/modbus-point.ts';
import { compileRequest } from '../../codecs/modbus-registers.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import { hasValue, reasonAt } from '../../core/point.ts';
import type { Written } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import type { Answer, CallOptions } from './calls.ts';
import type { Device } from './device.ts';

const WAITING = 8;

export type AskDevice = (device: Device, request: ModbusRequest, options: CallOptions) => Promise<Answer>;

export class PointWriter {
  readonly #ask: AskDevice;
  readonly #clock: Clock;
  readonly #writtenAt = new Map<string, number>();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(ask: AskDevice, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** @throws SluiceError `not-found`, `write-refused` (nothing was sent), `write-failed` (the device shows something else), or what the bus says */
  async write(device: Device, name: string, value: Value): Promise<Written> {
    const point = device.points.get(name);
    if (point === undefined)
      throw new SluiceError('not-found', `${device.name} has no point ${name}; it has: ${[...device.points.keys()].join(', ')}`);
    assertWritable(device.name, point, value);
    if (this.#waiting >= WAITING)
      throw new SluiceError('write-refused', `${WAITING} writes wait on this bus already: try again when they are done`);
    this.#waiting++;
    const before = this.#last;
    const mine = before.then(() => this.#write(device, point, value));
    this.#last = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  async #write(device: Device, point: ModbusPoint, value: Value): Promise<Written> {
    const key = `${device.name}.${point.name}`;
    const now = this.#clock.monotonic();
    const again = (this.#writtenAt.get(key) ?? Number.NEGATIVE_INFINITY) + (point.write?.every ?? 0);
    if (again > now)
      throw new SluiceError(
        'write-refused',
        `${key} was written just now: it may be written once in ${formatDuration(point.write?.every ?? 0)}, again in ${formatDuration(Math.ceil(again - now))}`,
      );
    const count = widthOf(point);
    const { table, address: start } = point;
    if (table !== 'holding' && table !== 'coil') throw new SluiceError('write-refused', `${key}: ${table} can only be read`);
    const read: ModbusRequest = { kind: 'read', table, start, count };
    const label = (verb: string) => `${verb} ${table} ${start}`;
    const current = sharesRegisters(point)
      ? wordsOf(payloadOf((await this.#ask(device, read, { write: true, label: label('reading') })).pdu))
      : [];
    const factor = point.scaleFactor === undefined ? undefined : device.memory.factor(point.scaleFactor);
    const values = encodePoint(point, value, current, factor);
    this.#writtenAt.set(key, now);
    const multiple = device.writesMultiple;
    await this.#ask(device, { kind: 'write', table, start, values, multiple }, { write: true, label: label('writing') });
    const { pdu, at } = await this.#ask(device, read, { write: true, label: label('reading back') });
    const payload = payloadOf(pdu);
    // For this one reading; the polls do the counting.
    const alone = { ...point, counter: undefined };
    const sample = compileRequest(
      { device: device.name, points: [pointInfo(point)] },
      [alone],
      start,
      device.memory,
    )(payload, at);
    const shown = hasValue(reasonAt(sample, 0)) ? (sample.values[0] as Value) : undefined;
    const words = wordsOf(payload);
    // To write it once more would change nothing: what else lies in the registers may have moved in between.
    const taken = isBitTable(table)
      ? ((payload[0] as number) & 1) === values[0]
      : encodePoint(point, value, words, factor).every((word, i) => words[i] === word);
    if (!taken)
      throw new SluiceError(
        'write-failed',
        `${key}: the device acknowledged ${String(value)} and shows ${shown === undefined ? 'no value' : String(shown)}; it may round, limit or refuse it: see its manual`,
        { data: { shown: shown === undefined ? null : String(shown) } },
      );
    return { value: shown ?? value, at };
  }
}

function wordsOf(payload: Uint8Array): number[] {
  const words: number[] = [];
  for (let i = 0; i + 1 < payload.length; i += 2) words.push(((payload[i] as number) << 8) | (payload[i + 1] as number));
  return words;
}

/** @throws SluiceError write-refused */
export function assertWritable(device: string, point: ModbusPoint, value: Value): void {
  const { write } = point;
  const refuse = (why: string): never => {
    throw new SluiceError('write-refused', `${device}.${point.name}: ${why}`);
  };
  if (write === undefined) refuse('it may not be written; a point that may has `write: {min: …, max: …}` in the configuration');
  const { min, max } = write ?? {};
  if (typeof value !== 'number' && typeof value !== 'bigint') return;
  if (min !== undefined && value < min) refuse(`${value} is below ${min}, the least that may be written`);
  if (max !== undefined && value > max) refuse(`${value} is above ${max}, the most that may be written`);
}
