/** What the embedded broker keeps across restarts and kills, at the level of its persistence. The files are real. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { BrokerChange } from '../../../src/core/broker-store.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { LogBacklog } from '../../../src/forwarders/broker/own-backlog.ts';
import { BrokerFile } from '../../../src/store/broker-store.ts';
import { Log } from '../../../src/store/log.ts';
import { Folders, KeptBench, ROOT } from '../../fakes/kept-bench.ts';
import { startChild } from '../../harness/child.ts';
import type { KeptTold } from '../../harness/kept-child.ts';
import { scratch } from '../../harness/scratch.ts';

const CHILD = path.join(import.meta.dirname, '..', '..', 'harness', 'kept-child.ts');
const folders = (t: TestContext) => new Folders(scratch(t, 'kept'));

async function open(t: TestContext, where: Folders): Promise<KeptBench> {
  const bench = await KeptBench.open({ folders: where });
  t.after(() => bench.kept.close());
  return bench;
}
async function again(t: TestContext, before: KeptBench, where: Folders): Promise<KeptBench> {
  // A close waits for seconds only, and a busy disk takes longer.
  assert.equal(await before.store?.settled(), true);
  await before.kept.close();
  return open(t, where);
}
const numbers = (from: number, to: number, word = 'm') => Array.from({ length: to - from }, (_, i) => `${word}${from + i}`);

test('2,000 acknowledged messages are there after SIGKILL, and none that was taken', async (t) => {
  const where = folders(t);
  const child = startChild(t, process.execPath, [CHILD, where.stateDir, where.runtimeDir, 'none', '7', '2000', 'kill']);
  assert.equal(await child.ended, 'SIGKILL', child.stderr.join('\n'));
  const told = child.stdout.map((line) => JSON.parse(line) as KeptTold);
  const published = told.flatMap((line) => (line.kind === 'published' ? line.contents : []));
  const taken = new Set(told.flatMap((line) => (line.kind === 'taken' ? line.contents : [])));
  assert.equal(published.length, 2000);
  const bench = await open(t, where);
  assert.deepEqual(bench.waiting('b'), published);
  assert.deepEqual(
    bench.waiting('a'),
    published.filter((content) => !taken.has(content)),
  );
  const retained = new Map(told.flatMap((line) => (line.kind === 'retained' ? [[line.topic, line.content] as const] : [])));
  assert.deepEqual(new Set(bench.retainedTopics()), new Set(retained.keys()));
});

test('subscriptions, queues and retained messages are the same after a clean restart', async (t) => {
  const where = folders(t);
  let bench = await open(t, where);
  await bench.client('a', 'plant/+/x', 1);
  await bench.persistence.addSubscriptions({ id: 'a' }, [{ topic: 'own', qos: 0 }]);
  await bench.client('gone', 'plant/#');
  await bench.persistence.addSubscriptions({ id: 'gone' }, [{ topic: 'other', qos: 1 }]);
  await bench.persistence.removeSubscriptions({ id: 'gone' }, ['plant/#']);
  await bench.client('clean', 'plant/#');
  for (const id of ['a', 'gone', 'clean']) bench.sessions.away(id);
  await bench.publish('plant/1/x', 'first', 1, true);
  await bench.publish('plant/2/x', 'second', 1, true);
  await bench.publish('plant/2/x', '', 1, true);
  await bench.publish('loose', 'zero', 0, true);
  await bench.persistence.cleanSubscriptions({ id: 'clean' });
  bench = await again(t, bench, where);
  assert.deepEqual([...bench.sessions.all()].map(({ id }) => id).sort(), ['a', 'gone']);
  assert.deepEqual(bench.sessions.filters('a'), [
    { topic: 'own', qos: 0 },
    { topic: 'plant/+/x', qos: 1 },
  ]);
  assert.deepEqual(bench.sessions.filters('gone'), [{ topic: 'other', qos: 1 }]);
  assert.deepEqual(bench.waiting('a'), ['first', 'second', '']);
  assert.deepEqual(bench.waiting('gone'), []);
  assert.deepEqual(bench.retainedTopics().sort(), ['loose', 'plant/1/x']);
  assert.deepEqual(await bench.drain('a'), ['first', 'second', '']);
  bench = await again(t, bench, where);
  assert.deepEqual(bench.waiting('a'), []);
  assert.equal(bench.sessions.queues.messages, 0);
  assert.deepEqual([bench.faults, bench.repairs], [[], []]);
});

test('a QoS 2 message goes on after a restart where it was: same number, then only PUBREL', async (t) => {
  const where = folders(t);
  let bench = await open(t, where);
  await bench.client('a', 'plant/#', 2);
  bench.sessions.away('a');
  const packet = { cmd: 'publish', topic: 'plant/t', payload: Buffer.from('once'), qos: 2, retain: false, dup: false } as const;
  await bench.persistence.incomingStorePacket({ id: 'p' }, { ...packet, messageId: 9 });
  await bench.deliver(packet);
  const numberOf = () => bench.sessions.get('a')?.queue.entries[0]?.messageId;
  const number = numberOf();
  assert.ok(number !== undefined);
  bench = await again(t, bench, where);
  assert.equal(numberOf(), number);
  bench.sessions.resume('a');
  const [first] = await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray();
  assert.deepEqual([first.cmd, first.qos, first.messageId], ['publish', 2, number]);
  const sent = { cmd: 'publish', brokerCounter: first.brokerCounter, messageId: 77 };
  await bench.persistence.outgoingUpdate({ id: 'a' }, sent);
  assert.equal(sent.messageId, number, 'the number of the connection does not count');
  await bench.persistence.outgoingUpdate({ id: 'a' }, { cmd: 'pubrel', messageId: number });
  bench = await again(t, bench, where);
  bench.sessions.resume('a');
  const [second] = await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray();
  assert.deepEqual(second, { cmd: 'pubrel', messageId: number });
  await bench.persistence.outgoingUpdate({ id: 'a' }, { cmd: 'pubrel', messageId: number });
  await bench.persistence.outgoingClearMessageId({ id: 'a' }, { cmd: 'pubcomp', messageId: number });
  bench = await again(t, bench, where);
  assert.deepEqual(bench.waiting('a'), []);
});

test('a QoS 2 message that is repeated after a restart is known until it is released', async (t) => {
  const where = folders(t);
  let bench = await open(t, where);
  await bench.client('p', 'none', 1);
  const packet = { cmd: 'publish', topic: 'plant/t', payload: Buffer.from('once'), qos: 2, retain: false, messageId: 9 } as const;
  await bench.persistence.incomingStorePacket({ id: 'p' }, packet);
  bench = await again(t, bench, where);
  // Some clients repeat without DUP.
  const repeated = { ...packet, cmd: 'publish', dup: false } as const;
  assert.equal((await bench.persistence.incomingGetPacket({ id: 'p' }, repeated)).messageId, 9);
  await bench.persistence.incomingDelPacket({ id: 'p' }, { cmd: 'pubrel', messageId: 9 });
  bench = await again(t, bench, where);
  await assert.rejects(bench.persistence.incomingGetPacket({ id: 'p' }, repeated));
});

test('an identifier of an earlier run is that of a new message with another content', async (t) => {
  const where = folders(t);
  let bench = await open(t, where);
  const p = { id: 'p' };
  bench.sessions.resume('p');
  const packet = (messageId: number, content = `message ${messageId}`) =>
    ({ cmd: 'publish', topic: 'plant/t', payload: Buffer.from(content), qos: 2, retain: false, messageId }) as const;
  const store = (from: number, to: number) =>
    Promise.all(Array.from({ length: to - from }, (_, i) => bench.persistence.incomingStorePacket(p, packet(from + i))));
  await store(1, limits.MAX_INCOMING + 1);
  // As after a kill: their PUBRELs were answered, and did not reach the disk.
  bench = await again(t, bench, where);
  bench.sessions.resume('p');
  const known = (asked: { cmd: string; messageId: number }) =>
    bench.persistence.incomingGetPacket(p, asked).then(
      () => true,
      () => false,
    );
  assert.equal(await known(packet(1, 'new')), false);
  await bench.persistence.incomingStorePacket(p, packet(1, 'new'));
  for (const one of [packet(1, 'new'), packet(2), { cmd: 'pubrel', messageId: 3 }]) assert.equal(await known(one), true);
  await bench.persistence.incomingDelPacket(p, { cmd: 'pubrel', messageId: 3 });
  // New ones take the place of those that are not repeated, and of no others.
  await store(1001, 1001 + limits.MAX_INCOMING - 2);
  assert.equal(bench.sessions.get('p')?.incoming.size, limits.MAX_INCOMING);
  await assert.rejects(bench.persistence.incomingStorePacket(p, packet(2000)), /maxInflightInbound exceeded/);
  for (const one of [packet(1, 'new'), packet(2), packet(1001)]) assert.equal(await known(one), true);
  for (const one of [packet(4), packet(limits.MAX_INCOMING)]) assert.equal(await known(one), false);
  bench = await again(t, bench, where);
  bench.sessions.resume('p');
  assert.equal(bench.sessions.get('p')?.incoming.size, limits.MAX_INCOMING);
  for (const [one, was] of [
    [packet(1), false],
    [packet(1, 'new'), true],
    [packet(4), false],
    [packet(1001), true],
  ] as const)
    assert.equal(await known(one), was);
});

test('a session without a filter is there after a restart', async (t) => {
  const where = folders(t);
  let bench = await open(t, where);
  bench.sessions.resume('bare');
  assert.equal(bench.sessions.get('bare')?.isPresent, false);
  bench = await again(t, bench, where);
  bench.sessions.resume('bare');
  assert.equal(bench.sessions.get('bare')?.isPresent, true);
});

test('a session with another owner is not given to a client of the same name', async (t) => {
  const where = folders(t);
  let bench = await open(t, where);
  bench.sessions.resume('a', 'user:anna');
  await bench.persistence.addSubscriptions({ id: 'a' }, [{ topic: 'plant/#', qos: 1 }]);
  bench.sessions.away('a');
  await bench.publish('plant/t', 'for anna');
  bench = await again(t, bench, where);
  assert.equal(bench.sessions.get('a')?.owner, 'user:anna');
  bench.sessions.resume('a', 'user:bert');
  assert.deepEqual([bench.waiting('a'), bench.sessions.filters('a')], [[], []]);
  bench = await again(t, bench, where);
  assert.deepEqual([bench.sessions.get('a')?.owner, bench.waiting('a')], ['user:bert', []]);
});

test('a start keeps to limits that the last run did not have', async (t) => {
  const where = folders(t);
  const file = new BrokerFile({
    stateDir: where.stateDir,
    runtimeDir: undefined,
    clock: systemClock,
    onFault: () => {},
    onRepair: () => {},
  });
  await file.open(() => []);
  const put = (table: BrokerChange['table'], ...values: BrokerChange['values']) =>
    file.change({ table, values, gone: false }, 'now');
  const [sessions, messages, retained] = [limits.MAX_SESSIONS + 8, limits.MAX_SESSION_MESSAGES + 500, limits.MAX_RETAINED + 10];
  for (let key = 1; key <= sessions; key++) {
    put('session', key, `c${key}`, 'anonymous', key * 1000, null, null);
    put('filter', key, 'plant/#', 1, '{}', null, null);
  }
  for (let n = 1; n <= messages; n++) {
    put('message', n, 'plant/t', Buffer.from(`m${n}`), 1, 'user:pub');
    put('place', 1, n, 0, 1, 0);
  }
  put('place', sessions, 1, 0, 1, 0);
  for (let n = 0; n < retained; n++) put('retained', `state/${n}`, Buffer.from('r'), 1, n % 2 === 0 ? 'user:a' : 'user:b');
  assert.equal(await file.settled(), true);
  await file.close();
  let bench = await open(t, where);
  const check = () => {
    assert.deepEqual(
      [...bench.sessions.all()].map(({ key }) => key).sort((a, b) => a - b),
      Array.from({ length: limits.MAX_SESSIONS }, (_, i) => i + 1),
    );
    assert.deepEqual(bench.waiting('c1'), numbers(501, messages + 1));
    assert.equal(bench.retained.count, limits.MAX_RETAINED);
  };
  check();
  assert.deepEqual(bench.lost, [[`c${sessions}`, 1, 'displaced']]);
  assert.deepEqual([bench.sessions.queues.dropped, bench.overflows], [500, ['c1']]);
  bench = await again(t, bench, where);
  check();
  assert.deepEqual([bench.lost, bench.sessions.queues.dropped], [[], 0]);
});

const pump: Shape = { device: 'pump', points: [{ name: 'n', type: 'float64', storage: 'number' }] };
async function openLog(t: TestContext, where: Folders): Promise<Log> {
  const options = { ...where, stateDir: where.stateDir, runtimeDir: where.runtimeDir, clock: systemClock };
  const log = await Log.open({ ...options, maxSize: 16e6, maxAge: 1e13, commitEvery: 3_600_000 });
  t.after(() => log.abandon());
  log.setClock(1e6, false);
  log.setInventory('{}');
  await log.flush();
  return log;
}
/** What a gateway does with an alarm, an event or a record: into the log, and to the broker. */
class Publisher {
  readonly #bench: KeptBench;
  readonly #log: Log;
  constructor(bench: KeptBench, log: Log) {
    this.#bench = bench;
    this.#log = log;
  }
  async notice(kind: 'alarm' | 'event', key: string, n: number): Promise<void> {
    const { seq, json } = this.#log.notice(kind, key, systemClock.monotonic(), { n });
    await this.#publish(kind === 'alarm' ? `alarm/${key}` : 'event', json, seq);
  }
  async data(n: number): Promise<void> {
    const record = this.#log.append({ shape: pump, at: systemClock.monotonic(), values: [n], reasons: null });
    await this.#publish('data', `live ${n}`, record?.seq ?? 0);
  }
  async #publish(topic: string, text: string, seq: number): Promise<void> {
    const payload = Buffer.from(text);
    this.#bench.kept.mark(payload, { first: seq, last: seq });
    await this.#bench.deliver({ cmd: 'publish', topic: `${ROOT}/${topic}`, payload, qos: 1, retain: false, dup: false });
  }
}
/** It waits for the log as long as it takes: a slow machine leaves nothing out. */
const patient: Clock = {
  ...systemClock,
  after: (ms, run) => (ms === limits.BACKLOG_WITHIN ? () => {} : systemClock.after(ms, run)),
};
const openWith = async (t: TestContext, where: Folders, log: Log): Promise<KeptBench> => {
  const bench = await KeptBench.open({
    ...{ folders: where, clock: patient },
    backlog: new LogBacklog(
      () => log,
      { ...systemClock, after: () => () => {} },
      () => 'g1',
    ),
  });
  t.after(() => bench.kept.close());
  return bench;
};
/** `n` of notices, values of records. */
function contents(waiting: readonly string[]): (number | undefined)[] {
  return waiting.flatMap((text) => {
    if (text.startsWith('live ')) return [Number(text.slice(5))];
    const message = JSON.parse(text) as { n?: number; records?: { values: { n: number } }[] };
    return message.records?.map(({ values }) => values.n) ?? [message.n];
  });
}

test("the gateway's own messages come from the log after a restart, and are stored nowhere else", async (t) => {
  const where = folders(t);
  let log = await openLog(t, where);
  let bench = await openWith(t, where, log);
  let own = new Publisher(bench, log);
  await own.notice('event', 'early', 1);
  await bench.client('all', `${ROOT}/#`);
  await bench.client('alarms', `${ROOT}/alarm/+`);
  for (const id of ['all', 'alarms']) bench.sessions.away(id);
  await own.notice('alarm', 'high', 2);
  assert.deepEqual(contents(await bench.drain('all')), [2]);
  const commits = bench.kept.status().commits;
  for (let n = 3; n < 203; n++) await own.data(n);
  await own.notice('alarm', 'high', 203);
  await own.notice('event', 'test', 204);
  assert.equal(bench.kept.status().commits, commits, 'the card is not written for what is in the log');
  assert.deepEqual(
    contents(bench.waiting('all')),
    Array.from({ length: 202 }, (_, i) => i + 3),
  );
  await bench.kept.close();
  // As a kill does: what was not committed comes from the runtime directory.
  await log.abandon();
  log = await openLog(t, where);
  bench = await openWith(t, where, log);
  own = new Publisher(bench, log);
  await own.notice('alarm', 'high', 205);
  assert.deepEqual(
    contents(bench.waiting('all')),
    Array.from({ length: 203 }, (_, i) => i + 3),
  );
  assert.deepEqual(contents(bench.waiting('alarms')), [2, 203, 205]);
  assert.ok(bench.waiting('all').length < 20, 'readings come in batches');
  assert.deepEqual(contents(await bench.drain('alarms')), [2, 203, 205]);
  await bench.kept.close();
  bench = await openWith(t, where, log);
  assert.deepEqual(contents(bench.waiting('alarms')), []);
  assert.equal(bench.left.length, 0);
});

test('of a long absence the newest readings are queued, and which are left out is reported', async (t) => {
  const where = folders(t);
  const log = await openLog(t, where);
  let bench = await openWith(t, where, log);
  await bench.client('all', `${ROOT}/#`);
  bench.sessions.away('all');
  await bench.kept.close();
  const first = log.next;
  const noise = (n: number) => Math.sin(n) * 1e9;
  log.notice('alarm', 'high', systemClock.monotonic(), { n: 1 });
  for (let n = 0; n < 30_000; n++) {
    log.append({ shape: pump, at: systemClock.monotonic(), values: [noise(n)], reasons: null });
    if (n % 2_000 === 0) await log.flush();
  }
  bench = await openWith(t, where, log);
  const waiting = bench.waiting('all');
  const [[client, left]] = bench.left as [[string, { log: string; first: number; last: number }]];
  assert.deepEqual([client, left.log, left.first], ['all', log.id, first]);
  assert.ok(bench.sessions.queues.bytes <= limits.MAX_SESSION_BYTES);
  assert.ok(
    waiting.some((text) => (JSON.parse(text) as { n?: number }).n === 1),
    'the alarm is kept',
  );
  const kept = contents(waiting).filter((n) => n !== 1);
  assert.equal(kept.at(-1), noise(29_999));
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, i) => noise(30_000 - kept.length + i)),
  );
});
