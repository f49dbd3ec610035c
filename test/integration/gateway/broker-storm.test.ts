/** A running gateway under hostile MQTT clients: it polls on, its memory is bounded, and healthy clients are served. */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { REQUESTS_AT_ONCE, REQUESTS_PER_SECOND } from '../../../src/forwarders/broker/limits.ts';
import { Raw, Sub } from '../../harness/embedded-broker.ts';
import { site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** Connections of the storm of random bytes. */
const CONNECTIONS = Number(process.env.SLUICE_STORM ?? 2_000);
/** Megabytes that a storm may cost: 4 of packets that are not whole, what sockets and connections hold, and garbage. */
const MORE_MEMORY = 90;
/** SUBSCRIBE to `#` with QoS 0, 40,000 times: six seconds of it filled the heap once. */
const SUBSCRIBES = Buffer.alloc(40_000 * 8, Buffer.from([0x82, 6, 0, 1, 0, 1, 0x23, 0]));
/** SUBACK of one of them. */
const SUBACK = Buffer.from([0x90, 3, 0, 1, 0]);
const HOSTILE = 5;

function storm(t: TestContext, kind: string, port: number, count: number): ChildProcess {
  const child = fork(path.join(import.meta.dirname, '..', '..', 'harness', 'storm.ts'), [kind, `${port}`, `${count}`], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** Megabytes. */
function resident(gateway: Gateway): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;
}

test('polls and healthy clients go on in storms of broken and endless packets', { timeout: 600_000 }, async (t) => {
  const s = await site(t, { device: SettableDevice.start, broker: true });
  if (s === undefined) return;
  const { gateway } = s;
  await gateway.up();
  const port = await gateway.brokerPort();
  const healthy = await Sub.start(t, port, ['-t', 'sluice/g1/value/#', '-q', '0', '-i', 'healthy']);
  if (healthy === undefined) return;
  const polled = async () => (await gateway.status()).buses[0]?.devices[0]?.counters;
  /** The device is polled on, and its new value arrives. */
  let value = 0;
  const works = async () => {
    const before = await polled();
    value++;
    await s.device.set(0, value);
    await waitFor(
      () => `the value ${value}`,
      () => healthy.messages().some((m) => JSON.parse(m.payload).value === value),
    );
    const after = await polled();
    assert.ok((after?.replies ?? 0) > (before?.replies ?? 0));
  };
  await works();
  const before = resident(gateway);
  let most = 0;

  await t.test('clients that subscribe 40,000 times without reading are cut off', async (tt) => {
    for (let i = 1; i <= HOSTILE; i++) {
      const began = performance.now();
      const hostile = await Raw.open(tt, port);
      assert.equal(await hostile.connect(`unread${i}`), 0);
      hostile.socket.pause();
      hostile.send(SUBSCRIBES);
      let refused = 0;
      for (let rounds = 0; refused < i; rounds++) {
        await works();
        most = Math.max(most, resident(gateway));
        refused = (await gateway.status()).broker?.refused.requests ?? 0;
        assert.ok(rounds < 1000, 'it is cut off');
      }
      assert.equal(refused, i);
      hostile.socket.resume();
      await waitFor('its end', () => hostile.closed);
      const answered = hostile.bytes.toString('latin1').split(SUBACK.toString('latin1')).length - 1;
      // A packet and its filter are two requests. A slow machine works on them while time passes, and time gives some more.
      const allowed = REQUESTS_AT_ONCE + (REQUESTS_PER_SECOND * (performance.now() - began)) / 1000;
      assert.ok(answered <= allowed / 2, `${answered} SUBACKs of ${allowed / 2}`);
    }
    await waitFor('them to be gone', async () => (await gateway.status()).broker?.clients === 1);
    assert.ok(most - before < MORE_MEMORY, `${before} MB before, at most ${most} MB`);
    assert.equal(gateway.over, undefined, 'the daemon lives');
  });

  const partial = storm(t, 'partial', port, 60);
  await once(partial, 'message');
  storm(t, 'dribble', port, 60);
  const random = storm(t, 'random', port, CONNECTIONS);
  const over = once(random, 'exit');
  let rounds = 0;
  while (random.exitCode === null) {
    await works();
    most = Math.max(most, resident(gateway));
    const { partialBytes = 0 } = (await gateway.status()).broker ?? {};
    assert.ok(partialBytes <= 4 * 1024 * 1024, `${partialBytes}`);
    rounds++;
  }
  assert.deepEqual(await over, [0, null]);
  assert.ok(rounds > 0);
  const newcomer = await Raw.open(t, port);
  assert.equal(await newcomer.connect('newcomer'), 0);
  await works();

  const { broker } = await gateway.status();
  const refused = broker?.refused;
  const { replies = 0, missedPolls = 0 } = (await polled()) ?? {};
  t.diagnostic(
    `${replies} polls, ${missedPolls} left out; memory ${before.toFixed(0)} MB, at most ${most.toFixed(0)} MB; refused ${JSON.stringify(refused)}`,
  );
  assert.ok(most - before < MORE_MEMORY, `${before} MB before, at most ${most} MB`);
  assert.ok((refused?.size ?? 0) > 0 && (refused?.header ?? 0) > 0, JSON.stringify(refused));
  // Each kind of line at most five times a minute, and one line with the number of the others.
  const lines = gateway.logs();
  const minutes = Math.ceil(((lines.at(-1)?.time ?? 0) - (lines[0]?.time ?? 0)) / 60_000);
  const said = lines.filter((l) => /MQTT client/.test(l.msg)).length;
  assert.ok(said < 60 * minutes, `${said} lines in ${minutes} minutes`);
  assert.equal(healthy.child.over, undefined);
});
