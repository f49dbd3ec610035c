/**
 * Tells when the log cannot be written and when it can again: each once, as an event and a log line. A disk that fails
 * now and then is one fault until it was well for a while: the event itself is written there.
 */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';

/** Without a failure for so long, milliseconds, it is over: bounds the events to two in this time. */
const WELL = 10_000;

export interface LogFaultsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly event: (event: GatewayEvent) => void;
  /** Readings since the start that the disk did not take in time. */
  readonly notKept: () => number;
}

export class LogFaults {
  readonly #options: LogFaultsOptions;
  /** What fails now: commits, or bringing them into the database file. */
  readonly #now = new Map<'commit' | 'checkpoint', string>();
  #since: number | undefined;
  /** It works again, since then; whether it goes on doing so is waited for. */
  #wellFrom: number | undefined;
  #notKeptBefore = 0;
  #failures = 0;
  #cancel: (() => void) | undefined;
  /** Of faults that are over, milliseconds. */
  #past = 0;
  #begun = 0;

  constructor(options: LogFaultsOptions) {
    this.#options = options;
  }

  /** Since the start: how often it began, and for how long it lasted, milliseconds. */
  get totals(): { readonly faults: number; readonly time: number } {
    const now = this.#wellFrom ?? this.#options.clock.monotonic();
    return { faults: this.#begun, time: this.#past + (this.#since === undefined ? 0 : now - this.#since) };
  }

  /** @param fault undefined: it works again */
  changed(what: 'commit' | 'checkpoint', fault: string | undefined): void {
    if (fault === undefined) this.#now.delete(what);
    else {
      this.#now.set(what, fault);
      this.#failures++;
    }
    this.#cancel?.();
    this.#cancel = undefined;
    this.#wellFrom = undefined;
    if (this.#now.size === 0) this.#wellSoon();
    else if (this.#since === undefined) this.#begin(what, fault as string);
  }

  /** What was well until now is told as over. */
  stop(): void {
    this.#cancel?.();
    if (this.#wellFrom !== undefined) this.#ended();
  }

  #begin(what: 'commit' | 'checkpoint', fault: string): void {
    const { clock, logger, event, notKept } = this.#options;
    this.#since = clock.monotonic();
    this.#begun++;
    this.#notKeptBefore = notKept();
    const message =
      what === 'commit'
        ? `The log cannot be written: ${fault}. Readings are kept in memory, and it is tried again.`
        : `The log's file takes nothing: ${fault}. Commits go on in its write-ahead file, as long as that has room.`;
    logger.error({ error: fault }, message);
    event({ event: 'log', severity: 'critical', message, data: { writable: false, fault } });
  }

  #wellSoon(): void {
    const { clock } = this.#options;
    if (this.#since === undefined) return;
    this.#wellFrom = clock.monotonic();
    this.#cancel = clock.after(WELL, () => this.#ended());
  }

  #ended(): void {
    const { logger, event, notKept } = this.#options;
    const before = this.#past;
    this.#past = this.totals.time;
    const time = this.#past - before;
    this.#since = undefined;
    this.#wellFrom = undefined;
    this.#cancel = undefined;
    const lost = notKept() - this.#notKeptBefore;
    const data = { writable: true, seconds: Math.round(time / 1000), failures: this.#failures, notKept: lost };
    this.#failures = 0;
    const message = `The log is written again, after ${data.seconds} s. ${lost === 0 ? 'No reading was lost.' : `${lost} readings were lost.`}`;
    logger.info(data, message);
    event({ event: 'log', severity: 'info', message, data });
  }
}
