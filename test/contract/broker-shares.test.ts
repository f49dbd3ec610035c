/**
 * Shares of accounts in what the broker keeps, by models of random actions: sessions, queues, retained messages, places. One rule for
 * all of them: what an account loses to another one, it loses only while it has more than that one, counting what that one adds.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Clock } from '../../src/core/clock.ts';
import * as limits from '../../src/forwarders/broker/limits.ts';
import { Places } from '../../src/forwarders/broker/places.ts';
import { GATEWAY, type QueuedPacket } from '../../src/forwarders/broker/queue.ts';
import { Retained } from '../../src/forwarders/broker/retained.ts';
import { Sessions } from '../../src/forwarders/broker/sessions.ts';
import { Ledger } from '../../src/forwarders/broker/shares.ts';
import { ANONYMOUS } from '../../src/forwarders/broker/topic-rules.ts';

const ACCOUNTS = [ANONYMOUS, 'user:a', 'user:b', 'device:c', 'token:d'];
const account = fc.constantFrom(...ACCOUNTS);

/** A clock that goes on by one millisecond at each look. */
function ticking(): Clock {
  let now = 0;
  return { monotonic: () => now++, wall: () => 0, after: () => () => {}, exactly: () => () => {} };
}

/** What each account has now, from outside. */
type Uses = ReadonlyMap<string, { readonly count: number; readonly bytes: number }>;

const NOTHING = { count: 0, bytes: 0 };

/** @param by whose action it was @param asked what it wanted to add */
function judge(before: Uses, after: Uses, by: string, asked: { count: number; bytes: number }): void {
  for (const other of ACCOUNTS) {
    if (other === by) continue;
    const had = before.get(other) ?? NOTHING;
    const has = after.get(other) ?? NOTHING;
    if (has.count >= had.count && has.bytes >= had.bytes) continue;
    const own = before.get(by) ?? NOTHING;
    assert.ok(
      had.count > own.count + asked.count - 1 || had.bytes > own.bytes,
      `${other} lost with ${JSON.stringify(had)} to ${by} with ${JSON.stringify(own)}`,
    );
  }
}

test('model: an account beyond its share or the total loses its own, before one with less does', () => {
  const step = fc.record({ account, count: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const ledger = new Ledger({ count: 40, bytes: 400 }, { count: 20, bytes: 200 });
      const items = new Map<string, number[]>(ACCOUNTS.map((name) => [name, []]));
      const of = (name: string) => items.get(name) as number[];
      const sum = (name: string) => of(name).reduce((a, b) => a + b, 0);
      for (const { account: by, count, bytes } of steps) {
        for (let i = 0; i < count; i++) {
          of(by).push(bytes);
          ledger.add(by, 1, bytes);
          for (let loser = ledger.loser(by); loser !== undefined; loser = ledger.loser(by)) {
            const { account: from, why, measure } = loser;
            const use = { count: of(from).length, bytes: sum(from) };
            if (why === 'share') assert.equal(from, by);
            for (const name of ACCOUNTS) {
              const others = measure === 'count' ? of(name).length : sum(name);
              if (why === 'total') assert.ok(others <= use[measure], `${name} has more than ${from}`);
              // The one that asks gives way to its equals.
              if (why === 'total' && name === by && from !== by) assert.ok(others < use[measure]);
            }
            const gone = of(from).shift();
            assert.ok(gone !== undefined, 'somebody who has nothing is asked to give way');
            ledger.add(from, -1, -gone);
          }
        }
        const all = ACCOUNTS.map((name) => ({ count: of(name).length, bytes: sum(name) }));
        for (const [i, name] of ACCOUNTS.entries()) {
          const { count: held, bytes: size } = ledger.of(name);
          assert.deepEqual({ count: held, bytes: size }, all[i]);
          if (name !== ANONYMOUS) assert.ok(held <= 20 && size <= 200);
        }
        assert.deepEqual(
          [ledger.count, ledger.bytes],
          [all.reduce((a, b) => a + b.count, 0), all.reduce((a, b) => a + b.bytes, 0)],
        );
        assert.ok(ledger.count <= 40 && ledger.bytes <= 400);
      }
    }),
  );
});

function newSessions(): Sessions {
  return new Sessions({
    ...{ clock: ticking(), alarms: 'alarm/', again: 'resend/', roomy: async () => {} },
    ...{ onOverflow: () => {}, onLost: () => {} },
  });
}

function sessionsOf(sessions: Sessions): Uses {
  const uses = new Map<string, { count: number; bytes: number }>();
  for (const { owner } of sessions.all()) uses.set(owner, { count: (uses.get(owner)?.count ?? 0) + 1, bytes: 0 });
  return uses;
}

test('model: sessions of an account end for those of another only while it has more', () => {
  const step = fc.record({
    account,
    id: fc.integer({ min: 0, max: 39 }),
    do: fc.constantFrom('begin', 'begin', 'begin', 'away', 'end'),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 300 }), (steps) => {
      const sessions = newSessions();
      for (const { account: by, id, do: what } of steps) {
        const name = `${by}/${id}`;
        const before = sessionsOf(sessions);
        if (what === 'away') sessions.away(name);
        else if (what === 'end') sessions.end(name);
        else if (sessions.accepts(name, by)) {
          sessions.resume(name, by);
          assert.equal(sessions.get(name)?.owner, by, 'who was accepted has its session');
        } else {
          // Nobody has more than the one session it asks for.
          assert.ok(!before.has(by) && [...before.values()].every(({ count }) => count === 1));
        }
        const after = sessionsOf(sessions);
        judge(before, after, by, { count: 1, bytes: 0 });
        assert.ok(sessions.count <= limits.MAX_SESSIONS);
        for (const [owner, { count }] of after) if (owner !== ANONYMOUS) assert.ok(count <= limits.MAX_ACCOUNT_SESSIONS);
      }
    }),
  );
});

test('model: an account loses messages in a queue to another only while it has more there', () => {
  const account = fc.constantFrom(...ACCOUNTS, GATEWAY);
  const step = fc.record({ by: account, isAlarm: fc.boolean(), size: fc.constantFrom(100, 20_000, 90_000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 150 }), (steps) => {
      const sessions = newSessions();
      sessions.resume('r', 'user:r');
      sessions.away('r');
      const queue = () => sessions.get('r')?.queue.entries ?? [];
      const ordinary = () => queue().filter(({ topic }) => topic === 'x');
      const bytesOf = (from: string) =>
        queue().reduce((sum, one) => sum + (one.from === from ? one.topic.length + one.payload.length : 0), 0);
      for (const [i, { by, isAlarm, size }] of steps.entries()) {
        // Only the gateway has alarms.
        const topic = isAlarm && by === GATEWAY ? 'alarm/x' : 'x';
        const all = [...ACCOUNTS, GATEWAY].map((name) => [name, bytesOf(name)] as const);
        const before = [...queue()];
        const others = before.some((one) => one.topic === 'x' && one.from !== by);
        sessions.queues.enqueue('r', queued(i, topic, size), { from: by });
        const gone = before.filter((one) => !queue().includes(one));
        for (const one of gone) {
          if (one.topic !== 'x') assert.deepEqual(ordinary(), [], 'an alarm went before an ordinary message');
          else if (one.from !== by && topic === 'x')
            assert.ok((all.find(([name]) => name === one.from)?.[1] ?? 0) > bytesOf(by), `${one.from} lost to ${by}`);
          // What went was the oldest of who published it.
          assert.ok(
            !queue().some(
              (later) =>
                later.from === one.from &&
                later.topic === one.topic &&
                before.indexOf(later) >= 0 &&
                before.indexOf(later) < before.indexOf(one),
            ),
          );
        }
        if (!others && topic === 'x') assert.ok(gone.every((one) => one.from === by || one.topic !== 'x'));
        assert.ok((sessions.get('r')?.queue.bytes ?? 0) <= limits.MAX_SESSION_BYTES);
      }
    }),
  );
});

test('model: queues of an account lose messages for those of another only while they have more', () => {
  const step = fc.record({ to: account, session: fc.integer({ min: 0, max: 3 }), size: fc.constantFrom(60_000, 100_000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 200 }), (steps) => {
      const sessions = newSessions();
      for (const owner of ACCOUNTS) for (let i = 0; i < 4; i++) sessions.resume(`${owner}/${i}`, owner);
      const uses = (): Uses => {
        const held = new Map<string, { count: number; bytes: number }>();
        for (const { owner, queue } of sessions.all()) {
          const { count, bytes } = held.get(owner) ?? NOTHING;
          held.set(owner, { count: count + queue.length, bytes: bytes + queue.bytes });
        }
        return held;
      };
      for (const [i, { to, session, size }] of steps.entries()) {
        const before = uses();
        sessions.queues.enqueue(`${to}/${session}`, queued(i, 'x', size), { from: 'user:p' });
        const after = uses();
        for (const other of ACCOUNTS) {
          if (other === to || (after.get(other)?.bytes ?? 0) >= (before.get(other)?.bytes ?? 0)) continue;
          assert.ok((before.get(other)?.bytes ?? 0) > (before.get(to)?.bytes ?? 0), `${other} lost to ${to}`);
        }
        for (const [owner, { bytes }] of after) if (owner !== ANONYMOUS) assert.ok(bytes <= limits.MAX_ACCOUNT_QUEUED_BYTES);
        assert.ok(sessions.queues.bytes <= limits.MAX_ALL_SESSIONS_BYTES);
        assert.equal(
          sessions.queues.bytes,
          [...after.values()].reduce((sum, { bytes }) => sum + bytes, 0),
        );
      }
    }),
  );
});

function queued(n: number, topic: string, size: number): QueuedPacket {
  return {
    cmd: 'publish',
    topic,
    payload: Buffer.alloc(size),
    qos: 1,
    retain: false,
    dup: false,
    brokerId: 'b',
    brokerCounter: n,
  };
}

test('model: retained messages of an account go for those of another only while it has more', () => {
  const step = fc.record({
    account,
    topic: fc.integer({ min: 0, max: 30 }),
    size: fc.constantFrom(0, 100_000, 200_000),
    others: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 200 }), (steps) => {
      const retained = new Retained('sluice/g', { get: () => undefined, all: () => [] });
      const model = new Map<string, { readonly owner: string; readonly bytes: number }>();
      const bytesOf = (owner: string) => [...model.values()].reduce((sum, one) => sum + (one.owner === owner ? one.bytes : 0), 0);
      let by = '';
      retained.onDisplaced = (topic) => {
        const { owner = '' } = model.get(topic) ?? {};
        if (owner !== by) assert.ok(bytesOf(owner) > bytesOf(by), `${owner} lost ${topic} to ${by}`);
        assert.ok(model.delete(topic), `${topic} went twice`);
      };
      for (const { account, topic, size, others } of steps) {
        by = account;
        // Most topics are of one account; some belong to everybody.
        const name = others === 0 ? `all/${topic}` : `${by}/${topic}`;
        const packet = { cmd: 'publish', topic: name, payload: Buffer.alloc(size), qos: 1, retain: true } as const;
        const before = model.get(name);
        const more = size + name.length - (before?.owner === by ? before.bytes : 0);
        const takes = size === 0 || by === ANONYMOUS || bytesOf(by) + more <= limits.MAX_ACCOUNT_RETAINED_BYTES;
        assert.equal(retained.takes(packet, by), takes, 'its share alone decides');
        if (retained.takes(packet, by)) {
          model.delete(name);
          if (size > 0) model.set(name, { owner: by, bytes: size + name.length });
        }
        retained.keep(packet, by);
        for (const owner of ACCOUNTS) if (owner !== ANONYMOUS) assert.ok(bytesOf(owner) <= limits.MAX_ACCOUNT_RETAINED_BYTES);
        assert.ok(retained.bytes <= limits.MAX_RETAINED_BYTES);
        assert.deepEqual([retained.count, retained.bytes], [model.size, ACCOUNTS.reduce((sum, one) => sum + bytesOf(one), 0)]);
      }
      const rows = [...retained.rows()].map(({ values: [topic, , , owner] }) => [topic, owner]);
      assert.deepEqual(new Map(rows as [string, string][]), new Map([...model].map(([topic, { owner }]) => [topic, owner])));
    }),
    { numRuns: 30 },
  );
});

test('model: clients of an account lose their place for those of another only while it has more', () => {
  const step = fc.record({
    account,
    listens: fc.boolean(),
    leaves: fc.integer({ min: 0, max: 9 }),
    wait: fc.constantFrom(0, 0, limits.IDLE_AFTER, limits.STAYS),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 80, maxLength: 300 }), (steps) => {
      let now = 0;
      const places = new Places<{ readonly owner: string }>({ ...ticking(), monotonic: () => now });
      const here = new Set<{ readonly owner: string }>();
      const uses = (owner: string) => [...here].filter((guard) => guard.owner === owner).length;
      for (const { account: by, listens, leaves, wait } of steps) {
        now += wait;
        if (leaves === 0) {
          const [first] = here;
          if (first !== undefined) {
            places.leaves(first);
            here.delete(first);
          }
        }
        const guard = { owner: by };
        places.arrives(guard);
        const place = places.accepts(guard, by, () => listens, undefined);
        const full = here.size >= limits.MAX_CONNECTIONS;
        if (place === 'share') assert.ok(uses(by) >= limits.MAX_PER_ACCOUNT && by !== ANONYMOUS);
        else if (place === 'full') {
          assert.ok(full);
          for (const other of ACCOUNTS) if (other !== by) assert.ok(uses(other) <= uses(by) + 1, `${other} could have given way`);
        } else {
          const { displaced } = place;
          assert.equal(displaced !== undefined, full);
          if (displaced !== undefined && displaced.owner !== by) assert.ok(uses(displaced.owner) > uses(by) + 1);
          if (displaced !== undefined) here.delete(displaced);
          here.add(guard);
        }
        if (place === 'full' || place === 'share') places.leaves(guard);
        assert.ok(here.size <= limits.MAX_CONNECTIONS);
      }
    }),
  );
});
