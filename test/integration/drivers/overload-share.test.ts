/** A bus that is asked for more than it carries: every request gets its share, on a network and on a line of another program. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fakeTcp, rightPdu, withMbap } from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { type Site, startSite, words } from '../../harness/modbus-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { mostApart } from '../../oracles/equal-turns.ts';
import { LineDevice } from '../../peers/line-device.ts';
import { pythonPeer } from '../../peers/peers.ts';

/** Cycles that are looked at, each of every request once. */
const CYCLES = 20;

const timeoutsOf = ({ bus }: Site): number => bus.status().devices.reduce((sum, { counters }) => sum + counters.timeouts, 0);

/** For each request its places in the order of all. */
function places(asked: readonly string[]): number[][] {
  return [...Map.groupBy(asked.keys(), (i) => asked[i]).values()].map((of) => [...of]);
}

/** @param timeouts each of them repeats a request, on a machine that stands still: that is the same turn */
function assertShared(all: readonly string[], requests: number, timeouts: number): void {
  const asked = all.filter((one, i) => one !== all[i - 1]);
  assert.ok(all.length - asked.length <= timeouts, `${all.length - asked.length} repeats, ${timeouts} time-outs`);
  const turns = places(asked);
  assert.equal(turns.length, requests);
  const counts = turns.map((of) => of.length);
  assert.ok(mostApart(turns, 10) <= 1, `over ten turns some get more: ${counts.join(' ')}`);
  assert.ok(Math.min(...counts) >= 0.97 * (asked.length / requests) - 1, counts.join(' '));
}

test('four devices that take 1.2 times what their interval has get as many polls each over TCP', async (t) => {
  // A tenth of 0.3 s at 1 s; the first ones got 40 polls where the last one got 20.
  const device = await fakeTcp(t, (request, reply) => {
    setTimeout(() => reply.send(withMbap(rightPdu(request), request.transaction)), 30);
  });
  const site = startSite(
    t,
    { host: '127.0.0.1', port: device.port },
    Object.fromEntries([1, 2, 3, 4].map((unit) => [`d${unit}`, { unit, interval: '100ms', points: words(0) }])),
  );
  await waitFor('enough cycles', () => device.requests.length >= 4 * (CYCLES + 3));
  const asked = device.requests.slice(4 * 3).map(({ unit }) => String(unit));
  assertShared(asked, 4, timeoutsOf(site));
});

test('two devices at once, of which one has more to tell than it can, do not slow each other', async (t) => {
  const device = await fakeTcp(t, (request, reply) => {
    const pdu = rightPdu(request);
    setTimeout(() => reply.send(withMbap(pdu, request.transaction)), request.unit === 1 ? 50 : 1);
  });
  const site = startSite(
    t,
    { host: '127.0.0.1', port: device.port, inFlight: 2 },
    {
      slow: { unit: 1, interval: '100ms', points: words(0, 200, 400) },
      quick: { unit: 2, interval: '100ms', points: words(0) },
    },
  );
  await waitFor('enough cycles', () => device.requests.filter(({ unit }) => unit === 1).length >= 3 * CYCLES);
  assertShared(
    device.requests.filter(({ unit }) => unit === 1).map(({ start }) => String(start)),
    3,
    timeoutsOf(site),
  );
  const quick = site.bus.status().devices.find(({ name }) => name === 'quick');
  const slow = site.bus.status().devices.find(({ name }) => name === 'slow');
  assert.ok((slow?.counters.missedPolls ?? 0) > (quick?.counters.missedPolls ?? 0));
});

test('three units of scattered registers on a serial line get as many polls each, at any load', async (t) => {
  if (pythonPeer(t, 'pty', 'apt-get install -y python3') === undefined) return;
  // The requests of a cycle take some 190 ms.
  for (const interval of ['170ms', '110ms', '10ms']) {
    const spawn = (command: string, args: readonly string[], options: Parameters<typeof startChild>[3]) =>
      startChild(t, command, args, options);
    const device = await LineDevice.start(spawn, scratch(t, 'line'), { baud: 19_200 });
    const unit = (n: number) => ({ unit: n, interval, points: words(0, 150, 300, 450, 600) });
    const site = startSite(t, { port: device.port, baudRate: 19_200 }, { a: unit(1), b: unit(2), c: unit(3) });
    const requests = 15;
    const all = () => device.exchanges();
    await waitFor('enough cycles', () => all().length >= requests * (CYCLES + 3));
    await site.bus.stop();
    assertShared(
      all()
        .slice(3 * requests)
        .map((exchange) => `${exchange.unit} ${exchange.start}`),
      requests,
      timeoutsOf(site),
    );
  }
});
