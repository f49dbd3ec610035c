/**
 * Writing a point: bounds, the functions that do it, and reading back what the device has made of it.
 *
 * - Only points with `write:`, only within its bounds, and each point at most once in `write.every`.
 * - One write at a time for a device, in the order asked, safe values first (write-queue.ts); a part of a register is changed
 *   in what the register holds now.
 * - A value is sent once. The caller finds out by reading whether a device took a value that it did not acknowledge.
 * - Errors say whether anything was sent: `data.sent` is false where nothing was.
 * - Bound: 8 writes wait for a bus, and as many safe values as there are.
 */
import { encodePoint, withFactor } from '../../codecs/modbus-encode.ts';
import { DeviceMemory } from '../../codecs/modbus-memory.ts';
import { type ModbusRequest, payloadOf } from '../../codecs/modbus-pdu.ts';
import { isBitTable, type ModbusPoint, pointInfo, sharesRegisters, widthOf } from '../../codecs/modbus-point.ts';
import { compileRequest } from '../../codecs/modbus-registers.ts';
import { assertOnStep, valueToWrite } from '../../codecs/modbus-value.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import { hasValue, reasonAt } from '../../core/point.ts';
import type { WriteOptions, Written } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import { type Check, gaveWay, WriteQueue } from '../write-queue.ts';
import type { Answer, CallOptions } from './calls.ts';
import type { Device } from './device.ts';
import { isHead } from './model-search.ts';
import { refusalWords } from './words.ts';

const WAITING = 8;
/** When to ask again where so many wait, ms. */
const AGAIN_WHEN_FULL = 200;
/** A device may take its time to show what it acknowledged: so many looks, so far apart (ms). */
const LOOKS = 3;
const LOOK_AGAIN = 200;

export type AskDevice = (device: Device, request: ModbusRequest, options: CallOptions) => Promise<Answer>;

/** One write on its way. */
interface Task {
  readonly device: Device;
  readonly point: ModbusPoint;
  readonly table: 'holding' | 'coil';
  /** `device.point`, for messages. */
  readonly name: string;
  readonly value: Value;
  readonly safe: boolean;
  /** Throws where nothing may be sent any more. */
  readonly begin?: (() => void) | undefined;
  /** Aborted: a safe value goes first. */
  readonly signal?: AbortSignal;
}

export interface WriterOptions {
  readonly ask: AskDevice;
  readonly clock: Clock;
  /** The last safe value is set, or could not be: others may use the bus again. */
  readonly released: () => void;
}

export class PointWriter {
  readonly #ask: AskDevice;
  readonly #clock: Clock;
  readonly #released: () => void;
  /** At most one entry for each writable point, and for each device. */
  readonly #writtenAt = new Map<string, number>();
  readonly #queues = new Map<Device, WriteQueue>();
  #waiting = 0;
  /** Safe values that were not looked at yet after they were set. */
  #unset = 0;

  constructor({ ask, clock, released }: WriterOptions) {
    this.#ask = ask;
    this.#clock = clock;
    this.#released = released;
  }

  /** Safe values are on their way. */
  get setsSafe(): boolean {
    return this.#unset > 0;
  }

  /** @throws SluiceError `not-found`, `write-refused` (nothing was sent), `write-failed` (the device shows something else), or what the bus says */
  async write(device: Device, point: string, given: Value, { safe = false, begin }: WriteOptions = {}): Promise<Written> {
    const task = { ...taskOf(device, point, given), safe, begin };
    if (safe) return this.#writeSafe(task);
    if (this.#waiting >= WAITING)
      throw new SluiceError('write-refused', `${WAITING} writes wait on this bus already: try again when they are done`, {
        data: { sent: false, again: AGAIN_WHEN_FULL },
      });
    this.#waiting++;
    try {
      return await this.#queued(task);
    } finally {
      this.#waiting--;
    }
  }

  async #writeSafe(task: Task): Promise<Written> {
    this.#unset++;
    let unset = true;
    const set = (): void => {
      if (!unset) return;
      unset = false;
      if (--this.#unset === 0) this.#released();
    };
    try {
      return await this.#queued(task, set);
    } finally {
      set();
    }
  }

  /** @param looked called after the first look at what was written */
  #queued(task: Task, looked?: () => void): Promise<Written> {
    const { device, name, safe } = task;
    const queue = this.#queues.get(device) ?? new WriteQueue();
    this.#queues.set(device, queue);
    return queue.add({ point: name, safe, change: (signal) => this.#change({ ...task, signal }, looked) });
  }

  async #change(asked: Task, looked: (() => void) | undefined): Promise<Check> {
    const { device, table, name, value } = asked;
    asked.begin?.();
    const every = asked.point.write?.every ?? 0;
    const now = this.#clock.monotonic();
    const again = (this.#writtenAt.get(name) ?? Number.NEGATIVE_INFINITY) + every;
    if (again > now && !asked.safe)
      throw new SluiceError(
        'write-refused',
        `${name} was written just now: it may be written once in ${formatDuration(every)}, again in ${formatDuration(Math.ceil(again - now))}`,
        { data: { sent: false, again: Math.ceil(again - now) } },
      );
    const task = await this.#located(asked);
    const { point } = task;
    const factor = await this.#factor(task);
    if (factor !== undefined) inWords(name, () => assertOnStep(withFactor(point, factor), value));
    const current = sharesRegisters(point) ? wordsOf(await this.#read(task, point, 'reading')) : [];
    const values = encodePoint(point, value, current, factor);
    asked.begin?.();
    try {
      const request: ModbusRequest = {
        ...{ kind: 'write', table, start: point.address, values },
        multiple: device.writesMultiple,
      };
      await this.#send(task, request, 'writing');
      this.#writtenAt.set(name, now);
    } catch (thrown) {
      if (!(thrown instanceof SluiceError) || thrown.data.sent === false) throw thrown;
      this.#writtenAt.set(name, now);
      if (thrown.code === 'exception') throw thrown;
      const unknown = `${thrown.message}. The gateway does not know whether the device took ${String(value)}; read the point to find out`;
      throw new SluiceError(thrown.code, unknown, { cause: thrown, data: { ...thrown.data } });
    }
    if (point.write?.readBack !== false) return () => this.#readBack(task, values, factor, looked);
    const written = { value, at: this.#clock.monotonic(), readBack: false };
    return async () => written;
  }

  /** A point in a model of a SunSpec device is written only where that model can be seen now. */
  async #located(task: Task): Promise<Task> {
    const { point, model } = inWords(task.name, () => task.device.locate(task.point));
    if (model === undefined) return task;
    const head = { name: 'head', table: 'holding', address: model.start, type: 'uint32' } as const;
    if (isHead(await this.#read(task, head, 'reading'), model)) return { ...task, point };
    task.device.models?.doubt();
    throw new SluiceError(
      'write-refused',
      `${task.name}: SunSpec model ${model.id} is not in register ${model.start} any more: try again after the device was read`,
    );
  }

  /** The scale factor stands in a register of its own, and is read before every write. */
  async #factor(task: Task): Promise<number | undefined> {
    const { scaleFactor } = task.point;
    const known = scaleFactor === undefined ? undefined : task.device.points.get(scaleFactor);
    if (known === undefined) return undefined;
    const { point } = inWords(task.name, () => task.device.locate(known));
    const memory = new DeviceMemory([task.point]);
    const decode = compileRequest({ device: task.device.name, points: [pointInfo(point)] }, [point], point.address, memory);
    decode(await this.#read(task, point, 'reading'), 0);
    const factor = memory.factor(point.name);
    if (factor === undefined)
      throw new SluiceError('write-failed', `${task.name}: the device says that it has no scale factor (${point.name}) now`, {
        data: { sent: false },
      });
    return factor;
  }

  async #readBack(
    task: Task,
    sent: readonly number[],
    factor: number | undefined,
    looked: (() => void) | undefined,
  ): Promise<Written> {
    const { device, name, value } = task;
    // For this one reading; the polls do the counting.
    const point = { ...task.point, counter: undefined };
    const memory = new DeviceMemory([point]);
    if (point.scaleFactor !== undefined) memory.learn(point.scaleFactor, factor);
    const decode = compileRequest({ device: device.name, points: [pointInfo(point)] }, [point], point.address, memory);
    let shown: Value | undefined;
    for (let look = 1; look <= LOOKS; look++) {
      if (look > 1) {
        looked?.();
        await new Promise<void>((resolve) => this.#clock.after(LOOK_AGAIN, resolve));
      }
      try {
        const payload = await this.#read(task, point, 'reading back');
        const sample = decode(payload, this.#clock.monotonic());
        shown = hasValue(reasonAt(sample, 0)) ? (sample.values[0] as Value) : undefined;
        if (shown === value || holds(point, value, sent, payload, factor))
          return { value: shown ?? value, at: sample.at, readBack: true };
      } catch (thrown) {
        if (!(thrown instanceof SluiceError) || look < LOOKS) continue;
        throw new SluiceError(
          'write-failed',
          `${name}: the device acknowledged ${String(value)} and could not be read back: ${thrown.message}`,
          { cause: thrown },
        );
      }
    }
    throw new SluiceError(
      'write-failed',
      `${name}: the device acknowledged ${String(value)} and shows ${shown === undefined ? 'no value' : String(shown)}; it may round, limit or refuse it: see its manual (write.readBack: false for a point that never shows the written value)`,
      { data: { shown: shown === undefined ? null : String(shown) } },
    );
  }

  async #read(task: Task, { table, address, ...point }: ModbusPoint, doing: string): Promise<Uint8Array> {
    const count = widthOf({ table, ...point });
    return payloadOf((await this.#send(task, { kind: 'read', table, start: address, count }, doing)).pdu);
  }

  async #send({ device, point, name, safe, signal }: Task, request: ModbusRequest, doing: string): Promise<Answer> {
    const back = doing === 'reading back';
    try {
      if (signal?.aborted === true && !back) throw gaveWay();
      return await this.#ask(device, request, {
        ...{ write: true, label: `${doing} ${point.table} ${point.address}` },
        ...(safe ? { safe: back ? 'check' : 'change' } : {}),
        ...(signal === undefined || back ? {} : { signal }),
      });
    } catch (thrown) {
      if (!(thrown instanceof SluiceError)) throw thrown;
      const words = thrown.code === 'exception' ? refusalWords(thrown) : thrown.message;
      // Readings before the value itself have changed nothing.
      const sent = thrown.data.sent === false || doing === 'reading' ? { sent: false } : {};
      throw new SluiceError(thrown.code, `${name}: ${words}`, { cause: thrown, data: { ...thrown.data, ...sent } });
    }
  }
}

/** @throws SluiceError not-found, write-refused, request-invalid: all that can be refused without a request */
function taskOf(device: Device, pointName: string, given: Value): Omit<Task, 'safe' | 'signal'> {
  const point = device.points.get(pointName);
  if (point === undefined) {
    // With their device: so the gate of a forwarder finds names that it may not have.
    const list = Array.from(device.points.keys(), (one) => `${device.name}.${one}`).join(', ');
    throw new SluiceError('not-found', `${device.name} has no point ${pointName}; it has: ${list}`);
  }
  const name = `${device.name}.${pointName}`;
  const { table } = point;
  if (table !== 'holding' && table !== 'coil') throw new SluiceError('write-refused', `${name}: ${table} can only be read`);
  if (point.write === undefined)
    throw new SluiceError(
      'write-refused',
      `${name}: it may not be written; a point that may has \`write:\` with its bounds in the configuration`,
    );
  const value = inWords(name, () => valueToWrite(point, given));
  if (point.scaleFactor === undefined) encodePoint(point, value);
  return { device, point, table, name, value };
}

function inWords<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    throw new SluiceError(thrown.code, `${name}: ${thrown.message}`, { cause: thrown });
  }
}

/** Whether the registers hold the value: writing it into what they hold would change nothing. */
function holds(point: ModbusPoint, value: Value, sent: readonly number[], payload: Uint8Array, factor: number | undefined) {
  if (isBitTable(point.table)) return ((payload[0] as number) & 1) === sent[0];
  const words = wordsOf(payload);
  return encodePoint(point, value, words, factor).every((word, i) => word === words[i]);
}

function wordsOf(payload: Uint8Array): number[] {
  const words: number[] = [];
  for (let i = 0; i + 1 < payload.length; i += 2) words.push(((payload[i] as number) << 8) | (payload[i + 1] as number));
  return words;
}
