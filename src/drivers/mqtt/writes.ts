/**
 * Writing a point of a device that speaks MQTT: a message to it, and the next message from it that shows the value.
 *
 * - Only points with `write:`, only within its bounds, and each point at most once in `write.every`.
 * - One write at a time for a device, in the order asked, safe values first (../write-queue.ts).
 * - The message goes to clients that are connected now, once, and is kept for nobody: no device gets it late.
 * - Errors say whether anything was sent: `data.sent` is false where nothing was.
 * - Bound: WAITING_WRITES wait on the bus, and as many safe values as there are.
 */
import type { Clock } from '../../core/clock.ts';
import type { DeviceTopics } from '../../core/device-topics.ts';
import { SluiceError } from '../../core/errors.ts';
import { hasValue, reasonAt, type Sample, type Value } from '../../core/point.ts';
import type { WriteOptions, Written } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import { type Check, gaveWay, WriteQueue } from '../write-queue.ts';
import type { MqttDevice } from './device.ts';
import { WAITING_WRITES } from './limits.ts';
import { messageOf, valueToWrite } from './outgoing.ts';
import type { Writable } from './plan.ts';

interface Task {
  readonly device: MqttDevice;
  readonly point: string;
  /** `device.point`, for messages. */
  readonly name: string;
  readonly writable: Writable;
  readonly value: Value;
  readonly safe: boolean;
  readonly begin?: (() => void) | undefined;
}

/** When to ask again where so many wait, ms. */
const AGAIN_WHEN_FULL = 200;

export class MqttWriter {
  readonly #clock: Clock;
  readonly #topics: DeviceTopics;
  /** Milliseconds until a device must have shown the value. */
  readonly #timeout: number;
  readonly #writtenAt = new Map<string, number>();
  readonly #queues = new Map<MqttDevice, WriteQueue>();
  #waiting = 0;

  constructor(clock: Clock, topics: DeviceTopics, timeout: number) {
    this.#clock = clock;
    this.#topics = topics;
    this.#timeout = timeout;
  }

  /** @throws SluiceError `not-found`, `write-refused` (nothing was sent), `write-failed` */
  async write(device: MqttDevice, point: string, given: Value, { safe = false, begin }: WriteOptions = {}): Promise<Written> {
    const task = { ...taskOf(device, point, given), safe, begin };
    if (!safe && this.#waiting >= WAITING_WRITES)
      throw new SluiceError('write-refused', `${WAITING_WRITES} writes wait on this bus already: try again when they are done`, {
        data: { sent: false, again: AGAIN_WHEN_FULL },
      });
    if (!safe) this.#waiting++;
    try {
      const queue = this.#queues.get(device) ?? new WriteQueue();
      this.#queues.set(device, queue);
      return await queue.add({ point: task.name, safe, change: async (signal) => this.#change(task, signal) });
    } finally {
      if (!safe) this.#waiting--;
    }
  }

  #change(task: Task, signal: AbortSignal): Check {
    const { device, name, writable, value, safe, begin } = task;
    const { every, topic, readBack } = writable.write;
    begin?.();
    if (signal.aborted) throw gaveWay();
    if (device.goneBy !== undefined)
      throw new SluiceError('write-failed', `${name}: nothing was sent, since ${device.goneBy} says that the device is gone`, {
        data: { sent: false },
      });
    const now = this.#clock.monotonic();
    const again = (this.#writtenAt.get(name) ?? Number.NEGATIVE_INFINITY) + every;
    if (again > now && !safe)
      throw new SluiceError(
        'write-refused',
        `${name} was written just now: it may be written once in ${formatDuration(every)}, again in ${formatDuration(Math.ceil(again - now))}`,
        { data: { sent: false, again: Math.ceil(again - now) } },
      );
    const shown = readBack ? this.#shown(task) : undefined;
    if (!this.#topics.publish(topic, messageOf(writable, value))) {
      shown?.cancel();
      throw new SluiceError(
        'write-failed',
        `${name}: nothing was sent, since no client has subscribed to ${topic}; is the device or its bridge connected, and may its account read this topic?`,
        { data: { sent: false } },
      );
    }
    this.#writtenAt.set(name, now);
    if (shown !== undefined) return () => shown.promise;
    return async () => ({ value, at: this.#clock.monotonic(), readBack: false });
  }

  /** Resolves with the first message that shows the value. */
  #shown({ device, point, name, value }: Task): { promise: Promise<Written>; cancel: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<Written>();
    let newest: Value | undefined;
    const stop = device.watch((sample) => {
      const seen = valueIn(sample, point);
      if (seen !== undefined) newest = seen;
      if (seen !== value) return;
      end();
      resolve({ value, at: sample.at, readBack: true });
    });
    const cancel = this.#clock.after(this.#timeout, () => {
      end();
      const what = newest === undefined ? 'no message with this point came' : `the device shows ${String(newest)}`;
      const words = `${name}: ${String(value)} was sent, and within ${formatDuration(this.#timeout)} ${what}; read the point to find out whether the device took it (write.readBack: false for a point that never shows it)`;
      reject(new SluiceError('write-failed', words, { data: { shown: newest === undefined ? null : String(newest) } }));
    });
    const end = (): void => {
      stop();
      cancel();
    };
    return { promise, cancel: end };
  }
}

function valueIn({ shape, values, ...sample }: Sample, point: string): Value | undefined {
  const i = shape.points.findIndex(({ name }) => name === point);
  return i >= 0 && hasValue(reasonAt({ shape, values, ...sample }, i)) ? values[i] : undefined;
}

function taskOf(device: MqttDevice, point: string, given: Value): Omit<Task, 'safe'> {
  const { plan } = device;
  const name = `${device.name}.${point}`;
  const known = plan.sources.flatMap(({ points }) => [...points.keys()]);
  if (!known.includes(point)) {
    // With their device: so the gate of a forwarder finds names that it may not have.
    const list = known.map((one) => `${device.name}.${one}`).join(', ');
    throw new SluiceError('not-found', `${device.name} has no point ${point}; it has: ${list}`);
  }
  const writable = plan.writable.get(point);
  if (writable === undefined)
    throw new SluiceError(
      'write-refused',
      `${name}: it may not be written; a point that may has \`write:\` with its topic in the configuration`,
      { data: { sent: false } },
    );
  try {
    return { device, point, name, writable, value: valueToWrite(writable, given) };
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    throw new SluiceError(thrown.code, `${name}: ${thrown.message}`, { cause: thrown, data: { ...thrown.data } });
  }
}
