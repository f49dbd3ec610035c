/**
 * Format `senml`: a pack of RFC 8428 for each batch, as JSON or CBOR. Golden files: test/cases/formats/senml; the page is
 * docs/reference/formats/senml.md.
 *
 * - The base name is `<gateway>/<device>/`, and a name is a point. The base time is that of the record.
 * - A bad reading has no value. Its reason is a text under `<point>/bad`, so that nobody takes it for a value.
 * - The marks of the contract stand beside, under labels of our own, which a receiver of SenML passes over.
 */
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonCode, reasonName } from '../core/reasons.ts';
import { type Cbor, CborWriter } from './cbor.ts';
import { type Batch, type FormatOptions, type Payload, type PayloadFormat, rangeOf } from './format.ts';
import { type SenmlUnit, senmlUnit } from './senml-units.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');
/** RFC 9100, section 4: version 10, and the feature of secondary units. */
const VERSION_WITH_SECONDARY_UNITS = 26;
/** Times below are relative to now (RFC 8428, section 4.5.3), milliseconds. */
const RELATIVE_BELOW = 2 ** 28 * 1000;

/** Labels as CBOR has them (RFC 8428, section 6, table 4). Ours are texts in both. */
const LABELS: Readonly<Record<string, number>> = { bver: -1, bn: -2, bt: -3, n: 0, u: 1, v: 2, vs: 3, vb: 4 };
type Field = readonly [label: string, value: number | bigint | string | boolean];
type SenmlRecord = Field[];

interface Named {
  readonly names: readonly string[];
  readonly units: readonly (SenmlUnit | undefined)[];
}

class Pack {
  readonly records: SenmlRecord[] = [];
  readonly #batch: Batch;
  readonly #secondary: boolean;
  readonly #exact: boolean;
  readonly #known = new Map<Shape, Named>();
  #usesSecondary = false;
  #device = '';

  /** @param exact 64-bit integers are numbers, and no texts */
  constructor(batch: Batch, secondary: boolean, exact: boolean) {
    this.#batch = batch;
    this.#secondary = secondary;
    this.#exact = exact;
    for (const record of batch.records) this.#record(record);
    const [first] = this.records;
    if (first === undefined) return;
    const { log, boot, inventory, estimated, filtered, thinning } = batch;
    const range = rangeOf(batch);
    const own: readonly Field[] = [
      ['log', log],
      ['boot', boot],
      ['inventory', inventory],
      ['first', range.first],
      ['last', range.last],
    ];
    if (this.#usesSecondary) first.unshift(['bver', VERSION_WITH_SECONDARY_UNITS]);
    if (estimated) first.push(['clock', 'estimated']);
    if (filtered === true) first.push(['filtered', true]);
    if (thinning !== undefined) first.push(['every', thinning.every], ['as', thinning.as]);
    first.push(...own);
  }

  #named(shape: Shape): Named {
    let named = this.#known.get(shape);
    if (named === undefined) {
      named = {
        names: shape.points.map(({ name }) => name),
        units: shape.points.map(({ unit }) => (unit === undefined ? undefined : senmlUnit(unit, this.#secondary))),
      };
      this.#known.set(shape, named);
    }
    return named;
  }

  #record({ seq, sample }: LogRecord): void {
    const { shape, values, reasons, at } = sample;
    const { names, units } = this.#named(shape);
    let begun = false;
    const add = (...fields: Field[]): void => {
      const time: Field = ['bt', this.#time(Math.round(at + this.#batch.offset))];
      this.records.push(begun ? fields : [...this.#base(shape.device), time, ...fields, ['seq', seq]]);
      begun = true;
    };
    for (let i = 0; i < names.length; i++) {
      let reason = reasons === null ? GOOD : (reasons[i] as number);
      if (reason === ABSENT) continue;
      const value = values[i] as Value;
      const name = names[i] as string;
      if (hasValue(reason) && typeof value === 'number' && !Number.isFinite(value)) reason = NOT_A_NUMBER;
      const quality = qualityOf(reason);
      if (quality !== 'bad') add(['n', name], ...this.#value(value, shape.points[i] as PointInfo, units[i]));
      if (quality !== 'good') add(['n', `${name}/${quality}`], ['vs', reasonName(reason)]);
    }
  }

  /** A base name holds until the next one. */
  #base(device: string): Field[] {
    if (device === this.#device) return [];
    this.#device = device;
    return [['bn', `${this.#batch.gateway}/${device}/`]];
  }
  #value(value: Value, { storage }: PointInfo, unit: SenmlUnit | undefined): Field[] {
    switch (storage) {
      case 'boolean':
        return [['vb', value === true]];
      case 'string':
        return [['vs', String(value)]];
      case 'integer64':
        // JSON readers would round it.
        return [...this.#unit(unit, false), this.#exact ? ['v', BigInt(value)] : ['vs', `${value}`]];
      default: {
        const converted = unit === undefined ? (value as number) : unit.value(value as number);
        // 1e308 bar has no number in Pa. It goes without its unit, not without its value.
        return Number.isFinite(converted) ? [...this.#unit(unit, true), ['v', converted]] : [['v', value as number]];
      }
    }
  }
  /** @param convertible whether the value is turned into that unit */
  #unit(unit: SenmlUnit | undefined, convertible: boolean): Field[] {
    if (unit === undefined || (!convertible && unit.value(1) !== 1)) return [];
    if (unit.secondary) this.#usesSecondary = true;
    return [['u', unit.symbol]];
  }

  /** Seconds. A clock that is years behind gives times that SenML takes as relative; so they are made relative. */
  #time(time: number): number {
    return (time < RELATIVE_BELOW ? Math.min(0, time - this.#batch.sent) : time) / 1000;
  }
}

function asJson(records: readonly SenmlRecord[]): string {
  const text = ([label, value]: Field) => `"${label}":${typeof value === 'bigint' ? value : JSON.stringify(value)}`;
  return `[${records.map((record) => `{${record.map(text).join(',')}}`).join(',')}]`;
}
function asCbor(records: readonly SenmlRecord[]): Uint8Array {
  const writer = new CborWriter();
  writer.arrayHead(records.length);
  for (const record of records) {
    writer.mapHead(record.length);
    for (const [label, value] of record) writer.write(LABELS[label] ?? label).write(value satisfies Cbor);
  }
  return writer.take();
}

/** The only message of a batch; none when no record of it has a reading. */
export function senmlBatch(batch: Batch, { encoding, units }: FormatOptions): Payload | undefined {
  const cbor = encoding === 'cbor';
  const { records } = new Pack(batch, units !== 'primary', cbor);
  if (records.length === 0) return undefined;
  return cbor ? asCbor(records) : asJson(records);
}

export const senml: PayloadFormat = {
  name: 'senml',
  encode: (batch, options) => {
    const payload = senmlBatch(batch, options);
    return payload === undefined ? [] : [{ to: '', payload }];
  },
};
