/** What the service manager and the journal are sent, on real datagram sockets of another program, and when the watchdog is fed. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Bus } from '../../../src/core/ports.ts';
import { Datagrams } from '../../../src/service-manager/datagrams.ts';
import { journalMessage, prefixed } from '../../../src/service-manager/journal.ts';
import { Liveness, type Look, type ThreadState } from '../../../src/service-manager/liveness.ts';
import { PollBeats } from '../../../src/service-manager/poll-beats.ts';
import { ServiceManager } from '../../../src/service-manager/service-manager.ts';
import { threadState } from '../../../src/service-manager/thread-state.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { TRANSPORTS, World } from '../../fakes/modbus-world.ts';
import { notifyReceiver } from '../../harness/notify-receiver.ts';
import { waitFor } from '../../harness/wait-for.ts';

const well: Look = { now: 0, threads: [], buses: [], duties: [], stateOf: () => ({ does: 'runs', ticks: 0 }) };

test('the manager hears of start, readiness, reload, and stop, in this order', async (t) => {
  const other = await notifyReceiver(t);
  if (other === undefined) return;
  const clock = new ManualClock();
  const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: other.socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) };
  const manager = await ServiceManager.of(env, { clock, logger: silentLogger });
  assert.deepEqual(env, {}, 'children do not hear of it');
  manager.starting();
  let words = '1 of 1 bus open';
  manager.ready({ look: () => ({ threads: [], buses: [], duties: [] }), words: () => words });
  await clock.advance(10_000);
  words = '0 of 1 bus open\nand more';
  await clock.advance(10_000);
  assert.equal(await manager.reloading(() => Promise.resolve('done')), 'done');
  await assert.rejects(manager.reloading(() => Promise.reject(new Error('refused'))));
  manager.stopping();
  await clock.advance(60_000);
  await waitFor('all messages', () => other.texts().length >= 9);
  assert.deepEqual(
    other.texts().map((text) => text.replace(/MONOTONIC_USEC=\d+/, 'MONOTONIC_USEC=N')),
    [
      'STATUS=The gateway starts.\nEXTEND_TIMEOUT_USEC=90000000\n',
      'READY=1\nSTATUS=1 of 1 bus open\nWATCHDOG=1\n',
      'WATCHDOG=1\n',
      'STATUS=0 of 1 bus open and more\nWATCHDOG=1\n',
      'RELOADING=1\nMONOTONIC_USEC=N\n',
      'READY=1\n',
      'RELOADING=1\nMONOTONIC_USEC=N\n',
      'READY=1\n',
      'STOPPING=1\nSTATUS=The gateway commits its readings and stops.\n',
    ],
  );
});

test('a manager that began anew is reached again, and one that is away is not waited for', async (t) => {
  const other = await notifyReceiver(t);
  if (other === undefined) return;
  const datagrams = await Datagrams.to(other.socket);
  assert.equal(datagrams?.send('one'), true);
  await waitFor('the first', () => other.texts().length === 1);
  other.child.write('again');
  await waitFor('a new socket', () => other.child.stdout.filter((line) => line === 'open').length === 2);
  assert.equal(datagrams?.send('two'), true);
  await waitFor('the second', () => other.texts().length === 2);
  assert.deepEqual(other.texts(), ['one', 'two']);
  await other.child.stop('SIGKILL');
  assert.equal(datagrams?.send('three'), false);
  datagrams?.close();
});

test('no address of a socket ends the process', async () => {
  for (const address of ['', 'relative', '/nowhere/notify', `/${'x'.repeat(200)}`, `@sluice-test-${process.pid}`, 'vsock:2:1'])
    assert.equal(await Datagrams.to(address), undefined, address);
});

test('the watchdog of another process is not fed', async (t) => {
  const other = await notifyReceiver(t);
  if (other === undefined) return;
  const clock = new ManualClock();
  const env = { NOTIFY_SOCKET: other.socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' };
  const manager = await ServiceManager.of(env, { clock, logger: silentLogger });
  manager.ready({ look: () => ({ threads: [], buses: [], duties: [] }), words: () => 'well' });
  await clock.advance(100_000);
  manager.stopping();
  await waitFor('the end', () => other.texts().some((text) => text.startsWith('STOPPING')));
  assert.ok(other.texts().every((text) => !text.includes('WATCHDOG')));
});

/** Looks as often as the service does, until it is called hung or the time is over. @returns the words, and when */
function looks(
  liveness: Liveness,
  from: number,
  to: number,
  of: (now: number) => Partial<Look>,
): { at: number; words: string } | undefined {
  for (let now = from; now <= to; now += 10_000) {
    const words = liveness.look({ ...well, ...of(now), now });
    if (words !== undefined) return { at: now, words };
  }
  return undefined;
}

/** A thread that owes the same answer since the first look, and what it does. */
const owing = (stateOf: (now: number) => ThreadState, work: (now: number) => object = () => ({})) =>
  looks(new Liveness(), 0, 900_000, (now) => ({
    threads: [{ name: 'writer', waiting: true, answers: 7, ...work(now) }],
    stateOf: () => stateOf(now),
  }));

test('a thread that waits for messages while it owes an answer hangs after 45 s', () => {
  const hung = owing(() => ({ does: 'idle', ticks: 5 }));
  // The first look begins the count, and the second knows its processor time.
  assert.deepEqual(hung, { at: 60_000, words: 'the thread writer of the store has not answered for 60 s' });
  // It computes between two looks, or answers, or owes nothing.
  assert.equal(owing((now) => ({ does: 'idle', ticks: now }))?.at, 310_000);
  for (const work of [(now: number) => ({ answers: now }), () => ({ waiting: false })])
    assert.equal(
      owing(() => ({ does: 'idle', ticks: 5 }), work),
      undefined,
    );
});

test('a thread that runs gets five minutes, and one that waits for the disk all the time', () => {
  assert.equal(owing(() => ({ does: 'runs', ticks: 5 }))?.at, 310_000);
  assert.equal(
    owing(() => ({ does: 'disk', ticks: 5 })),
    undefined,
  );
  // One look that finds it in the disk begins anew.
  assert.equal(owing((now) => ({ does: now === 300_000 ? 'disk' : 'runs', ticks: 5 }))?.at, 610_000);
});

test('a thread that waits for another, which waits for the disk, does not hang', () => {
  const at = (keeper: ThreadState, writer: ThreadState) =>
    looks(new Liveness(), 0, 900_000, () => ({
      threads: [
        { name: 'writer', waiting: false, answers: 1 },
        { name: 'keeper', waiting: true, answers: 1 },
      ],
      stateOf: (name) => (name === 'keeper' ? keeper : writer),
    }));
  const idle: ThreadState = { does: 'idle', ticks: 0 };
  assert.equal(at(idle, { does: 'disk', ticks: 0 }), undefined);
  assert.match(at(idle, idle)?.words ?? '', /^the thread keeper /);
});

test('a bus hangs when its next request is late by 45 s, however long its time-outs are', () => {
  const on = (of: (now: number) => Partial<Look['buses'][number]>) =>
    looks(new Liveness(), 0, 3_000_000, (now) => ({ buses: [{ name: 'field', due: 0, last: 0, by: 0, ...of(now) }] }));
  assert.deepEqual(
    on(() => ({})),
    { at: 50_000, words: 'the bus field has polled nothing for 50 s, and a poll is due' },
  );
  // A time-out of 60 s with all that may follow it.
  assert.equal(on(() => ({ by: 240_000 }))?.at, 280_000);
  // Requests that leave and end, and a meter that is read once an hour.
  assert.equal(
    on((now) => ({ last: now - (now % 40_000) })),
    undefined,
  );
  assert.equal(
    on(() => ({ due: 3_600_000 })),
    undefined,
  );
});

test('a part hangs 45 s after the moment at which it was to do something, and never before', () => {
  const on = (due: (now: number) => number) =>
    looks(new Liveness(), 0, 900_000, (now) => ({ duties: [{ name: 'the timer of the rules', due: due(now) }] }));
  assert.deepEqual(
    on(() => 100_000),
    { at: 140_000, words: 'the timer of the rules is late by 50 s' },
  );
  assert.equal(
    on(() => Number.POSITIVE_INFINITY),
    undefined,
    'nothing is to be done',
  );
  // Late each time, and done each time.
  assert.equal(
    on((now) => now - 5000),
    undefined,
  );
  assert.equal(
    on((now) => now - (now % 40_000)),
    undefined,
  );
});

test('the words name five parts that hang, and a part that is left out is forgotten', () => {
  const duties = Array.from({ length: 7 }, (_, i) => ({ name: `part ${i}`, due: i }));
  const words = looks(new Liveness(), 0, 900_000, () => ({ duties }))?.words.split(', ') ?? [];
  assert.deepEqual(
    words.map((one) => one.split(' is late by ')[0]),
    ['part 0', 'part 1', 'part 2', 'part 3', 'part 4'],
  );
  assert.equal(
    looks(new Liveness(), 0, 900_000, (now) => ({ duties: now % 40_000 === 0 ? [] : duties })),
    undefined,
  );
});

test('nobody is called hung for time in which the machine stood still', () => {
  const liveness = new Liveness();
  const owes = { threads: [{ name: 'writer', waiting: true, answers: 7 }], buses: [{ name: 'field', due: 0, last: 0, by: 0 }] };
  assert.equal(
    looks(liveness, 0, 20_000, () => owes),
    undefined,
  );
  assert.equal(
    looks(liveness, 86_400_000, 86_400_000, () => owes),
    undefined,
    'a day later',
  );
  assert.match(looks(liveness, 86_410_000, 86_450_000, () => owes)?.words ?? '', /bus field/, 'it goes on counting');
});

test('a silent device with the longest time-out and its repeats is no bus that hangs', async () => {
  const world = new World({
    ...{ transport: 'tcp', timeout: 60_000, retries: 5, devices: [{ unit: 1, interval: 1000, addresses: [1] }] },
    answer: () => {},
  });
  const beats = new PollBeats(world.clock);
  beats.beat(world.bus.name);
  const liveness = new Liveness();
  let overdue = 0;
  for (let now = 0; now <= 600_000; now += 10_000) {
    await world.until(now);
    const buses = beats.polled([world.bus]);
    if (world.samples.length === 0 && now > 50_000) overdue++;
    assert.equal(liveness.look({ ...well, now, buses }), undefined, `${now}`);
    for (const _ of world.samples.splice(0)) beats.beat(world.bus.name);
  }
  assert.ok(overdue > 30, 'no sample came for longer than the limit');
  assert.ok(world.asked >= 6, `${world.asked}`);
});

test('a bus of silent devices never hangs, whatever their time-outs; one without timers does', async () => {
  const device = fc.record({
    interval: fc.integer({ min: 200, max: 90_000 }),
    silent: fc.boolean(),
    patience: fc.record({
      timeout: fc.integer({ min: 50, max: 60_000 }),
      turnaround: fc.integer({ min: 0, max: 10_000 }),
      connectDelay: fc.integer({ min: 0, max: 10_000 }),
    }),
  });
  const site = fc.record({
    transport: fc.constantFrom(...TRANSPORTS),
    timeout: fc.integer({ min: 50, max: 60_000 }),
    retries: fc.integer({ min: 0, max: 5 }),
    devices: fc.array(device, { minLength: 1, maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(site, async ({ devices, ...options }) => {
      const world = new World({
        ...options,
        devices: devices.map((one, i) => ({ ...one, unit: i + 1, addresses: [1] })),
        answer: (request) => {
          if (devices[request.unit - 1]?.silent !== true) request.send(request.frame(), 20);
        },
      });
      const beats = new PollBeats(world.clock);
      beats.beat(world.bus.name);
      const liveness = new Liveness();
      const look = (now: number) => liveness.look({ ...well, now, buses: beats.polled([world.bus]) });
      for (let now = 0; now <= 600_000; now += 10_000) {
        await world.until(now);
        for (const _ of world.samples.splice(0)) beats.beat(world.bus.name);
        assert.equal(look(now), undefined, `${now}`);
      }
      // Nothing moves any more, and only the looks go on: every time-out, and 45 s.
      let hung: number | undefined;
      for (let now = 610_000; now <= 1_400_000 && hung === undefined; now += 10_000) if (look(now) !== undefined) hung = now;
      assert.ok(hung !== undefined);
    }),
    { numRuns: 12 },
  );
});

test('a bus that was made while nobody looked at it is watched', async () => {
  const clock = new ManualClock();
  const beats = new PollBeats(clock);
  const bus = { name: 'field', nextPoll: () => 0 } as unknown as Bus;
  beats.beat('field');
  assert.deepEqual(beats.polled([]), [], 'a look between its making and its start');
  const first = beats.polled([bus]);
  await clock.advance(20_000);
  assert.deepEqual(beats.polled([bus]), first, 'it did nothing since');
});

test('whatever answers within its time is never called hung', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.boolean()), { maxLength: 60 }), (steps) => {
      const liveness = new Liveness();
      let now = 0;
      let answers = 0;
      for (const [wait, waiting] of steps) {
        now += wait;
        answers++;
        const threads = [{ name: 'keeper', waiting, answers }];
        assert.equal(
          liveness.look({ ...well, now, threads, buses: [{ name: 'b', due: now - 1, last: now, by: now }] }),
          undefined,
        );
      }
    }),
  );
});

/** Takes what a busy manager would; `full`: its queue is. */
function queue(): { send: (message: string | Uint8Array) => boolean; full: boolean; took: string[] } {
  const one = {
    full: false,
    took: [] as string[],
    send: (message: string | Uint8Array): boolean => {
      if (!one.full) one.took.push(String(message));
      return !one.full;
    },
  };
  return one;
}

test('a manager whose queue is full hears later that the gateway runs, and its words', async () => {
  const clock = new ManualClock();
  const socket = queue();
  const manager = new ServiceManager({ clock, logger: silentLogger, socket, watchdog: 60_000_000 });
  socket.full = true;
  manager.ready({ look: () => ({ threads: [], buses: [], duties: [] }), words: () => 'well' });
  await clock.advance(10_000);
  socket.full = false;
  await clock.advance(20_000);
  manager.stopping();
  assert.deepEqual(socket.took, [
    'READY=1\nSTATUS=well\nWATCHDOG=1\n',
    'WATCHDOG=1\n',
    'STOPPING=1\nSTATUS=The gateway commits its readings and stops.\n',
  ]);
});

test('a reload that is refused during the start or the stop does not say that the gateway runs', async () => {
  const socket = queue();
  const manager = new ServiceManager({ clock: new ManualClock(), logger: silentLogger, socket, watchdog: 60_000_000 });
  const refused = () => assert.rejects(manager.reloading(() => Promise.reject(new Error('not now'))));
  manager.starting();
  await refused();
  manager.stopping();
  await refused();
  assert.ok(socket.took.length === 2 && !socket.took.join().includes('READY=1') && !socket.took.join().includes('RELOADING'));
});

test('a hang ends the feeding and says why, and the manager sees it', async () => {
  const socket = queue();
  const clock = new ManualClock();
  const errors: unknown[] = [];
  const logger = { ...silentLogger, error: (data: object) => void errors.push(data) };
  const manager = new ServiceManager({ clock, logger, socket, watchdog: 60_000_000 });
  const threads = [{ name: 'writer', waiting: true, answers: 1 }];
  manager.ready({ look: () => ({ threads, buses: [], duties: [] }), words: () => 'well' });
  for (let i = 0; i < 30; i++) await clock.advance(20_000);
  manager.stopping();
  const texts = socket.took;
  const hung = texts.findIndex((text) => text.includes('Hangs: the thread writer'));
  assert.ok(hung > 5, `${hung}`);
  assert.ok(texts.slice(hung).every((text) => !text.includes('WATCHDOG=1')));
  assert.equal(errors.length, 1);
});

test('the state of a thread is the one of the kernel', async (t) => {
  const program = `require('node:worker_threads').parentPort.once('message', () => { for (;;); })`;
  const worker = new Worker(program, { eval: true, name: 'writer' });
  t.after(() => worker.terminate());
  await waitFor('a thread that waits', () => threadState('writer').does === 'idle');
  worker.postMessage('run');
  const { ticks } = threadState('writer');
  await waitFor('a thread that runs', () => threadState('writer').does === 'runs' && threadState('writer').ticks > ticks);
  assert.deepEqual(threadState('no-such'), { does: 'runs', ticks: 0 });
});

test('a line for the journal has its sentence, its priority and its data as fields', () => {
  const line = JSON.stringify({
    level: 40,
    time: 1,
    bus: 'field',
    lastReply: 3,
    list: [1],
    text: 'a\nb',
    msg: 'The bus is closed.',
  });
  const bytes = Buffer.from(journalMessage(line) ?? []);
  const long = Buffer.from('SLUICE_TEXT\n\u0003\0\0\0\0\0\0\0a\nb\n', 'latin1');
  assert.ok(bytes.includes(long));
  assert.deepEqual(bytes.toString('utf8').replace(long.toString('utf8'), '').split('\n').filter(Boolean), [
    'MESSAGE=The bus is closed. [bus=field lastReply=3 list=[1]]',
    'PRIORITY=4',
    'SYSLOG_IDENTIFIER=sluice',
    'SLUICE_BUS=field',
    'SLUICE_LAST_REPLY=3',
    'SLUICE_LIST=[1]',
  ]);
  assert.equal(prefixed(line), `<4>${line}`);
  assert.equal(journalMessage('not JSON'), undefined);
});

test('whatever a line holds, its fields cannot forge others, and its size is bounded', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string({ unit: 'binary' }), { maxKeys: 50 }), fc.string(), (data, msg) => {
      const bytes = Buffer.from(journalMessage(JSON.stringify({ ...data, level: 30, msg })) ?? []);
      assert.ok(bytes.length < 80_000);
      for (let at = 0; at < bytes.length; ) {
        const end = bytes.indexOf(10, at);
        assert.ok(end >= at);
        const head = bytes.subarray(at, end).toString('latin1');
        const name = /^[A-Z][A-Z0-9_]{0,63}/.exec(head)?.[0] ?? '';
        assert.ok(['MESSAGE', 'PRIORITY', 'SYSLOG_IDENTIFIER'].includes(name) || name.startsWith('SLUICE_'), head);
        if (head === name) {
          const length = Number(bytes.readBigUInt64LE(end + 1));
          assert.equal(bytes[end + 9 + length], 10);
          at = end + 10 + length;
        } else {
          assert.equal(head[name.length], '=');
          at = end + 1;
        }
      }
    }),
    { numRuns: 40 },
  );
});
