/**
 * Computed points of the configuration in a recording that does not have them: the same graph as in the gateway, whose clock is the
 * time of the recording. A point that the recording has is taken from it. Bounded as the graph is.
 */
import type { GatewayConfig } from '../../config/kinds.ts';
import type { Instant } from '../../core/derived-points.ts';
import { hasValue, type Sample, type Shape, type Value } from '../../core/point.ts';
import { ABSENT, GOOD } from '../../core/reasons.ts';
import { Graph } from '../../drivers/derived/graph.ts';
import { graphDevices } from '../../drivers/derived/kind.ts';
import { planned } from '../../drivers/derived/plan.ts';
import { numberExpressions } from '../../rules/expression/number.ts';
import type { Recorded, RecordedSample, Wanted, WantedPoint } from './recording.ts';
import { wantedPoint } from './wanted.ts';

export class ComputedPoints {
  /** The points that rules look at, and those that they are computed from. */
  readonly wanted: Wanted;
  readonly #graph: Graph;
  readonly #shapes = new Map<string, Shape>();
  readonly #recorded = new Set<string>();
  #out: Sample[] = [];
  /** The start of the gateway in which the record before was taken. */
  #boot: string | undefined;

  /** @param wanted the points that rules look at @returns undefined where the configuration computes none */
  static of(config: GatewayConfig, wanted: Wanted): ComputedPoints | undefined {
    const isComputed = (bus: string): boolean => config.buses?.get(bus)?.protocol === 'derived';
    const devices = [...config.devices.values()].filter(({ bus }) => isComputed(bus));
    return devices.length === 0 ? undefined : new ComputedPoints(config, wanted, devices);
  }

  private constructor(config: GatewayConfig, wanted: Wanted, devices: Parameters<typeof planned>[0][]) {
    this.#graph = new Graph(graphDevices(devices, numberExpressions), (sample) => this.#out.push(sample));
    const inputs = devices.flatMap((device) => planned(device, numberExpressions)).flatMap(({ inputs }) => inputs);
    this.wanted = new Map([...wanted, ...inputs.map(({ point }) => [point, wantedPoint(config, point)] as const)]);
    const all: WantedPoint[] = [...this.wanted.values()];
    for (const [device, points] of Map.groupBy(all, (point) => point.device)) this.#shapes.set(device, { device, points });
  }

  /** @returns the sample with what came due before it and what follows from it */
  take(sample: RecordedSample): RecordedSample[] {
    const { time, readings } = sample;
    // Time passes with every record, as it does for a gateway: an input becomes too old when others speak.
    this.#graph.tick(instant(time));
    for (const [device, own] of Map.groupBy(readings, (reading) => reading.device)) {
      const shape = this.#shapes.get(device);
      if (shape === undefined) continue;
      const values: Value[] = new Array<Value>(shape.points.length).fill(0);
      const reasons = new Uint8Array(shape.points.length).fill(ABSENT);
      for (const { point, value, reason } of own) {
        this.#recorded.add(`${device}.${point}`);
        const index = shape.points.findIndex(({ name }) => name === point);
        if (index === -1) continue;
        values[index] = value ?? 0;
        reasons[index] = reason;
      }
      this.#graph.sample({ shape, at: time, values, reasons }, instant(time));
    }
    const made = this.#take(sample);
    this.#boot = sample.boot;
    return [...made.filter((one) => one.time < time), sample, ...made.filter((one) => one.time >= time)];
  }

  /** What came due until then. @param last for what is not the time */
  until(time: number, last: RecordedSample): RecordedSample[] {
    this.#graph.tick(instant(time));
    return this.#take(last);
  }

  #take(cause: RecordedSample): RecordedSample[] {
    return this.#out.splice(0).flatMap(({ shape, at, values, reasons }) => {
      const readings = shape.points.flatMap(({ name: point }, i): Recorded[] => {
        const reason = reasons?.[i] ?? GOOD;
        if (reason === ABSENT || this.#recorded.has(`${shape.device}.${point}`)) return [];
        return [{ device: shape.device, point, value: hasValue(reason) ? values[i] : undefined, reason }];
      });
      if (readings.length === 0) return [];
      // What came due before a restart belongs to the start before: the rules are restarted behind it.
      const boot = at < cause.time ? this.#boot : cause.boot;
      return [{ ...cause, boot, time: at, readings, computed: true as const }];
    });
  }
}

const instant = (at: number): Instant => ({ at, offset: 0, known: true });
