/** Requests of accounts, addresses and all clients: who is refused, and who is served beside a flood. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { Requests, type TooMany } from '../../../src/forwarders/broker/requests.ts';
import { SharedRates } from '../../../src/forwarders/broker/shared-rates.ts';
import { ANONYMOUS } from '../../../src/forwarders/broker/topic-rules.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function make() {
  const clock = new ManualClock();
  const rates = new SharedRates(clock);
  const client = (account: string, address?: string) => {
    const requests = new Requests(clock);
    const ends = rates.begins(requests, address);
    requests.known();
    const leaves = rates.join(requests, account);
    return {
      requests,
      end: () => {
        leaves();
        ends();
      },
    };
  };
  /** Clients of an account ask, one after the other, each for as much as it may. @returns how much it was, and what ended it */
  const floods = (account: string, most: number, address?: string): { asked: number; refusal: TooMany | undefined } => {
    for (let asked = 0; asked < most; ) {
      const { requests, end } = client(account, address);
      for (; asked < most && requests.take(); asked++);
      end();
      if (asked < most && requests.refusal !== 'requests') return { asked, refusal: requests.refusal };
    }
    return { asked: most, refusal: undefined };
  };
  return { clock, rates, client, floods };
}

test('an address has a rate of its own for clients without an account, however many connections', async () => {
  const { clock, floods } = make();
  assert.deepEqual(floods(ANONYMOUS, 100_000, '10.0.0.7'), {
    asked: limits.ADDRESS_REQUESTS_AT_ONCE,
    refusal: 'address-requests',
  });
  assert.equal(floods(ANONYMOUS, 10, '10.0.0.8').refusal, undefined, 'another address');
  assert.equal(floods(ANONYMOUS, 10).refusal, undefined, 'the board itself');
  assert.equal(floods('user:other', 10, '10.0.0.7').refusal, undefined, 'an account behind the same address');
  await clock.advance(1000);
  assert.deepEqual(floods(ANONYMOUS, 10_000, '10.0.0.7'), {
    asked: limits.ADDRESS_REQUESTS_PER_SECOND,
    refusal: 'address-requests',
  });
});

test('a CONNECT counts for its address before anybody is known', () => {
  const clock = new ManualClock();
  const rates = new SharedRates(clock);
  let connects = 0;
  for (let refusal: TooMany | undefined; refusal === undefined; connects++) {
    const requests = new Requests(clock);
    const end = rates.begins(requests, '10.0.0.7');
    if (!requests.take()) ({ refusal } = requests);
    end();
  }
  assert.equal(connects - 1, limits.ADDRESS_REQUESTS_AT_ONCE);
});

test('beyond the total the account that asked for most is refused, a modest one is served', () => {
  const { floods, client } = make();
  const accounts = limits.ALL_REQUESTS_AT_ONCE / limits.ACCOUNT_REQUESTS_AT_ONCE;
  for (let i = 0; i < accounts; i++) assert.equal(floods(`user:${i}`, limits.ACCOUNT_REQUESTS_AT_ONCE - 10).refusal, undefined);
  assert.equal(floods('user:more', 10 * accounts).refusal, undefined, 'all of the total');
  const big = client('user:0');
  assert.equal(big.requests.take(), false);
  assert.equal(big.requests.refusal, 'all-requests');
  const small = client('user:small');
  for (let i = 0; i < 100; i++) assert.equal(small.requests.take(), true);
});

test('an account that asks in bursts is served beside accounts that flood within their rates', async () => {
  const { clock, client } = make();
  const clients = limits.ACCOUNT_REQUESTS_PER_SECOND / limits.KNOWN_REQUESTS_PER_SECOND;
  const accounts = limits.ALL_REQUESTS_PER_SECOND / limits.ACCOUNT_REQUESTS_PER_SECOND + 1;
  const flood = Array.from({ length: accounts * clients }, (_, i) => client(`user:${i % accounts}`));
  const step = 1000 / limits.KNOWN_REQUESTS_PER_SECOND;
  let refused = 0;
  const floods = async (): Promise<void> => {
    await clock.advance(step);
    for (const { requests } of flood) if (!requests.take()) refused++;
  };
  while (refused === 0) await floods();
  const modest = client('user:modest');
  for (let burst = 0; burst < 10; burst++) {
    for (let i = 0; i < 20; i++) assert.equal(modest.requests.take(), true, modest.requests.refusal);
    for (let i = 0; i < 1000 / step; i++) await floods();
  }
  assert.ok(flood.some(({ requests }) => requests.refusal === 'all-requests'));
});

test('what nobody uses any more is forgotten when it is whole', async () => {
  const { clock, rates, client, floods } = make();
  for (let i = 0; i < 50; i++) {
    floods(`user:${i}`, 10, `10.0.0.${i}`);
    floods(ANONYMOUS, 10, `10.0.0.${i}`);
  }
  assert.equal(rates.size, 50 + 1 + 50);
  await clock.advance(120_000);
  client('user:last', '10.0.1.1');
  assert.equal(rates.size, 2);
});
