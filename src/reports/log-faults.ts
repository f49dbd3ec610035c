/**
 * Tells when a part of the log cannot be written and when it can again: each once, as the event `log` and a log line. What
 * fails now and then is one fault until it was well for a while: the event itself is written there.
 */

import type { Severity } from '../core/alarm.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';

/** Without a failure for so long, milliseconds, it is over: bounds the events to two in this time. */
const WELL = 10_000;

/** A part of the log, and how its faults are reported. */
export interface LogPart {
  /** As the event names it. */
  readonly part: 'log' | 'history' | 'runtime';
  readonly severity: Severity;
  /** @param what as given to `changed` */
  readonly begins: (fault: string, what: string) => string;
  /** Without the full stop. */
  readonly again: string;
  /** Readings since the start that the disk did not take in time; absent where none can be lost. */
  readonly notKept?: () => number;
}

export interface LogFaultsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly event: (event: GatewayEvent) => void;
}

export class LogFaults {
  readonly #options: LogFaultsOptions;
  readonly #part: LogPart;
  /** The present faults, by their kind. */
  readonly #now = new Map<string, string>();
  #since: number | undefined;
  /** It works again, since then; whether it goes on doing so is waited for. */
  #wellFrom: number | undefined;
  #notKeptBefore = 0;
  #failures = 0;
  #cancel: (() => void) | undefined;
  /** The length of faults that are over, milliseconds. */
  #past = 0;
  #begun = 0;

  constructor(part: LogPart, options: LogFaultsOptions) {
    this.#part = part;
    this.#options = options;
  }

  /** Since the start: how often it began, and for how long it lasted, milliseconds. */
  get totals(): { readonly faults: number; readonly time: number } {
    const now = this.#wellFrom ?? this.#options.clock.monotonic();
    return { faults: this.#begun, time: this.#past + (this.#since === undefined ? 0 : now - this.#since) };
  }

  /** @param fault undefined: it works again */
  changed(what: string, fault: string | undefined): void {
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

  /** Reports faults that are well until now as over. */
  stop(): void {
    this.#cancel?.();
    if (this.#wellFrom !== undefined) this.#ended();
  }

  #begin(what: string, fault: string): void {
    const { clock, logger, event } = this.#options;
    const { part, severity, begins, notKept } = this.#part;
    this.#since = clock.monotonic();
    this.#begun++;
    this.#notKeptBefore = notKept?.() ?? 0;
    const message = begins(fault, what);
    logger.error({ part, error: fault }, message);
    event({ event: 'log', severity, message, data: { part, writable: false, fault } });
  }

  #wellSoon(): void {
    const { clock } = this.#options;
    if (this.#since === undefined) return;
    this.#wellFrom = clock.monotonic();
    this.#cancel = clock.after(WELL, () => this.#ended());
  }

  #ended(): void {
    const { logger, event } = this.#options;
    const { part, again, notKept } = this.#part;
    const before = this.#past;
    this.#past = this.totals.time;
    const time = this.#past - before;
    this.#since = undefined;
    this.#wellFrom = undefined;
    this.#cancel = undefined;
    const seconds = Math.round(time / 1000);
    const lost = notKept === undefined ? undefined : notKept() - this.#notKeptBefore;
    const data = {
      ...{ part, writable: true, seconds, failures: this.#failures },
      ...(lost === undefined ? {} : { notKept: lost }),
    };
    this.#failures = 0;
    const words = lost === undefined ? '' : lost === 0 ? ' No reading was lost.' : ` ${lost} readings were lost.`;
    const message = `${again}, after ${seconds} s.${words}`;
    logger.info(data, message);
    event({ event: 'log', severity: 'info', message, data });
  }
}
