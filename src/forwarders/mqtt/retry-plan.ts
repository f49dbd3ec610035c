/**
 * When the next connection is tried, by the kind of failure. Each kind grows by itself, so that one refused log-in after
 * an hour of refused ports does not wait for half a minute; a good connection forgets them all.
 */
import { waitAfter } from '../../core/backoff.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Failure } from './failure.ts';
import { REASONS } from './reason-codes.ts';

/** Milliseconds. */
const FIRST = 500;
/** A try that is answered at once costs two small packets, so it is made often; silence and a refused log-in cost more. */
const LONGEST: Readonly<Record<Failure, number>> = {
  refused: 2000,
  unreachable: 2000,
  'hung-up': 10_000,
  silent: 30_000,
  login: 30_000,
  tls: 30_000,
  files: 10_000,
  busy: 30_000,
  protocol: 30_000,
  lost: 30_000,
};

/** Failures that count against a broker that takes something each time: it waits for 2 s at most. */
const CARRIED = 2;

export class RetryPlan {
  readonly #failures = new Map<Failure, number>();

  /** @param random 0..1 @returns milliseconds to wait; between half of the planned wait and all of it */
  next(failure: Failure, random: number): number {
    const before = this.#failures.get(failure) ?? 0;
    this.#failures.set(failure, before + 1);
    return waitAfter({ first: FIRST, longest: LONGEST[failure] }, before, random);
  }

  /** A connection lasted. */
  succeeded(): void {
    this.#failures.clear();
  }

  /** The network or the clock changed: the next waits are short ones again. A network that changes all the time leads to a try every 2 s. */
  changed(): void {
    for (const [failure, count] of this.#failures) this.#failures.set(failure, Math.min(count, CARRIED));
  }

  /**
   * A connection carried something and broke at once. Other failures are over. A broker that hangs up after each batch goes on
   * to take them, but does not get a connection every quarter of a second.
   * @param failure how it ended
   */
  carried(failure: Failure): void {
    const before = Math.min(this.#failures.get(failure) ?? 0, CARRIED);
    this.#failures.clear();
    this.#failures.set(failure, before);
  }
}

/** No connection came about. */
export class ConnectError extends SluiceError {
  readonly failure: Failure;

  constructor(failure: Failure, message: string, cause: Error | undefined) {
    super('upstream-connect', message, cause === undefined ? {} : { cause });
    this.failure = failure;
  }
}

/** @param error what opening a connection, or using it, ended with */
export function failureOf(error: Error): Failure {
  if (error instanceof ConnectError) return error.failure;
  return error instanceof SluiceError && error.code === 'upstream-protocol' ? 'protocol' : 'lost';
}

/** @param code of the system, or of a CONNACK: 3 is the "server unavailable" of MQTT 3.1.1 */
export function failureOfCode(code: unknown): Failure {
  if (typeof code === 'number') return code === 3 ? 'busy' : (REASONS[code]?.failure ?? 'login');
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
    case 'ENETDOWN':
      return 'unreachable';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'hung-up';
    default:
      return 'silent';
  }
}

/** Nothing waited for an answer but the question whether the broker is there. */
export function isIdle(error: Error): boolean {
  return error instanceof SluiceError && error.data.idle === true;
}
