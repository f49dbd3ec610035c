/** A driver: a kind for the configuration, and the maker of its buses. One line in the registry brings it in. */
import type { CounterMemory } from '../codecs/counter.ts';
import type { DriverKind, MeasuredTimes, ResolvedBus, ResolvedDevice } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { DerivedMemory, SampleFeed } from '../core/derived-points.ts';
import type { DeviceTopics } from '../core/device-topics.ts';
import type { AcceptedMemory, FlowPoints } from '../core/flow-points.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Bus, GatewayEvent, SampleSink } from '../core/ports.ts';

/** Measured answer times, kept over reloads and restarts. */
export interface TimeMemory extends MeasuredTimes {
  set(key: string, ms: number): void;
}

export interface DriverContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** Takes events for operators. */
  readonly tell: (event: GatewayEvent) => void;
  /** State of counters, kept over restarts. */
  readonly counters?: CounterMemory;
  /** The topics of the embedded broker; absent: there is none. */
  readonly topics?: DeviceTopics;
  /** What flows give; absent: there is no Node-RED. */
  readonly flowPoints?: FlowPoints;
  /** Samples of all buses; absent: points are computed from nothing. */
  readonly feed?: SampleFeed;
  /** State of computed points, over restarts. */
  readonly derived?: DerivedMemory;
  /** Points that devices accepted, over restarts. */
  readonly accepted?: AcceptedMemory;
  /** The bus has further shapes from now on. */
  readonly grew?: () => void;
  /** How long devices took to answer, over restarts. */
  readonly times?: TimeMemory;
  /** A device is read by other requests from now on. */
  readonly replanned?: (before: readonly Shape[], after: readonly Shape[]) => void;
  /** A device said what time it is (UTC ms), in bytes that had arrived at `at` (monotonic ms). */
  readonly onTime?: (device: string, utc: number, at: number) => void;
}

/**
 * The type of a bus shows its capabilities beside being read (`exchange`, `capture`, `write`, …). Who acts on a bus asks for them
 * and not for its driver.
 */
export interface Driver extends DriverKind {
  create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: DriverContext): Bus;
}
