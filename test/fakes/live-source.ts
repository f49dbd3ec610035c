/** What pages that stay open get of a gateway that a test makes up. */
import type { LiveSource } from '../../src/admin/live/live-source.ts';
import type { LiveState } from '../../src/admin/live/live-types.ts';
import type { Inventory, InventoryDevice, LatestValue } from '../../src/core/ports.ts';

export const QUIET_STATE: LiveState = {
  gateway: { id: 'g1', name: 'Clinic', version: '1.2.3', boot: 'b1', started: 1_795_000_000_000 },
  clock: { known: true, source: 'the system clock', since: 1_795_000_000_000 },
  buses: [],
  alarms: [],
  forwarders: [],
  log: {
    ...{ records: 1200, bytes: 4_200_000, maxBytes: 64_000_000, dropped: 0, thinned: 0, removed: 0 },
    ...{ lastCommit: 1_795_000_000_000, faults: [] },
  },
  machine: {
    resident: 96_000_000,
    memory: { total: 512_000_000, available: 210_000_000 },
    disk: { total: 16_000_000_000, free: 9_300_000_000 },
  },
};

export class FakeLive implements LiveSource {
  bootName = 'b1';
  nowState: LiveState = QUIET_STATE;
  /** UTC ms; undefined: the clock of this machine. */
  clock: number | undefined;
  /** Changes of the time. */
  nowSteps = 0;
  #inventory: Inventory = { v: 1, revision: 1, devices: {} };
  readonly #readings = new Map<string, LatestValue & { readonly number: number }>();
  #newest = 0;

  boot(): string {
    return this.bootName;
  }
  inventory(): Inventory {
    return this.#inventory;
  }
  newest(): number {
    return this.#newest;
  }
  *changed(after: number): Iterable<LatestValue> {
    for (const { number, ...latest } of this.#readings.values()) if (number > after) yield latest;
  }
  steps(): number {
    return this.nowSteps;
  }
  state(): LiveState {
    return this.nowState;
  }
  time(): { time: number; up: number } {
    return { time: this.clock ?? Date.now(), up: Math.round(performance.now()) };
  }

  setDevices(devices: Readonly<Record<string, InventoryDevice>>): void {
    this.#inventory = { v: 1, revision: this.#inventory.revision + 1, devices };
  }

  /** One sample: readings that came together. */
  take(...readings: LatestValue[]): void {
    this.#newest++;
    for (const reading of readings)
      this.#readings.set(`${reading.device}.${reading.point}`, { ...reading, number: this.#newest });
  }
}
