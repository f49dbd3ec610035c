/** Tells an overloaded bus by its polls in windows of half a minute. */
import type { GatewayEvent } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';

export const WINDOW = 30_000;
/** Polls left out, of those that were due: from this share on the bus is overloaded, and below it no longer. */
const OVERLOADED_FROM = 0.02;
/** The bus counts as pressed after this time, ms, in which a request was due without a pause. */
const PRESSED = 1000;

export interface LoadReport {
  /** Share of the time in which a request was on the wire, 0 to 1. */
  readonly busy: number;
  readonly due: number;
  readonly missed: number;
}

export class Load {
  /** The report of the last whole window. */
  report: LoadReport = { busy: 0, due: 0, missed: 0 };
  overloaded = false;
  #from: number;
  #busy = 0;
  #due = 0;
  #missed = 0;
  /** Since when something has been due all the time. */
  #pressedSince: number | undefined;

  constructor(now: number) {
    this.#from = now;
  }

  /** Nothing is due, or nothing can be sent. */
  idle(): void {
    this.#pressedSince = undefined;
  }
  /** Something is due. @returns whether the wire is what everybody waits for, and has been for a while */
  isPressed(now: number): boolean {
    this.#pressedSince ??= now;
    return now - this.#pressedSince > PRESSED;
  }

  /** @param ms that a request took, from the first byte to the last of the reply or the end of the waiting */
  used(ms: number): void {
    this.#busy += ms;
  }
  polled(due: number, missed: number): void {
    this.#due += due;
    this.#missed += missed;
  }

  /** @returns `begins` or `ends` when that changed with the window that is over */
  look(now: number): 'begins' | 'ends' | undefined {
    const span = now - this.#from;
    if (span < WINDOW) return undefined;
    this.report = { busy: Math.min(1, this.#busy / span), due: this.#due, missed: this.#missed };
    this.#from = now;
    this.#busy = 0;
    this.#due = 0;
    this.#missed = 0;
    const over = this.report.missed > OVERLOADED_FROM * this.report.due;
    if (over === this.overloaded) return undefined;
    this.overloaded = over;
    return over ? 'begins' : 'ends';
  }
}

/** @param advice what to do about it, in words */
export function loadEvent(
  bus: string,
  change: 'begins' | 'ends',
  { busy, due, missed }: LoadReport,
  advice: string,
): GatewayEvent {
  const begins = change === 'begins';
  return {
    event: 'overload',
    severity: begins ? 'warning' : 'info',
    message: begins
      ? `The bus ${bus} is overloaded: ${missed} of ${due} polls were left out in the last ${formatDuration(WINDOW)}. ${advice}; sluice check says what fits.`
      : `The bus ${bus} is no longer overloaded.`,
    data: { bus, due, missed, busy: Math.round(busy * 100) / 100 },
  };
}
