/** The points of the demonstration as its view needs them: in their order, with their digits, their limits and their last minute. */
import type { GatewayStatus, TailReading } from '../../admin/target.ts';
import type { GatewayConfig } from '../../config/kinds.ts';
import { decimalsOf, type Limits, type ShownPoint, valueWords } from '../terminal/point-rows.ts';
import { widthOf } from '../terminal/text.ts';
import { Trend } from '../terminal/trend.ts';
import { activeAlarms } from './view.ts';

const SPAN = 60_000;
const SLOTS = 120;
/** Digits of numbers that no scale gives digits to, by unit. */
const DIGITS: Readonly<Record<string, number>> = { bar: 2, V: 1, A: 2, W: 1, '1': 2, 'kW.h': 3 };

interface Row {
  readonly device: string;
  readonly point: string;
  readonly decimals: number;
  readonly limits: Limits;
  readonly trend: Trend;
  reading: TailReading | undefined;
}

export class Points {
  readonly #rows = new Map<string, Row>();
  #valueWidth = 7;

  constructor(config: GatewayConfig) {
    for (const device of config.devices.values())
      for (const [point, { unit, scale, type }] of device.points) {
        const name = `${device.name}.${point}`;
        const whole = typeof type === 'string' && /int|bool/.test(type) ? 0 : 2;
        const decimals = typeof scale === 'number' ? decimalsOf(scale) : (DIGITS[String(unit)] ?? whole);
        const limits = limitsOf(config, device.name, point);
        this.#rows.set(name, {
          ...{ device: device.name, point, decimals, limits },
          trend: new Trend(SPAN, SLOTS),
          reading: undefined,
        });
      }
  }

  take(reading: TailReading): void {
    const row = this.#rows.get(`${reading.device}.${reading.point}`);
    if (row === undefined) return;
    row.reading = reading;
    row.trend.take(reading);
    this.#valueWidth = Math.max(this.#valueWidth, widthOf(valueWords(reading, row.decimals)));
  }

  /** Columns of the longest value that there was. */
  get valueWidth(): number {
    return this.#valueWidth;
  }

  /** Points that were read, as the configuration has them. */
  shown(status: GatewayStatus | undefined): ShownPoint[] {
    const alarms = new Map(activeAlarms(status).map(({ point, severity }) => [point, severity]));
    const damaged = new Map(
      status?.buses
        .flatMap(({ devices }) => devices)
        .map(({ name, counters }) => [name, counters.crcErrors + counters.badReplies]),
    );
    return [...this.#rows].flatMap(([name, { reading, ...row }]) => {
      if (reading === undefined) return [];
      const count = damaged.get(row.device) ?? 0;
      return [{ ...row, reading, alarm: alarms.get(name), remark: count === 0 ? undefined : `${count} damaged` }];
    });
  }
}

/** The limits of all rules of a point together. */
function limitsOf(config: GatewayConfig, device: string, point: string): Limits {
  const limits: { min?: number; max?: number } = {};
  for (const rule of config.rules.values()) {
    if (rule.device !== device || rule.point !== point) continue;
    const range = rule.kind === 'outside' ? (rule.setting as { min?: unknown; max?: unknown }) : {};
    const min = rule.kind === 'below' ? rule.setting : range.min;
    const max = rule.kind === 'above' ? rule.setting : range.max;
    // A setpoint that another point or a schedule gives is no line of a picture.
    if (typeof min === 'number') limits.min = min;
    if (typeof max === 'number') limits.max = max;
  }
  return limits;
}
