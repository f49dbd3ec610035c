/**
 * State that the requests of one device share: scale factors that stand in registers of their own, and counters.
 * SunSpec (`sunssf`): value = raw × 10^factor, the factor an int16 from -10 to 10; 0x8000 means that there is none.
 */
import { type CounterMemory, CounterStates } from './counter.ts';
import type { ModbusPoint } from './modbus-point.ts';

/** SunSpec Device Information Model Specification, "Scale factors". */
export const LARGEST_FACTOR = 10;

export class DeviceMemory {
  /** The key is the name of the point that is the factor. A device has at most as many as points. */
  readonly #factors = new Map<string, number | undefined>();

  readonly device: string;
  readonly counters: CounterMemory;

  /** @param points all of the device */
  constructor(points: readonly ModbusPoint[], device = '', counters: CounterMemory = new CounterStates()) {
    this.device = device;
    this.counters = counters;
    for (const { scaleFactor } of points) if (scaleFactor !== undefined) this.#factors.set(scaleFactor, undefined);
  }

  isFactor(point: string): boolean {
    return this.#factors.has(point);
  }

  /** The power of ten that a factor last was; undefined before its first answer, and while the device says that it has none. */
  factor(point: string): number | undefined {
    return this.#factors.get(point);
  }

  /** Other registers hold them from now on. */
  forget(): void {
    for (const point of this.#factors.keys()) this.#factors.set(point, undefined);
  }

  /** An answer had this factor. What was not answered changes nothing: the one before holds. */
  learn(point: string, factor: number | undefined): void {
    const known = factor !== undefined && Number.isInteger(factor) && Math.abs(factor) <= LARGEST_FACTOR;
    this.#factors.set(point, known ? factor : undefined);
  }
}
