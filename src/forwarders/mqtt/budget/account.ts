/** The bytes of one forwarder: counted on the wire, added up by day and month, and kept over restarts. */
import type { Clock } from '../../../core/clock.ts';
import type { WireUse } from '../../../core/ports.ts';
import { addBytes, allBytes, NO_BYTES, type WireBytes, WireMeter } from '../wire/wire-meter.ts';
import { Days } from './calendar.ts';
import { Ledger } from './ledger.ts';

/** Counted bytes are kept so often: a kill forgets those of this time. */
const SAVE_EVERY = 600_000;

export interface AccountSide {
  readonly clock: Clock;
  /** Whether the clock is known now. */
  readonly clockKnown: () => boolean;
  /** UTC ms minus monotonic ms as the log has it, where it has one. */
  readonly offset: () => number | undefined;
  /** A name of the IANA database. Absent, or undefined: the zone of the system counts. */
  readonly timezone?: (() => string | undefined) | undefined;
  readonly memory: { load(): unknown; save(state: unknown): void };
}

export class Account {
  readonly meter: WireMeter;
  readonly days: Days;
  readonly #side: AccountSide;
  #opened: Ledger | undefined;
  /** What the ledger has of the bytes of the meter. */
  #entered: WireBytes = NO_BYTES;
  /** As it was saved last. */
  #saved = '';
  #saving = (): void => {};

  constructor(side: AccountSide) {
    this.#side = side;
    this.days = new Days(side.timezone);
    this.meter = new WireMeter(() => side.clock.monotonic());
  }

  /** Read when it is first needed: a reload makes this account before the one in its place has saved its last bytes. */
  #ledger(): Ledger {
    const { clock, clockKnown: known, memory } = this.#side;
    this.#opened ??= new Ledger(memory.load(), {
      ...{ utc: () => this.utc, known, days: this.days },
      monotonic: () => clock.monotonic(),
    });
    return this.#opened;
  }

  /** UTC ms, as far as the gateway knows. */
  get utc(): number {
    const { clock, offset } = this.#side;
    const known = offset();
    return known === undefined ? clock.wall() : clock.monotonic() + known;
  }

  /** Bytes of all kinds today. */
  get spent(): number {
    this.#enter();
    return this.#ledger().state.spent;
  }
  /** Transitions of alarms that left today. */
  get alarms(): number {
    return this.#ledger().state.alarms;
  }
  /** Bytes since this run began. */
  get wire(): WireBytes {
    return this.meter.total;
  }
  /** Bytes of all kinds since this run began: for the cost of one connection. */
  get counted(): number {
    return allBytes(this.meter.total);
  }

  alarmLeft(): void {
    this.#enter();
    this.#ledger().alarm();
  }
  /** @returns whether it is the first of its day */
  overrun(): boolean {
    return this.#ledger().overrun();
  }

  use(): WireUse {
    this.#enter();
    const { month, wire, spent } = this.#ledger().state;
    return { month: month === '' ? undefined : month, ...wire, today: spent };
  }

  /** The next commit keeps it. */
  save(): void {
    this.#enter();
    const { state } = this.#ledger();
    const { ran: _ran, monthRan: _monthRan, ...rest } = state;
    // On a day that a known clock shows the time of running decides nothing: it alone is worth no commit.
    const text = JSON.stringify(this.#side.clockKnown() && state.day === this.days.dayOf(this.utc) ? rest : state);
    if (text === this.#saved) return;
    this.#saved = text;
    this.#side.memory.save(state);
  }

  #enter(): void {
    const { total } = this.meter;
    const { sent, received, headers } = this.#entered;
    this.#entered = total;
    const fresh = addBytes(total, { sent: -sent, received: -received, headers: -headers });
    if (allBytes(fresh) > 0) this.#ledger().add(fresh);
  }

  /** Saves from time to time. */
  keep(): void {
    // The time of running counts from here.
    this.#ledger();
    this.#saving = this.#side.clock.after(SAVE_EVERY, () => {
      this.save();
      this.keep();
    });
  }
  close(): void {
    this.#saving();
    this.save();
  }
}
