/** Records as drivers make them from the data sets, without a field bus. */
import type { ModbusPoint } from '../../src/codecs/modbus-point.ts';
import { pointInfo } from '../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../src/codecs/modbus-registers.ts';
import type { LogRecord, Sample, Shape } from '../../src/core/point.ts';
import { dataSetNamed } from './data-sets.ts';

export class SiteRecords {
  readonly shapes: readonly Shape[];
  readonly #sources: { step(at: number): Sample }[];
  #seq: number;

  /** @param from first sequence number */
  constructor(dataSet: string, devices: number, points: number, from = 1) {
    const set = dataSetNamed(dataSet, points);
    const modbus: ModbusPoint[] = set.points.map((p) => ({ ...p, table: 'holding' }));
    this.shapes = Array.from({ length: devices }, (_, i) => ({ device: `d${i}`, points: modbus.map(pointInfo) }));
    this.#sources = this.shapes.map((shape, i) => {
      const device = set.device(i + 1);
      const decode = compileRequest(shape, modbus, 0);
      return {
        step(at) {
          device.step();
          return decode(device.registers, at);
        },
      };
    });
    this.#seq = from;
  }

  /** Numbers that somebody else uses. */
  skip(numbers: number): void {
    this.#seq += numbers;
  }

  /** One poll of every device. Replies come some milliseconds apart, not always the same. @param at whole ms */
  poll(at: number): LogRecord[] {
    return this.#sources.map((source, i) => ({ seq: this.#seq++, sample: source.step(at + i * 3 + ((at / 1000 + i) % 3)) }));
  }
}
