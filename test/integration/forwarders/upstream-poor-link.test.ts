/** A link that is there for 3 s in every 20 s: it is used. And the network of a real kernel, as the gateway sees it change. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { closedNet } from '../../harness/closed-net.ts';
import { DropProxy } from '../../harness/drop-proxy.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

/** So many times as fast as real. */
const SPEED = 5;
const fast: Clock = {
  monotonic: () => systemClock.monotonic() * SPEED,
  wall: () => systemClock.wall(),
  after: (ms, run) => systemClock.after(ms / SPEED, run),
  exactly: (ms, run) => systemClock.exactly(ms / SPEED, run),
};

test('a link that is up for 3 s in every 20 s is used, in one such time after the other', async (t) => {
  const broker = await Mosquitto.start(t, { persistence: true });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/#']));
  if (!broker || !subscriber) return;
  for (const how of ['silent', 'refused'] as const) {
    const proxy = new DropProxy(broker.port);
    await proxy.start();
    t.after(() => proxy.stop());
    const site = await UpstreamSite.open(t, { url: proxy.url, batch: { maxReadings: 20, maxAge: '100ms' } }, { clock: fast });
    let up = true;
    const set = async (on: boolean): Promise<void> => {
      up = on;
      if (how === 'silent') proxy.stall(!on);
      else await (on ? proxy.start() : proxy.stop());
    };
    await set(false);
    site.forwarder.start();
    const used = new Set<number>();
    let window = 0;
    const before = new Consumer().feedAll(subscriber.messages()).records().length;
    const { log } = site;
    for (let cycle = 0; used.size < 4 && cycle < 40; cycle++) {
      await new Promise((resolve) => fast.after(17_000, () => resolve(undefined)));
      site.add(10);
      await log.flush();
      window++;
      const acked = site.forwarder.status().counters.acked;
      await set(true);
      await new Promise((resolve) => fast.after(3000, () => resolve(undefined)));
      if (site.forwarder.status().counters.acked > acked) used.add(window);
      await set(false);
      assert.ok(!up);
    }
    assert.ok(used.size >= 4, `${how}: ${[...used]} of ${window}`);
    await set(true);
    await waitFor(
      () => `the rest: ${JSON.stringify(site.forwarder.status())}`,
      () => new Consumer().feedAll(subscriber.messages()).records().length - before === site.appended,
    );
    assert.deepEqual(new Consumer().feedAll(subscriber.messages()).judge(), []);
    await site.forwarder.stop(1000);
  }
});

test('a link, an address and a default route of a real kernel change the mark', async (t) => {
  const net = await closedNet(t);
  if (net === undefined) return;
  const file = path.join(import.meta.dirname, '../../../src/forwarders/mqtt/network-watch.ts');
  const inside = (...command: string[]): string => {
    const [program = '', ...rest] = [...net.before, ...command];
    return execFileSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  };
  const look = () => inside(process.execPath, '-e', `import(${JSON.stringify(file)}).then((m) => console.log(m.networkMark()))`);
  const marks = [look()];
  assert.equal(look(), marks[0]);
  for (const step of [
    'link add lan0 type veth peer name far0',
    'link set far0 up',
    'addr add 192.0.2.7/24 dev lan0',
    'link set lan0 up',
    'route add default via 192.0.2.1',
    'route del default',
    // The cable is pulled.
    'link set far0 down',
  ]) {
    inside('ip', ...step.split(' '));
    marks.push(look());
  }
  const changed = marks.map((mark, i) => i > 0 && mark !== marks[i - 1]);
  // A link that is down decides nothing.
  assert.deepEqual(changed.slice(1), [false, false, false, true, true, true, true], marks.join('\n--\n'));
});
