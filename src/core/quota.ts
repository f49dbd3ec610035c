/**
 * How often something is reported that may happen without end. So many times in a period it is reported at once; what comes
 * beyond is counted by its owner and reported together when the period is over, which is the first report of the next one.
 */
import type { Clock } from './clock.ts';
import type { GatewayEvent } from './ports.ts';

export interface QuotaOptions {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly period: number;
  /** Reports in a period; default 1. */
  readonly most?: number;
  /** Reports all that was held back. */
  readonly rest: () => void;
}

export class Quota {
  readonly #o: QuotaOptions;
  #used = 0;
  #held = false;
  #cancel: (() => void) | undefined;

  constructor(options: QuotaOptions) {
    this.#o = options;
  }

  /** Something happened. @returns true: report it now. false: count it, `rest` is called when the period is over */
  take(): boolean {
    this.#cancel ??= this.#o.clock.after(this.#o.period, () => this.#over());
    if (this.#used >= (this.#o.most ?? 1)) {
      this.#held = true;
      return false;
    }
    this.#used++;
    return true;
  }

  /** Ends the period: what was held back is reported now. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#used = 0;
    if (!this.#held) return;
    this.#held = false;
    this.#o.rest();
  }

  #over(): void {
    const held = this.#held;
    // Before the report, which counts for the next period.
    this.#cancel = undefined;
    this.#used = 0;
    this.#held = false;
    if (held && this.take()) this.#o.rest();
  }
}

/** Reports of one kind in a minute, for what an outsider can cause. */
const EVENTS = 10;
const MINUTE = 60_000;

export interface EventQuotaOptions {
  readonly clock: Clock;
  readonly tell: (event: GatewayEvent) => void;
  /** Reports of one kind in a minute. */
  readonly most?: number;
}

/**
 * Events that an outsider can cause: of one kind at most so many in a minute, then one with the number of those that were
 * suppressed (`data.suppressed`). Bound: one timer and one number for each kind; kinds are words of the program, never given
 * from outside.
 */
export class EventQuota {
  readonly #o: EventQuotaOptions;
  readonly #kinds = new Map<string, { readonly quota: Quota; suppressed: number; last: GatewayEvent }>();

  constructor(options: EventQuotaOptions) {
    this.#o = options;
  }

  /** @param kind a word of the program; events of one kind share their minute */
  tell(kind: string, event: GatewayEvent): void {
    const { clock, tell, most = EVENTS } = this.#o;
    const known = this.#kinds.get(kind);
    const entry = known ?? {
      quota: new Quota({ clock, period: MINUTE, most, rest: () => this.#rest(kind) }),
      ...{ suppressed: 0, last: event },
    };
    if (known === undefined) this.#kinds.set(kind, entry);
    if (entry.quota.take()) {
      tell(event);
      return;
    }
    entry.suppressed++;
    entry.last = event;
  }

  /** Reports what is only counted so far. */
  flush(): void {
    for (const { quota } of this.#kinds.values()) quota.flush();
  }

  #rest(kind: string): void {
    const entry = this.#kinds.get(kind);
    if (entry === undefined) return;
    const { suppressed, last } = entry;
    entry.suppressed = 0;
    const message = `${suppressed} more like this within a minute, the last of them: ${last.message}`;
    this.#o.tell({ event: last.event, severity: last.severity, message, data: { ...last.data, suppressed } });
  }
}
