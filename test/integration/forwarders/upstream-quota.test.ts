/**
 * A scripted broker of MQTT 5 whose quota is used up (0x97), in every answer that may say so: PUBACK, DISCONNECT, CONNACK and SUBACK. When
 * the gateway tries again, by a clock that the test moves, what it says, and what arrives afterwards.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { Mqtt5Peer } from '../../fakes/mqtt5-peer.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';

const QUOTA = 0x97;
const REMEDY = 'the quota of this gateway is used up; ask the operator of the broker, or wait for the next period';
const FLOWS = ['data', 'history', 'alarm'] as const;
type Flow = (typeof FLOWS)[number];
const COUNT = 10;
/** A lane of readings that was kept may be looked at so much later, ms. */
const NAP = 1000;
/** The pauses before offers and connections without chance, ms. */
const OFFERS = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
const CONNECTIONS = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];

async function bench(t: TestContext, settings: object = {}) {
  const far = await Mqtt5Peer.start(t);
  const clock = new ManualClock();
  // A batch that is old enough for its age leaves at once.
  await clock.advance(Math.ceil(systemClock.monotonic()) + 600_000);
  const site = await UpstreamSite.open(
    t,
    { url: far.url, protocol: 5, ...settings },
    // The longest pause is the planned one, and the network of this machine stays out of it.
    { clock, random: () => 1, network: () => 'the same' },
  );
  const { forwarder, log } = site;
  /** What waits for the clock of the test comes in small steps of it. */
  const until = (what: string, done: () => boolean): Promise<unknown> =>
    waitFor(
      () => `${what}; ${JSON.stringify(forwarder.status())}`,
      async () => {
        if (!done()) await clock.advance(10);
        return done();
      },
    );
  const of = (flow: Flow) => far.messages.filter(({ topic }) => topic.includes(`/${flow}`));
  return {
    ...{ far, clock, site, forwarder, until, of },
    /** Offers something of this flow and nothing else. */
    async begin(flow: Flow): Promise<void> {
      if (flow === 'history') {
        site.add(COUNT);
        await log.flush();
      }
      forwarder.start();
      if (flow === 'history') return;
      await until('the connection', () => forwarder.connected);
      if (flow === 'data') site.add(COUNT);
      else log.notice('alarm', 'a', systemClock.monotonic(), { rule: 'a' });
    },
    /** Everything of the flow arrived, once behind the marks, and nothing was given up. */
    async arrives(flow: Flow, refused: number): Promise<void> {
      // Alarms are not among the counted batches.
      const came = () => (flow === 'alarm' ? of(flow).length > refused : forwarder.status().counters.acked > 0);
      await until('the rest', () => site.fault === '' && forwarder.connected && came());
      if (flow === 'alarm') assert.equal(JSON.parse(`${of(flow).at(-1)?.payload}`).rule, 'a');
      else {
        const batches = [...of('data'), ...of('history')].map(({ topic, payload }) => ({ topic, payload: `${payload}` }));
        const numbers = new Consumer()
          .feedAll(batches)
          .records()
          .map(({ values }) => values.n);
        assert.deepEqual(
          numbers,
          Array.from({ length: COUNT }, (_, n) => n),
        );
      }
      assert.equal(forwarder.status().counters.refused, 0);
      assert.deepEqual(site.events, []);
    },
  };
}

for (const flow of FLOWS)
  test(`a quota in the answer to ${flow}: offered again in longer pauses, connected all the time`, async (t) => {
    const b = await bench(t);
    let used = true;
    let offers = 0;
    b.far.answer = ({ topic }) => (used && topic.includes(`/${flow}`) ? { code: QUOTA, said: `offer ${++offers}` } : 0);
    await b.begin(flow);
    const nap = flow === 'alarm' ? 0 : NAP;
    const topic = flow === 'alarm' ? 'sluice/g1/alarm/a' : `sluice/g1/${flow}`;
    for (const [i, pause] of OFFERS.entries()) {
      const words = `the broker refuses a message on ${topic}: quota exceeded (code 151) (it says "offer ${i + 1}"); ${REMEDY}`;
      if (i === 0) await b.until('the first offer', () => b.site.fault === words);
      else await waitFor(words, () => b.site.fault === words);
      // So much of the pause may be over: a step of the clock at first, and what the clock went on after the offer before.
      const spent = i === 0 ? 20 : nap + 40;
      await b.clock.advance(pause - spent);
      assert.equal(offers, i + 1, `none within ${pause} ms`);
      if (i === OFFERS.length - 1) used = false;
      await b.clock.advance(spent + nap);
      if (used) await waitFor('the next offer', () => offers === i + 2);
    }
    await b.arrives(flow, OFFERS.length);
    assert.equal(b.forwarder.status().counters.connects, 1);
  });

/** Each try ends in a refusal, and the next one follows after the planned pause. */
async function tries(b: Awaited<ReturnType<typeof bench>>, words: string, last: () => void): Promise<void> {
  const { far, clock, forwarder } = b;
  await b.until('the first refusal', () => forwarder.status().nextTry !== undefined && forwarder.status().fault === words);
  const first = far.connects.length;
  for (const [i, pause] of CONNECTIONS.entries()) {
    await waitFor(
      () => `refusal ${i + 1}: ${JSON.stringify(forwarder.status())}`,
      () => far.connects.length === first + i && forwarder.status().nextTry !== undefined,
    );
    const { fault, state, nextTry = 0 } = forwarder.status();
    assert.deepEqual([fault, state], [words, 'waiting']);
    const left = nextTry - clock.monotonic();
    // The first one was seen within a step of the clock.
    if (i === 0) assert.ok(left > 0 && left <= pause, `${left} of ${pause}`);
    else assert.equal(left, pause);
    if (i === CONNECTIONS.length - 1) last();
    await clock.advance(left);
  }
  await waitFor('the try that succeeds', () => far.connects.length === first + CONNECTIONS.length);
}

for (const flow of FLOWS)
  test(`a quota that ends the connection for ${flow}: the next ones follow in longer pauses`, async (t) => {
    const b = await bench(t);
    let used = true;
    b.far.answer = ({ topic }) => (used && topic.includes(`/${flow}`) ? { disconnect: QUOTA, said: 'month' } : 0);
    await b.begin(flow);
    const words = `the broker ended the connection: quota exceeded (code 151) (it says "month"); ${REMEDY}`;
    await tries(b, words, () => {
      used = false;
    });
    await b.arrives(flow, CONNECTIONS.length);
  });

for (const flow of FLOWS)
  test(`a quota in the answer to the log-in: ${flow} waits through longer and longer pauses`, async (t) => {
    const b = await bench(t);
    b.far.reasonCode = QUOTA;
    b.far.properties = { reasonString: 'full' };
    // Nothing is connected, so what is there waits for it.
    if (flow === 'alarm') b.site.log.notice('alarm', 'a', systemClock.monotonic(), { rule: 'a' });
    else b.site.add(COUNT);
    if (flow === 'history') await b.site.log.flush();
    b.forwarder.start();
    const port = new URL(b.far.url).port;
    const words = `the broker 127.0.0.1:${port} refuses this gateway: quota exceeded (code 151) (it says "full"); ${REMEDY}`;
    await tries(b, words, () => {
      b.far.reasonCode = 0;
      b.far.properties = {};
    });
    await b.arrives(flow, 0);
  });

test('a quota in the answer to a subscription: messages wait, and all of them leave later', async (t) => {
  const b = await bench(t, { commands: { read: ['*'] } });
  b.far.granted = QUOTA;
  b.site.add(COUNT);
  await b.site.log.flush();
  b.forwarder.start();
  await tries(b, `the broker refuses a subscription: quota exceeded (code 151); ${REMEDY}`, () => {
    b.far.granted = 1;
  });
  await b.arrives('history', 0);
});
