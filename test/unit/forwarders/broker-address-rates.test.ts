/**
 * One address with many machines behind it, as that of a clinic or of a mobile network. A model of random histories: a client with an
 * account gets the answers that it would get alone, whatever other accounts and connections without a log-in ask behind its address.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { Allowance, Requests, type TooMany } from '../../../src/forwarders/broker/requests.ts';
import { SharedRates } from '../../../src/forwarders/broker/shared-rates.ts';
import { ANONYMOUS } from '../../../src/forwarders/broker/topic-rules.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const ADDRESS = '203.0.113.7';
const TOTAL = { atOnce: limits.ALL_REQUESTS_AT_ONCE, perSecond: limits.ALL_REQUESTS_PER_SECOND };

interface Step {
  readonly who: 'modest' | 'account' | 'anonymous' | 'connects';
  /** Which of them. */
  readonly which: number;
  /** Requests, one after the other. */
  readonly count: number;
  /** Milliseconds before it. */
  readonly wait: number;
}
/** One that comes as often as the waits allow, and floods beside it. */
const history = fc.constantFrom(0, 100, 3000).chain((longest) =>
  fc.array(
    fc.record<Step>({
      who: fc.constantFrom('modest', 'account', 'anonymous', 'connects'),
      which: fc.nat(2),
      count: fc.nat(3000),
      wait: fc.nat(longest),
    }),
    { maxLength: 60, size: 'max' },
  ),
);

/** Connections behind one address, each of which comes back when it was ended. */
class Behind {
  readonly #clock: ManualClock;
  readonly #rates: SharedRates;
  readonly #open = new Map<string, { readonly requests: Requests; readonly end: () => void }>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.#rates = new SharedRates(clock);
  }

  /** @returns what ended its connection */
  asks(client: string, account: string): TooMany | undefined {
    const one = this.#open.get(client) ?? this.#logIn(client, account);
    if (one.requests.take()) return undefined;
    one.end();
    this.#open.delete(client);
    return one.requests.refusal;
  }

  /** A CONNECT that no log-in follows. */
  connects(): TooMany | undefined {
    const requests = new Requests(this.#clock);
    const end = this.#rates.begins(requests, ADDRESS);
    const refusal = requests.take() ? undefined : requests.refusal;
    end();
    return refusal;
  }

  #logIn(client: string, account: string) {
    const requests = new Requests(this.#clock);
    const ends = this.#rates.begins(requests, ADDRESS);
    if (account !== ANONYMOUS) requests.known();
    const leaves = this.#rates.join(requests, account);
    const one = {
      requests,
      end: () => {
        leaves();
        ends();
      },
    };
    this.#open.set(client, one);
    return one;
  }
}

test('property: no other account and no CONNECT of its address ends a client within its bound', async () => {
  const met = new Set<string>();
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const clock = new ManualClock();
      const [together, alone] = [new Behind(clock), new Behind(clock)];
      // All accounts keep the total: a flood stops before it, and goes on when there is space.
      const total = new Allowance(TOTAL, clock.monotonic());
      for (const { who, which, count, wait } of steps) {
        await clock.advance(wait);
        for (let i = 0; i < count; i++) {
          if (who === 'connects') {
            if (together.connects() !== undefined) met.add('too many CONNECTs');
            continue;
          }
          if (!total.take(1, clock.monotonic())) break;
          if (who === 'modest') {
            const expected = alone.asks(`modest ${which}`, `device:${which}`);
            assert.equal(together.asks(`modest ${which}`, `device:${which}`), expected);
            met.add(`a client with an account: ${expected ?? 'served'}`);
          } else if (who === 'account') {
            const refusal = together.asks(`flood ${which} ${i % 8}`, `user:${which}`);
            met.add(`a flood of an account: ${refusal ?? 'served'}`);
          } else met.add(`a flood without an account: ${together.asks(`nobody ${i % 40}`, ANONYMOUS) ?? 'served'}`);
        }
      }
    }),
    { numRuns: 150 },
  );
  // What the histories have to meet, or they would show nothing.
  for (const one of [
    'too many CONNECTs',
    'a client with an account: served',
    'a client with an account: requests',
    'a flood of an account: account-requests',
    'a flood without an account: address-requests',
  ])
    assert.ok(met.has(one), `${one} among ${[...met].join(', ')}`);
});
