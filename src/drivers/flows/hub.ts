/**
 * Readings of flows for the buses that take them. It lives as long as the gateway; the socket for flows opens and closes before
 * it, and a reload exchanges the buses behind it. Nothing waits here.
 */
import type { FlowListener, FlowPoints, FlowReading, FlowTaken } from '../../core/flow-points.ts';

/** Names in a message. */
const NAMED = 20;

export class FlowHub implements FlowPoints {
  /** Whether the socket for flows is there. */
  open = false;
  readonly #listeners = new Map<string, FlowListener>();

  listen(devices: readonly string[], listener: FlowListener): () => void {
    for (const device of devices) this.#listeners.set(device, listener);
    return () => {
      // Its successor may be there already.
      for (const device of devices) if (this.#listeners.get(device) === listener) this.#listeners.delete(device);
    };
  }

  put(reading: FlowReading): FlowTaken {
    const listener = this.#listeners.get(reading.device);
    if (listener !== undefined) return listener.reading(reading);
    const names = [...this.#listeners.keys()].slice(0, NAMED).join(', ');
    return {
      code: 'not-found',
      message: `flows give readings only of devices on a bus with protocol: flows, and ${reading.device.slice(0, 64)} is none; ${names === '' ? 'the configuration has none' : `there are: ${names}`}`,
    };
  }
}
