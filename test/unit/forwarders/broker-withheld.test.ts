/** What the broker acknowledged to a publisher is on the disk, or nobody needs it there: while the disk fails, and while it is late. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import type { Turns } from '../../../src/forwarders/broker/lanes.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { CommittingDisk } from '../../fakes/committing-disk.ts';
import { Connection, KeptBench } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

type State = 'waits' | 'acknowledged' | 'over';

/** A message on its way: its content, and what its publisher knows of it. */
interface Sent {
  readonly content: string;
  readonly by: Connection;
  state: State;
}

async function make(turns?: Turns) {
  const disk = new CommittingDisk();
  const clock = new ManualClock();
  const bench = await KeptBench.open({ store: disk, clock, ...(turns === undefined ? {} : { turns }) });
  const absent = async (id: string, filter: string): Promise<void> => {
    const granted = bench.client(id, filter);
    disk.commit();
    await granted;
    bench.sessions.away(id);
    disk.commit();
  };
  const send = (topic: string, content: string, { retain = false, by = new Connection(), from = 'user:pub' } = {}): Sent => {
    const sent: Sent = { content, by, state: 'waits' };
    bench.publish(topic, content, 1, retain, from, by).then(
      () => {
        sent.state = 'acknowledged';
      },
      () => {
        sent.state = 'over';
      },
    );
    return sent;
  };
  const onDisk = (id: string): string[] => disk.waiting(bench.sessions.get(id)?.key);
  return { disk, clock, bench, absent, send, onDisk, withheld: () => bench.kept.withheld.count };
}

/** Everything that can happen without the disk has happened. */
async function rest(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn();
}

test('a message for an absent client is handed on and not acknowledged until the disk takes it', async () => {
  const { disk, bench, absent, send, onDisk, withheld } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const all = ['one', 'two', 'three'].map((content) => send('plant/t', content));
  await rest();
  assert.deepEqual(bench.waiting('a'), ['one', 'two', 'three']);
  assert.deepEqual(
    all.map(({ state }) => state),
    ['waits', 'waits', 'waits'],
  );
  assert.deepEqual([withheld(), bench.kept.withheld.bytes], [3, 3 * 'plant/t'.length + 'onetwothree'.length]);
  disk.recover();
  await rest();
  disk.commit();
  await rest();
  assert.deepEqual(
    all.map(({ state }) => state),
    ['acknowledged', 'acknowledged', 'acknowledged'],
  );
  assert.deepEqual(onDisk('a'), ['one', 'two', 'three']);
  assert.deepEqual(bench.waiting('a'), ['one', 'two', 'three']);
  assert.equal(withheld(), 0);
});

test('a message that no session needs is acknowledged while the disk fails', async () => {
  const { disk, absent, send, withheld } = await make();
  await absent('a', 'other/#');
  disk.fail();
  const sent = send('plant/t', 'one');
  await rest();
  assert.equal(sent.state, 'acknowledged');
  assert.equal(withheld(), 0);
});

test('a message that a session has acknowledged needs no disk: its publisher goes on', async () => {
  const { disk, bench, absent, send, withheld } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const sent = send('plant/t', 'one');
  await rest();
  assert.equal(sent.state, 'waits');
  assert.deepEqual(await bench.drain('a'), ['one']);
  await rest();
  assert.equal(sent.state, 'acknowledged');
  assert.equal(withheld(), 0);
});

test('a message whose session ends needs no disk any more', async () => {
  const { disk, bench, absent, send } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const sent = send('plant/t', 'one');
  await rest();
  bench.sessions.end('a');
  await rest();
  assert.equal(sent.state, 'acknowledged');
});

test('a retained message is acknowledged when the disk has it; subscribers get it before', async () => {
  const { disk, bench, send } = await make();
  const before = send('state/1', 'off', { retain: true });
  await rest();
  disk.commit();
  await rest();
  assert.equal(before.state, 'acknowledged');
  disk.fail();
  const sent = send('state/1', 'on', { retain: true });
  await rest();
  assert.deepEqual([sent.state, bench.retained.of('state/1')?.payload.toString()], ['waits', 'on']);
  assert.equal(disk.retained('state/1'), 'off');
  disk.recover();
  await rest();
  disk.commit();
  await rest();
  assert.deepEqual([sent.state, disk.retained('state/1')], ['acknowledged', 'on']);
});

test('a retained message that its account has no space for waits for no disk', async () => {
  const { disk, send } = await make();
  const most = limits.MAX_ACCOUNT_RETAINED_BYTES;
  disk.fail();
  const sent = send('state/1', 'x'.repeat(most), { retain: true });
  await rest();
  assert.equal(sent.state, 'acknowledged');
});

test('a publisher waits for a bounded time; then it is ended, its messages taken back', async () => {
  const { disk, clock, bench, absent, send, withheld } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const by = new Connection();
  const first = send('plant/t', 'one', { by });
  await rest();
  await clock.advance(limits.WITHHELD_WITHIN - 1);
  const second = send('plant/t', 'two', { by });
  const other = send('plant/t', 'three');
  await rest();
  assert.deepEqual([by.behinds, first.state, bench.waiting('a')], [0, 'waits', ['one', 'two', 'three']]);
  await clock.advance(1);
  await rest();
  assert.deepEqual([by.behinds, first.state, second.state, other.state], [1, 'over', 'over', 'waits']);
  assert.deepEqual([bench.waiting('a'), withheld()], [['three'], 1]);
  // It sends them again, and a session has each once.
  const again = [send('plant/t', 'one'), send('plant/t', 'two')];
  await rest();
  disk.recover();
  await rest();
  disk.commit();
  await rest();
  assert.deepEqual(
    [...again, other].map(({ state }) => state),
    ['acknowledged', 'acknowledged', 'acknowledged'],
  );
  assert.deepEqual(bench.waiting('a'), ['three', 'one', 'two']);
});

test('what went to a client stays with it when its publisher goes', async () => {
  const { disk, bench, absent, send } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const [one, two] = [send('plant/t', 'one'), send('plant/t', 'two')];
  await rest();
  bench.sessions.resume('a');
  const [packet] = await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray();
  await bench.persistence.outgoingUpdate({ id: 'a' }, { cmd: 'publish', brokerCounter: packet.brokerCounter, messageId: 1 });
  for (const { by } of [one, two]) by.end();
  assert.deepEqual(bench.waiting('a'), ['one']);
});

test('a message whose publisher went on the way is in no queue: it is sent again', async () => {
  const { disk, bench, absent, send } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const by = new Connection();
  const payload = Buffer.from('one');
  const packet = { cmd: 'publish', topic: 'plant/t', payload, qos: 1, retain: false, dup: false, messageId: 7 } as const;
  await new Promise((resolve) => bench.kept.admit(packet, 'user:pub', resolve, by));
  // Behind the PUBACK, which is withheld, aedes hands it on in a later turn.
  by.end();
  await bench.deliver({ ...packet, messageId: undefined });
  assert.deepEqual(bench.waiting('a'), []);
  send('plant/t', 'one');
  await rest();
  assert.deepEqual(bench.waiting('a'), ['one']);
});

test('a retained message that waited for its turn leaves the row to a newer one', async () => {
  const later: (() => void)[] = [];
  const { disk, clock, bench, send } = await make({ enter: () => false, later: (run) => later.push(run) });
  const go = async (): Promise<void> => {
    for (const run of later.splice(0)) run();
    await rest();
  };
  send('state/1', 'old', { retain: true });
  await rest();
  disk.commit();
  await rest();
  await go();
  // It is late, and waits for its turn without the disk.
  const one = send('state/1', 'one', { retain: true });
  await rest();
  await clock.advance(limits.LATE_AFTER);
  disk.commit();
  await rest();
  // The disk is in time again.
  const two = send('state/1', 'two', { retain: true });
  await rest();
  disk.commit();
  await rest();
  await go();
  await go();
  assert.equal(two.state, 'acknowledged');
  for (let i = 0; i < 3; i++) {
    disk.commit();
    await rest();
  }
  assert.equal(one.state, 'acknowledged');
  assert.deepEqual([bench.retained.of('state/1')?.payload.toString(), disk.retained('state/1')], ['two', 'two']);
});

test('of two accounts the disk has the retained message that came to the receivers last', async () => {
  const later: (() => void)[] = [];
  const { disk, bench, send } = await make({ enter: () => false, later: (run) => later.push(run) });
  const one = send('state/1', 'one', { retain: true, from: 'user:a' });
  const two = send('state/1', 'two', { retain: true, from: 'user:b' });
  await rest();
  disk.commit();
  await rest();
  // The turn of the second one comes first.
  for (const run of later.splice(0).reverse()) {
    run();
    await rest();
  }
  assert.deepEqual([one.state, two.state], ['acknowledged', 'acknowledged']);
  disk.commit();
  await rest();
  assert.deepEqual([bench.retained.of('state/1')?.payload.toString(), disk.retained('state/1')], ['one', 'one']);
});

test('a disk that is late ends nobody: messages are handed on in order, acknowledged behind it', async () => {
  const { disk, clock, bench, absent, send, onDisk } = await make();
  await absent('a', 'plant/#');
  const all = ['one', 'two', 'three'].map((content) => send('plant/t', content));
  await clock.advance(limits.LATE_AFTER - 1);
  await rest();
  assert.deepEqual(bench.waiting('a'), []);
  await clock.advance(1);
  await rest();
  assert.deepEqual(bench.waiting('a'), ['one', 'two', 'three']);
  // While it is late nobody begins to wait.
  all.push(send('plant/t', 'four'));
  const free = send('free/t', 'free');
  await rest();
  assert.deepEqual(bench.waiting('a'), ['one', 'two', 'three', 'four']);
  assert.equal(free.state, 'acknowledged');
  assert.ok(all.every(({ state, by }) => state === 'waits' && by.behinds === 0));
  disk.commit();
  await rest();
  disk.commit();
  await rest();
  assert.ok(all.every(({ state }) => state === 'acknowledged'));
  assert.deepEqual(onDisk('a'), ['one', 'two', 'three', 'four']);
  // It is in time again: the next one waits in front of its receivers.
  send('plant/t', 'five');
  await rest();
  assert.equal(bench.waiting('a').length, 4);
  disk.commit();
  await rest();
  assert.equal(bench.waiting('a').length, 5);
});

test('an account has a bound of messages that wait for the disk', async () => {
  const { disk, clock, bench, absent, send } = await make();
  await absent('a', 'plant/#');
  disk.fail();
  const most = limits.MAX_ACCOUNT_UNSETTLED_MESSAGES;
  const all = Array.from({ length: most + 3 }, (_, i) => send('plant/t', `${i}`));
  const other = send('plant/t', 'other', { from: 'user:other' });
  await rest();
  assert.deepEqual([all.filter(({ state }) => state === 'over').length, other.state], [3, 'waits']);
  // The queue of the session is full by then, and its oldest message needs no disk any more.
  assert.equal(bench.kept.withheld.count, most);
  await clock.advance(limits.WITHHELD_WITHIN);
  assert.deepEqual(bench.kept.withheld, { count: 0, bytes: 0 });
});

test('beyond the bytes of all accounts an account with something waiting adds little', async () => {
  const { absent, send } = await make();
  await absent('a', 'plant/#');
  const big = 'x'.repeat(limits.MAX_ACCOUNT_UNSETTLED / 2 - 100);
  const sendAs = (from: string) => send('plant/t', big, { from });
  const first = ['b', 'c', 'd', 'e'].flatMap((name) => [sendAs(name), sendAs(name)]);
  send('plant/t', 'x'.repeat(2000), { from: 'g' });
  await rest();
  assert.ok(first.every(({ state }) => state === 'waits'));
  const [one, two] = [sendAs('f'), sendAs('f')];
  await rest();
  assert.deepEqual([one.state, two.state], ['waits', 'over']);
});

/** A client with a session of its own that publishes with QoS 2. */
class Twice extends Connection {
  readonly id = 'p';
  readonly clean = false;
}

const exactly = (content: string, messageId = 9) =>
  ({ cmd: 'publish', topic: 'plant/t', payload: Buffer.from(content), qos: 2, retain: false, dup: false, messageId }) as const;

test('a message of QoS 2 waits in front of its receivers; one whose client went is no repeat', async () => {
  const { disk, bench, absent, onDisk } = await make();
  await absent('a', 'plant/#');
  await absent('p', 'none');
  bench.sessions.resume('p');
  disk.fail();
  const first = new Twice();
  const lost = bench.persistence.incomingStorePacket(first, exactly('once'));
  await rest();
  assert.deepEqual([bench.waiting('a'), first.reads], [[], 1]);
  first.end();
  await assert.rejects(lost, /over/);
  const second = new Twice();
  await assert.rejects(bench.persistence.incomingGetPacket(second, exactly('once')), /no such packet/);
  let stored = false;
  const storing = bench.persistence.incomingStorePacket(second, exactly('once')).then(() => {
    stored = true;
  });
  await rest();
  disk.recover();
  await rest();
  assert.equal(stored, false);
  disk.commit();
  await storing;
  assert.deepEqual([onDisk('a'), disk.incoming(bench.sessions.get('p')?.key)], [['once'], 1]);
  await bench.deliver({ ...exactly('once'), messageId: undefined });
  assert.deepEqual(bench.waiting('a'), ['once']);
});

test('a message of QoS 2 that no session needs goes on, and its PUBREL as well', async () => {
  const { disk, bench, absent } = await make();
  await absent('p', 'none');
  bench.sessions.resume('p');
  disk.fail();
  const client = new Twice();
  await bench.persistence.incomingStorePacket(client, exactly('once'));
  await bench.persistence.incomingDelPacket(client, { cmd: 'pubrel', messageId: 9 });
  assert.equal(bench.sessions.get('p')?.incoming.size, 0);
});

test('a PUBCOMP waits for a disk that has its number, and so does that of a repeated PUBREL', async () => {
  const { disk, bench, absent } = await make();
  await absent('p', 'none');
  bench.sessions.resume('p');
  const key = bench.sessions.get('p')?.key;
  const first = new Twice();
  const stored = bench.persistence.incomingStorePacket(first, exactly('once'));
  await rest();
  disk.commit();
  await stored;
  assert.equal(disk.incoming(key), 1);
  disk.fail();
  const lost = bench.persistence.incomingDelPacket(first, { cmd: 'pubrel', messageId: 9 });
  await rest();
  first.end();
  await assert.rejects(lost, /over/);
  const second = new Twice();
  assert.equal((await bench.persistence.incomingGetPacket(second, { cmd: 'pubrel', messageId: 9 })).messageId, 9);
  let complete = false;
  const completing = bench.persistence.incomingDelPacket(second, { cmd: 'pubrel', messageId: 9 }).then(() => {
    complete = true;
  });
  await rest();
  assert.equal(complete, false);
  disk.recover();
  await rest();
  // Everything anew has its number still.
  assert.deepEqual([complete, disk.incoming(key)], [false, 1]);
  disk.commit();
  await completing;
  assert.deepEqual([disk.incoming(key), bench.sessions.get('p')?.incoming.size], [0, 0]);
});

test('a PUBCOMP behind a late disk lets pings through, and its client waits for a bounded time', async () => {
  const { disk, clock, bench, absent, withheld } = await make();
  await absent('p', 'none');
  bench.sessions.resume('p');
  const client = new Twice();
  const stored = bench.persistence.incomingStorePacket(client, exactly('once'));
  await rest();
  disk.commit();
  await stored;
  const lost = bench.persistence.incomingDelPacket(client, { cmd: 'pubrel', messageId: 9 });
  await rest();
  await clock.advance(limits.LATE_AFTER);
  await rest();
  assert.deepEqual([client.reads, withheld(), client.behinds], [1, 1, 0]);
  const ended = assert.rejects(lost, /over/);
  await clock.advance(limits.WITHHELD_WITHIN);
  await ended;
  assert.equal(client.behinds, 1);
});

test('a PUBREL waits for a late disk for a bounded time', async () => {
  const { disk, clock, bench } = await make();
  const granted = bench.client('a', 'plant/#', 2);
  await rest();
  disk.commit();
  await granted;
  await bench.publish('plant/t', 'once', 2);
  await rest();
  disk.commit();
  const [packet] = await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray();
  const sent = { cmd: 'publish', brokerCounter: packet.brokerCounter, messageId: 1 };
  await bench.persistence.outgoingUpdate({ id: 'a' }, sent);
  let isReleased = false;
  void bench.persistence.outgoingUpdate({ id: 'a' }, { cmd: 'pubrel', messageId: sent.messageId }).then(() => {
    isReleased = true;
  });
  await rest();
  await clock.advance(limits.LATE_AFTER - 1);
  await rest();
  assert.equal(isReleased, false);
  await clock.advance(1);
  await rest();
  assert.equal(isReleased, true);
});

type Step =
  | {
      readonly kind: 'send';
      readonly topic: 'plant/both' | 'plant/one' | 'free/t';
      readonly retain: boolean;
      readonly who: 0 | 1;
    }
  | { readonly kind: 'commit' | 'fail' | 'recover' | 'take' | 'late' }
  | { readonly kind: 'ends'; readonly who: 0 | 1 };

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('send' as const),
        topic: fc.constantFrom('plant/both' as const, 'plant/one' as const, 'free/t' as const),
        retain: fc.boolean(),
        who: fc.constantFrom(0 as const, 1 as const),
      }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'fail', 'recover', 'take', 'late') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('ends' as const), who: fc.constantFrom(0 as const, 1 as const) }) },
  ),
  { maxLength: 40 },
) as fc.Arbitrary<Step[]>;

test('whatever the disk does, what is acknowledged is on it or with its reader', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { disk, clock, bench, absent, send, onDisk, withheld } = await make();
      await absent('a', 'plant/#');
      await absent('b', 'plant/both');
      const publishers = [new Connection(), new Connection()];
      const messages: { readonly sent: Sent; readonly topic: string; readonly retain: boolean; checked: boolean }[] = [];
      const taken: string[] = [];
      const check = (): void => {
        for (const [i, message] of messages.entries()) {
          const { sent, topic, retain } = message;
          if (sent.state !== 'acknowledged' || message.checked) continue;
          message.checked = true;
          if (topic !== 'free/t') assert.ok(onDisk('a').includes(sent.content), `${sent.content} of a`);
          if (topic === 'plant/both')
            assert.ok(onDisk('b').includes(sent.content) || taken.includes(sent.content), `${sent.content} of b`);
          const later = messages.slice(i).filter((one) => one.retain && one.topic === topic);
          if (retain)
            assert.ok(
              later.some((one) => one.sent.content === disk.retained(topic)),
              `${sent.content} retained`,
            );
        }
      };
      for (const step of all) {
        if (step.kind === 'send') {
          const by = publishers[step.who] as Connection;
          const sent = send(step.topic, `m${messages.length}`, { retain: step.retain, by });
          messages.push({ sent, topic: step.topic, retain: step.retain, checked: false });
        } else if (step.kind === 'ends') {
          publishers[step.who]?.end();
          publishers[step.who] = new Connection();
        } else if (step.kind === 'take') taken.push(...(await bench.drain('b')));
        else if (step.kind === 'late') await clock.advance(limits.LATE_AFTER);
        else disk[step.kind]();
        await rest();
        check();
      }
      disk.recover();
      for (let i = 0; i < 4; i++) {
        await rest();
        disk.commit();
        check();
      }
      await rest();
      check();
      assert.equal(withheld(), 0);
      const { acknowledged } = Object.groupBy(messages, ({ sent }) => sent.state);
      assert.ok(messages.every(({ sent }) => sent.state !== 'waits'));
      const of = bench.waiting('a');
      const wanted = (acknowledged ?? []).filter(({ topic }) => topic !== 'free/t').map(({ sent }) => sent.content);
      assert.deepEqual(
        of.filter((content) => wanted.includes(content)),
        wanted.filter((content, i) => wanted.indexOf(content) === i),
        'each once, in the order in which they came',
      );
    }),
    { numRuns: Number(process.env.SLUICE_RUNS ?? 200) },
  );
});
