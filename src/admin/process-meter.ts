/** How the process itself fares. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

export interface ProcessStatus {
  readonly pid: number;
  /** User and system time since the start, seconds. */
  readonly cpu: number;
  /** Bytes. */
  readonly memory: { readonly resident: number; readonly heap: number; readonly external: number };
  /** How late the event loop was in the last one to two minutes, milliseconds; and the share of time it was busy, 0..1. */
  readonly eventLoop: { readonly p50: number; readonly p99: number; readonly max: number; readonly utilization: number };
}

/** Milliseconds between samples. Each is a wake-up of a tenth of a millisecond, so it is no finer than it has to be. */
const RESOLUTION = 500;
const WINDOW = 60_000;

export class ProcessMeter {
  #histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;
  #since = 0;
  #utilization = performance.eventLoopUtilization();
  /** The window before this one, so that a reading right after a change is not empty. */
  #before: ProcessStatus['eventLoop'] = { p50: 0, p99: 0, max: 0, utilization: 0 };

  start(): void {
    if (this.#histogram !== undefined) return;
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
    this.#histogram.enable();
    this.#since = performance.now();
    this.#utilization = performance.eventLoopUtilization();
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = undefined;
  }

  read(): ProcessStatus {
    const { rss, heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const now = this.#loop();
    const before = this.#before;
    if (performance.now() - this.#since > WINDOW) {
      this.#before = now;
      this.#since = performance.now();
      this.#histogram?.reset();
      this.#utilization = performance.eventLoopUtilization();
    }
    return {
      pid: process.pid,
      cpu: (user + system) / 1e6,
      memory: { resident: rss, heap: heapUsed, external },
      eventLoop: { ...now, max: Math.max(now.max, before.max), p99: Math.max(now.p99, before.p99) },
    };
  }

  #loop(): ProcessStatus['eventLoop'] {
    const h = this.#histogram;
    const utilization = performance.eventLoopUtilization(this.#utilization).utilization;
    if (h === undefined || h.count === 0) return { p50: 0, p99: 0, max: 0, utilization };
    // The histogram holds the whole time between two samples.
    const late = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION);
    return { p50: late(h.percentile(50)), p99: late(h.percentile(99)), max: late(h.max), utilization };
  }
}
