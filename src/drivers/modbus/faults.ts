/** The faults of one device as they begin, come again and end; each is logged once when it begins and once when it is over. */
import type { Clock } from '../../core/clock.ts';
import type { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { formatDuration } from '../../core/units.ts';
import { type FaultWords, sayFault } from './words.ts';

interface Fault {
  /** May know more with time. */
  readonly words: () => FaultWords;
  readonly since: number;
  /** It was logged that it began. */
  logged: boolean;
  /** Good replies that end it. */
  readonly enough: number;
  count: number;
  /** Good replies since it was last seen. */
  good: number;
  /** Which of the failures it was, counted over all of the device. */
  last: number;
}

/** A fault that may be one lost reply is logged when so many have come, or when all repeats were in vain. */
const LOGGED_FROM = 2;

export class Faults {
  readonly #device: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By what failed; at most one per kind, and one per request for exceptions. */
  readonly #faults = new Map<string, Fault>();
  #failures = 0;

  constructor(device: string, clock: Clock, logger: Logger) {
    this.#device = device;
    this.#clock = clock;
    this.#logger = logger;
  }

  get any(): boolean {
    return this.#faults.size > 0;
  }

  /** Words for the newest fault that no good reply contradicts. */
  get newest(): string | undefined {
    const [fault] = [...this.#faults.values()].filter(({ good }) => good === 0).sort((a, b) => b.last - a.last);
    return fault === undefined ? undefined : sayFault(fault.words());
  }

  /** Whether a fault was logged, and no good reply contradicts it. */
  get shown(): boolean {
    return [...this.#faults.values()].some(({ good, logged }) => good === 0 && logged);
  }

  /** It was seen again. @returns whether it was known */
  again(key: string, error: SluiceError): boolean {
    const known = this.#faults.get(key);
    if (known === undefined) return false;
    known.count++;
    known.good = 0;
    known.last = ++this.#failures;
    if (known.count >= LOGGED_FROM) this.#log(known, error);
    return true;
  }

  /** @param enough good replies that end it @param log at once */
  begin(key: string, words: () => FaultWords, error: SluiceError, enough: number, log = true): void {
    const since = this.#clock.monotonic();
    const fault = { words, since, logged: false, enough, count: 1, good: 0, last: ++this.#failures };
    this.#faults.set(key, fault);
    if (log) this.#log(fault, error);
  }

  /** Logs it if that was not done yet. */
  tell(key: string, error: SluiceError): void {
    const fault = this.#faults.get(key);
    if (fault !== undefined) this.#log(fault, error);
  }

  /** A good reply came. @returns whether that was enough to end it */
  good(key: string): boolean {
    const fault = this.#faults.get(key);
    if (!fault || ++fault.good < fault.enough) return false;
    this.#faults.delete(key);
    if (key === 'bus-closed' || !fault.logged) return true;
    const lasted = formatDuration(this.#clock.monotonic() - fault.since);
    const { symptom } = fault.words();
    this.#logger.info(
      { device: this.#device, times: fault.count },
      `${this.#device}: good again after ${lasted}; the fault was: ${symptom}`,
    );
    return true;
  }

  saysNow(key: string): string | undefined {
    const fault = this.#faults.get(key);
    return fault === undefined ? undefined : sayFault(fault.words());
  }

  /** Without a word: what they were about is not asked any more. */
  drop(prefix: string): void {
    for (const key of this.#faults.keys()) if (key.startsWith(prefix)) this.#faults.delete(key);
  }

  #log(fault: Fault, { code, data }: SluiceError): void {
    if (fault.logged) return;
    fault.logged = true;
    // The bus itself reports that it is closed, once for all devices.
    if (code !== 'bus-closed')
      this.#logger.warn({ device: this.#device, code, ...data }, `${this.#device}: ${sayFault(fault.words())}`);
  }
}
