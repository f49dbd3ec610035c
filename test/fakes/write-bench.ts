/** A writer on a device that is a list of registers. */
import { encodeRequest, type ModbusRequest } from '../../src/codecs/modbus-pdu.ts';
import type { ModbusPoint } from '../../src/codecs/modbus-point.ts';
import { SluiceError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Value } from '../../src/core/point.ts';
import type { WriteOptions, Written } from '../../src/core/ports.ts';
import type { Answer, CallOptions } from '../../src/drivers/modbus/calls.ts';
import { Device } from '../../src/drivers/modbus/device.ts';
import { PointWriter } from '../../src/drivers/modbus/writes.ts';
import { ManualClock } from './manual-clock.ts';

export class WriteBench {
  readonly clock = new ManualClock();
  readonly registers = new Array<number>(200).fill(0);
  /** Requests in hexadecimal, as they were sent. */
  readonly sent: string[] = [];
  /** Called before each request; may throw, or wait. */
  before: (request: ModbusRequest, device: string, options: CallOptions) => void | Promise<void> = () => {};
  /** Called after the registers were set by a write. */
  after: () => void = () => {};
  readonly #devices = new Map<string, Device>();
  readonly #writer: PointWriter;

  constructor(points: Record<string, Partial<ModbusPoint>>, more: { devices?: string[]; writesMultiple?: boolean } = {}) {
    const all = Object.entries(points).map(
      ([name, keys]): ModbusPoint => ({
        ...{ name, table: 'holding', address: 3, type: 'uint16' },
        ...keys,
        write: keys.write ? { ...keys.write, every: keys.write.every ?? 0, readBack: keys.write.readBack ?? true } : undefined,
      }),
    );
    for (const name of more.devices ?? ['d']) {
      const device = new Device(
        {
          ...{ name, unitId: 1, writesMultiple: more.writesMultiple ?? false },
          points: new Map(all.map((p) => [p.name, p])),
          patience: { timeout: 100, retries: 0, turnaround: 0, connectDelay: 0 },
        },
        { serial: false, label: 'test' },
        this.clock,
        silentLogger,
      );
      this.#devices.set(name, device);
    }
    this.#writer = new PointWriter({
      ask: (device, request, options) => this.#answer(device.name, request, options),
      clock: this.clock,
      released: () => {},
    });
  }

  set(address: number, value: number): void {
    this.registers[address] = value;
  }

  write(point: string, value: Value, options?: WriteOptions, device = 'd'): Promise<Written> {
    const found = this.#devices.get(device);
    if (found === undefined) throw new Error(`no device ${device}`);
    return this.#writer.write(found, point, value, options);
  }

  /** The error of a write that has to fail. */
  async refusal(point: string, value: Value, options?: WriteOptions): Promise<SluiceError> {
    const thrown = await this.write(point, value, options).then(
      (written) => new Error(`it was written: ${String(written.value)}`),
      (error: unknown) => error,
    );
    if (!(thrown instanceof SluiceError)) throw thrown;
    return thrown;
  }

  async #answer(device: string, request: ModbusRequest, options: CallOptions): Promise<Answer> {
    const { bytes } = encodeRequest(request);
    this.sent.push(Buffer.from(bytes).toString('hex').toUpperCase());
    await this.before(request, device, options);
    const at = this.clock.monotonic();
    if (request.kind === 'write') {
      this.registers.splice(request.start, request.values.length, ...request.values);
      this.after();
      return { pdu: bytes, at, latency: 1 };
    }
    if (request.kind !== 'read') throw new Error('only reads and writes are expected');
    const words = this.registers.slice(request.start, request.start + request.count);
    const data = request.table === 'coil' ? [words[0] as number] : words.flatMap((word) => [word >> 8, word & 255]);
    return { pdu: Uint8Array.from([3, data.length, ...data]), at, latency: 1 };
  }
}
