/** Commands from upstream through a real Mosquitto to a device of pymodbus, published by mosquitto_pub and answered to paho. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { type Answer, commandedGateway, ROOT } from '../../harness/commanded-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

test('a write is read back and audited; the same id does not act again, also after a kill', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  const first = await s.ask({ id: 'w1', do: 'write', target: 'pump.speed', value: 40, expires: Date.now() + 60_000 });
  assert.deepEqual([first.ok, first.result], [true, { value: 40, unit: 'Hz', readBack: true }]);
  assert.deepEqual(await s.device.get('holding', 10), [40]);
  await s.device.set(10, 7);
  s.say({ id: 'w1', do: 'write', target: 'pump.speed', value: 40 });
  assert.deepEqual(await s.answer('w1', 2), first);
  assert.deepEqual(await s.device.get('holding', 10), [7]);
  await s.gateway.kill();
  await s.gateway.up();
  await s.gateway.waitForLog(/upstream broker/);
  s.say({ id: 'w1', do: 'write', target: 'pump.speed', value: 40 });
  assert.deepEqual(await s.answer('w1', 3), first);
  assert.deepEqual(await s.device.get('holding', 10), [7]);
  await waitFor('the audit upstream', () =>
    s.sub
      .messages()
      .some(
        ({ topic, payload }) =>
          topic === `${ROOT}/event` && /pump.speed was set to 40 by a command \(forwarder cloud\)/.test(payload),
      ),
  );
});

test('read, acknowledge, shelve and reload answer with what came of them', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  await s.device.set(10, 58);
  await waitFor('the alarm', () => s.sub.messages().some(({ topic }) => topic === `${ROOT}/alarm/fast`));
  assert.deepEqual((await s.ask({ id: 'r1', do: 'read', target: 'pump' })).result, { values: { speed: 58, secret: 0 } });
  assert.equal((await s.ask({ id: 'a1', do: 'ack', target: 'fast' })).result?.state, 'active-acknowledged');
  assert.equal((await s.ask({ id: 's1', do: 'shelve', target: 'fast', for: '1h', reason: 'repair' })).result?.state, 'shelved');
  assert.deepEqual((await s.ask({ id: 'l1', do: 'reload' })).result, { changes: [], warnings: [] });
});

test('what is not granted, out of bounds, expired or no command changes nothing', async (t) => {
  const s = await commandedGateway(t, '{write: [pump.speed]}');
  if (s === undefined) return;
  const refused = async (message: { readonly id: string; readonly [key: string]: unknown }) => (await s.ask(message)).code;
  assert.equal(await refused({ id: 'a', do: 'write', target: 'pump.secret', value: 1 }), 'forbidden');
  assert.equal(await refused({ id: 'b', do: 'write', target: 'no.such', value: 1 }), 'forbidden');
  assert.equal(await refused({ id: 'c', do: 'reload' }), 'forbidden');
  assert.equal(await refused({ id: 'd', do: 'resend', from: 1, to: 2 }), 'forbidden');
  assert.equal(await refused({ id: 'e', do: 'write', target: 'pump.speed', value: 61 }), 'write-refused');
  assert.equal(await refused({ id: 'f', do: 'write', target: 'pump.speed', value: 5, expires: Date.now() - 1000 }), 'expired');
  assert.equal(await refused({ id: 'g', do: 'fly' }), 'request-invalid');
  s.say('not json');
  await s.gateway.kill();
  // A gateway that is there would get it as a new one. A subscription that comes later gets it as a retained one.
  s.say({ id: 'h', do: 'write', target: 'pump.speed', value: 9 }, '-r');
  await s.gateway.up();
  await waitFor('the report', () => s.sub.messages().some(({ payload }) => /retained message is not obeyed/.test(payload)));
  assert.deepEqual(await s.device.get('holding', 10), [0]);
  assert.deepEqual(
    s.answers('h').filter(({ ok }) => ok),
    [],
  );
});

test('a dead device answers with its fault, and others are served meanwhile', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  s.say({ id: 'x', do: 'write', target: 'dead.x', value: 1 });
  assert.equal((await s.ask({ id: 'y', do: 'write', target: 'pump.speed', value: 3 })).ok, true);
  const dead = await s.answer('x');
  assert.deepEqual([dead.ok, dead.code], [false, 'timeout']);
  assert.match(dead.message ?? '', /does not answer/);
});

test('a thousand commands at once: each gets an answer, polls and readings go on', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  const batches = () => s.sub.messages().filter(({ topic }) => topic === `${ROOT}/data`).length;
  const replies = async () =>
    (await s.gateway.status()).buses[0]?.devices.find(({ name }) => name === 'pump')?.counters.replies ?? 0;
  const before = await replies();
  const lines = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({ id: `m${i}`, do: 'write', target: 'pump.speed', value: i % 50 }),
  );
  const { status } = spawnSync(s.publish, ['-p', String(s.broker.port), '-q', '1', '-t', `${ROOT}/command`, '-l'], {
    input: `${lines.join('\n')}\n`,
  });
  assert.equal(status, 0);
  const results = () =>
    s.sub
      .messages()
      .filter(({ topic }) => topic.startsWith(`${ROOT}/result/m`))
      .map(({ payload }) => JSON.parse(payload) as Answer);
  await waitFor(
    () => `the answers; there are ${results().length}`,
    () => new Set(results().map(({ id }) => id)).size === 1000,
  );
  const done = results().filter(({ ok }) => ok).length;
  const codes = new Set(results().flatMap(({ ok, code }) => (ok ? [] : [code])));
  assert.ok(done >= 64, `${done} done`);
  assert.deepEqual([...codes], ['busy']);
  const status2 = await s.gateway.status();
  assert.equal(status2.forwarders[0]?.counters.connects, 1);
  assert.ok((await replies()) > before, 'it was polled meanwhile');
  const [polled, sent] = [await replies(), batches()];
  await waitFor('polls and readings behind it', async () => (await replies()) > polled && batches() > sent);
});
