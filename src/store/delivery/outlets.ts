/** Everybody who takes from the log: forwarders that are configured, those that were until now, and the live batches. */
import type { StoredNotice } from '../../codecs/rows.ts';
import type { ForwarderState, LogHead } from '../files/layout.ts';
import { LIVE, type LiveHandOver, type Party } from './hand-over.ts';
import { Lanes } from './lanes.ts';
import { type LogSide, Outlet } from './outlet.ts';

/** Bounded by the configuration: one for each name that was a forwarder in this run. */
export class Outlets {
  readonly #log: LogSide;
  readonly #live: LiveHandOver;
  readonly #open = new Map<string, Outlet>();
  /** Removed in this run: their state is still kept, and they may come back. */
  readonly #released = new Map<string, Outlet>();

  constructor(log: LogSide, live: LiveHandOver) {
    this.#log = log;
    this.#live = live;
  }

  get(name: string, from: 'oldest' | 'now'): Outlet {
    const released = this.#released.get(name);
    released?.comeBack();
    this.#released.delete(name);
    const known = this.#log.opened.forwarders.filter((f) => f.name === name);
    const outlet = this.#open.get(name) ?? released ?? new Outlet(this.#log, name, from, known);
    this.#open.set(name, outlet);
    return outlet;
  }

  /**
   * Known from an earlier run and not configured in this one: what comes from now on is history for them, as it is for those
   * that are released. Once it is in the file it is not written again.
   */
  leaveOthers(): void {
    const { opened, ordinal } = this.#log;
    for (const { name, log, state } of opened.forwarders) {
      if (log !== ordinal || name === LIVE || this.#open.has(name) || !Lanes.load(state).live) continue;
      const outlet = new Outlet(
        this.#log,
        name,
        'oldest',
        opened.forwarders.filter((f) => f.name === name),
      );
      this.#released.set(name, outlet);
      outlet.leave();
    }
  }

  /** Logs that came back: everybody continues with them where he was. */
  cameBack(logs: readonly LogHead[], forwarders: readonly ForwarderState[]): void {
    for (const outlet of [...this.#open.values(), ...this.#released.values()])
      outlet.cameBack(
        logs,
        forwarders.filter((f) => f.name === outlet.name),
      );
  }

  /** One that is configured. */
  find(name: string): Outlet | undefined {
    return this.#open.get(name);
  }

  /** @returns whether there was one of that name */
  release(name: string): boolean {
    const outlet = this.#open.get(name);
    if (outlet === undefined) return false;
    this.#open.delete(name);
    this.#released.set(name, outlet);
    outlet.leave();
    return true;
  }

  get none(): boolean {
    return this.#open.size === 0;
  }
  get parties(): Party[] {
    return [...this.#released.values(), ...this.#open.values(), this.#live];
  }
  /** Lowest number that a data lane may still want from memory. */
  get needsFrom(): number {
    let needs = Number.POSITIVE_INFINITY;
    for (const outlet of this.#open.values()) needs = Math.min(needs, outlet.needsFrom);
    return needs;
  }
  /** Bytes of batches that wait for their acknowledgement. */
  get unanswered(): number {
    return [...this.#open.values()].reduce((sum, outlet) => sum + outlet.unanswered, 0);
  }
  /** The states of the configured forwarders: a reading that they have not had may not go unreported. */
  states(): ForwarderState[] {
    return [...this.#open.values()].flatMap((o) => o.states());
  }
  noticed(notice: StoredNotice): void {
    for (const outlet of this.#open.values()) outlet.noticed(notice);
  }
}
