/**
 * The points of one device of flows, each with a shape of its own: a flow gives them one by one, and a shape never changes. Points
 * come in addition where `accept` lets them. Bound: those that are written, and `accept.points` more.
 */
import { infoOf } from '../../codecs/serial/point-groups.ts';
import type { PointConfig } from '../../codecs/serial/types.ts';
import { toReading } from '../../codecs/serial/values.ts';
import type { AcceptedPoint, FlowReading, FlowRefusal } from '../../core/flow-points.ts';
import { LONGEST_POINT } from '../../core/flow-points.ts';
import type { Sample, Shape, Value } from '../../core/point.ts';
import { badSample } from '../../core/point.ts';
import { GOOD, qualityOf, type ReasonName, reasonCode } from '../../core/reasons.ts';
import { ucumFault } from '../../core/ucum.ts';
import { LONGEST_UNIT } from './limits.ts';
import type { FlowsDeviceSettings, FlowsPointSettings } from './schema.ts';

const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const OUT_OF_RANGE = reasonCode('out-of-range');
/** Names in a message. */
const NAMED = 20;

export interface FlowPoint {
  readonly name: string;
  readonly config: PointConfig;
  readonly shape: Shape;
  /** Monotonic ms of its newest reading: its readings are in order. */
  lastAt: number;
}

export class PointTable {
  readonly #device: string;
  readonly #accept: FlowsDeviceSettings['accept'];
  readonly #points = new Map<string, FlowPoint>();
  readonly #accepted = new Map<string, AcceptedPoint>();

  /** @param kept those that were accepted in an earlier run; what the configuration does not let in is left out */
  constructor(
    device: string,
    written: ReadonlyMap<string, FlowsPointSettings>,
    accept: FlowsDeviceSettings['accept'],
    kept: readonly AcceptedPoint[],
  ) {
    this.#device = device;
    this.#accept = accept;
    for (const [name, config] of written) this.#add(name, config);
    for (const point of kept)
      if (!this.#points.has(point.name) && this.#refusal(point.name) === undefined) this.#addAccepted(point);
  }

  get all(): readonly FlowPoint[] {
    return [...this.#points.values()];
  }

  get shapes(): Shape[] {
    return Array.from(this.#points.values(), ({ shape }) => shape);
  }

  get accepted(): AcceptedPoint[] {
    return [...this.#accepted.values()];
  }

  get(name: string): FlowPoint | undefined {
    return this.#points.get(name);
  }

  /** Takes a further point with its first reading. */
  accept({ point: name, value, unit }: FlowReading): FlowPoint | FlowRefusal {
    const refusal = this.#refusal(name);
    if (refusal !== undefined) return refusal;
    if (value === null)
      return invalid(`${this.#device}.${name} is new, so its first reading needs a value: it says whether the point is a number`);
    const fault = unit === undefined ? undefined : unitFault(unit);
    if (fault !== undefined) return invalid(`${this.#device}.${name}: ${fault}`);
    const type = typeof value === 'number' ? 'float64' : typeof value === 'boolean' ? 'bool' : 'string';
    return this.#addAccepted({ name, type, ...(unit === undefined ? {} : { unit }) });
  }

  #refusal(name: string): FlowRefusal | undefined {
    const accept = this.#accept;
    if (accept === undefined || !name.startsWith(accept.prefix)) {
      // With their device: so a gate finds names that a destination may not have.
      const names = Array.from(this.#points.keys(), (one) => `${this.#device}.${one}`)
        .slice(0, NAMED)
        .join(', ');
      const by = accept === undefined ? '' : `, and takes further ones that begin with ${accept.prefix}`;
      return {
        code: 'not-found',
        message: `${this.#device} has no point ${name.slice(0, LONGEST_POINT)}; it has: ${names || 'none yet'}${by}`,
      };
    }
    if (name.length > LONGEST_POINT || !NAME.test(name))
      return invalid(`the name of a point has small letters, digits, - and _, at most ${LONGEST_POINT} of them`);
    if (this.#accepted.size >= accept.points)
      return {
        code: 'busy',
        message: `the device ${this.#device} has all ${accept.points} points that it accepts; raise accept.points in the configuration`,
      };
    return undefined;
  }

  #addAccepted(point: AcceptedPoint): FlowPoint {
    this.#accepted.set(point.name, point);
    return this.#add(point.name, point);
  }

  #add(name: string, config: PointConfig & Pick<FlowsPointSettings, 'report'>): FlowPoint {
    const report = config.report === undefined ? {} : { report: [config.report] };
    const shape: Shape = { device: this.#device, points: [infoOf(name, config)], ...report };
    const point = { name, config, shape, lastAt: Number.NEGATIVE_INFINITY };
    this.#points.set(name, point);
    return point;
  }
}

/** A reading of this point as a sample, or why it is none. */
export function sampleOf(point: FlowPoint, reading: FlowReading): Sample | FlowRefusal {
  const { config, shape } = point;
  const { device, value, unit, reason } = reading;
  const name = `${device}.${point.name}`;
  const at = Math.max(reading.at, point.lastAt);
  if (unit !== undefined && unit !== config.unit)
    return invalid(
      config.unit === undefined
        ? `${name} has no unit, and the reading has ${unit.slice(0, LONGEST_UNIT)}; write the unit into the configuration`
        : `${name} is in ${config.unit}, and the reading in ${unit.slice(0, LONGEST_UNIT)}; convert it in the flow`,
    );
  const doubt = reason === undefined ? GOOD : reasonCode(reason);
  if (value === null || qualityOf(doubt) === 'bad') return badSample(shape, at, badReason(reason));
  const read = toReading(value, config);
  if (read.reason !== GOOD && read.reason !== OUT_OF_RANGE)
    return invalid(`${name} is a ${wordOf(config.type)}, and ${shown(value)} is none; convert it in the flow`);
  const code = read.reason === GOOD ? doubt : read.reason;
  return { shape, at, values: [read.value as Value], reasons: code === GOOD ? null : Uint8Array.of(code) };
}

function badReason(reason: ReasonName | undefined): ReasonName {
  return reason !== undefined && qualityOf(reasonCode(reason)) === 'bad' ? reason : 'not-a-number';
}

function unitFault(unit: string): string | undefined {
  if (unit.length > LONGEST_UNIT) return `the unit is longer than ${LONGEST_UNIT} characters`;
  return ucumFault(unit);
}

const wordOf = (type: PointConfig['type']): string => (type === 'float64' ? 'number' : type === 'int64' ? 'whole number' : type);
const shown = (value: number | boolean | string): string =>
  JSON.stringify(typeof value === 'string' ? value.slice(0, 40) : value);
const invalid = (message: string): FlowRefusal => ({ code: 'request-invalid', message });
