/** A link that is up for some seconds at a time: what the gateway takes for one, how many of its windows it uses, and what bounds the tries. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { seeded } from '../../../src/core/seeded.ts';
import type { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import type { ConnectionOptions } from '../../../src/forwarders/mqtt/connection-options.ts';
import type { Speaker } from '../../../src/forwarders/mqtt/dialect.ts';
import { Link, type LinkOptions } from '../../../src/forwarders/mqtt/link.ts';
import type { LinkVisits, LinkWork } from '../../../src/forwarders/mqtt/link-work.ts';
import { ConnectError } from '../../../src/forwarders/mqtt/retry-plan.ts';
import { ShortWindows } from '../../../src/forwarders/mqtt/short-windows.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** When the kernel sends the SYNs of a try: before 6.5, and since. */
const SYNS = [
  [0, 1000, 3000, 7000],
  [0, 1000, 2000, 3000, 4000, 5000, 7000],
];

interface World {
  /** Whether packets pass at this time; monotonic. */
  readonly up: (at: number) => boolean;
  readonly syns?: readonly number[];
  /** Milliseconds between two readings. */
  readonly every?: number;
  /** Milliseconds that a question and its answer take. */
  readonly trip?: number;
  /** The broker never acknowledges. */
  readonly mute?: boolean;
  readonly budget?: boolean;
  readonly seed?: number;
}

/** A forwarder whose packets are lost in silence while the link is down. The handshake takes three trips. */
function bench({ up, syns = SYNS[0] as number[], every = SECOND, trip = 100, mute = false, budget = false, seed = 1 }: World) {
  const clock = new ManualClock();
  const tries: number[] = [];
  const delivered: number[] = [];
  const lines: string[] = [];
  const asBefore: unknown[] = [];
  const say = (_: unknown, message: string) => void lines.push(message);
  const logger = { debug() {}, info: say, warn: say, error: say, child: () => logger } as unknown as Logger;
  const passes = (ms: number) => up(clock.monotonic()) && up(clock.monotonic() + ms);
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  let carried = false;

  const connect = async (options: ConnectionOptions): Promise<Connection> => {
    const begun = clock.monotonic();
    tries.push(begun);
    asBefore.push(options.asBefore);
    const left = () => begun + options.connectTimeout - clock.monotonic();
    const within = Math.min(options.openTimeout ?? Number.POSITIVE_INFINITY, options.connectTimeout);
    const silent = new ConnectError('silent', 'no answer', undefined);
    const met = syns.find((ms) => ms + trip <= within && up(begun + ms) && up(begun + ms + trip));
    await sleep(met === undefined ? within : met + trip);
    if (met === undefined) throw silent;
    const opened = clock.monotonic();
    if (!passes(2 * trip)) {
      await sleep(left());
      throw silent;
    }
    await sleep(2 * trip);
    let fault: SluiceError | undefined;
    const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
    const connection = {
      ...{ open: true, closed, openedAt: opened, heardAt: clock.monotonic() },
      lost: () => fault ?? new SluiceError('upstream-connect', 'lost'),
      destroy: () => {
        connection.open = false;
        resolve(fault);
      },
      end: async () => connection.destroy(),
      publish: async () => {
        if (!mute && passes(trip)) {
          await sleep(trip);
          connection.heardAt = clock.monotonic();
          carried = true;
          delivered.push(clock.monotonic());
          return;
        }
        await sleep(options.ackTimeout);
        fault = new SluiceError('upstream-timeout', 'no acknowledgement');
        connection.destroy();
        throw fault;
      },
      subscribe: async () => {},
    };
    return connection as unknown as Connection;
  };

  let next = 0;
  const work: LinkWork = {
    ...(budget && { visits: visits() }),
    ready: async () => {},
    run: async (_, connection) => {
      while (connection.open) {
        // A reading each `every` ms; what came during an outage waits already.
        const wait = next - clock.monotonic();
        if (wait > 0) await sleep(wait);
        next = Math.max(next + every, clock.monotonic());
        await connection.publish({ topic: 'a', payload: 'b', qos: 1, retain: false });
      }
    },
    finish: () => {},
    over: () => {
      const had = carried;
      carried = false;
      return had;
    },
  };
  const options = {
    ...{ name: 'cloud', gateway: 'g1', clock, logger, random: seeded(seed), network: () => '', clockKnown: () => true },
    ...{ settings: { url: ['mqtt://a'] }, log: { clock: {} }, memory: () => ({ load: () => undefined, save() {} }), connect },
  } as unknown as LinkOptions;
  const speaker: Speaker = { will: () => undefined, greet: () => [], farewell: () => [] };
  const link = new Link(options, speaker, work);
  link.start();
  const end = async (): Promise<void> => {
    const stopped = link.stop(0);
    await clock.advance(MINUTE);
    await stopped;
  };
  return { clock, tries, delivered, lines, asBefore, end };
}

function visits(): LinkVisits {
  return { due: async () => true, begins() {}, greeted() {}, excess: () => undefined, done() {}, failed: () => 0 };
}

/** Up for `length` at the end of each `period`. */
const windows = (length: number, period: number, shift = 0) => ({
  up: (at: number) => (at + shift) % period >= period - length,
  /** Windows in which something was delivered. */
  used: (delivered: readonly number[]) => new Set(delivered.map((at) => Math.floor((at + shift) / period))).size,
});

for (const [i, syns] of SYNS.entries())
  for (const every of [200, SECOND, 7 * SECOND, 10 * SECOND])
    test(`3 s in every 20 s are used, kernel ${i}, a reading each ${every / SECOND} s`, async () => {
      for (let shift = 0; shift < 20; shift++) {
        const link = windows(3 * SECOND, 20 * SECOND, shift * 1000 + shift * 37);
        const b = bench({ up: link.up, syns, every, seed: shift + 1 });
        await b.clock.advance(40 * 20 * SECOND);
        const used = link.used(b.delivered);
        assert.ok(used >= 36, `shift ${shift}: ${used} of 40 windows with ${b.tries.length} tries`);
        await b.end();
      }
    });

test('a window that opens after a minute is used as well', async () => {
  const link = windows(3 * SECOND, 60 * SECOND, 1234);
  const b = bench({ up: link.up });
  await b.clock.advance(40 * 60 * SECOND);
  // Six without short tries. Those before the first two are not known.
  assert.ok(link.used(b.delivered) >= 28, `${link.used(b.delivered)} of 40`);
  await b.end();
});

test('the log says once that the link is up for seconds at a time, and when it stays', async () => {
  const link = windows(3 * SECOND, 20 * SECOND);
  const stays = 30 * MINUTE;
  const b = bench({ up: (at) => at > stays || link.up(at), every: 7 * SECOND });
  await b.clock.advance(HOUR);
  const about = b.lines.filter((line) => /some seconds at a time/.test(line));
  assert.equal(about.length, 1);
  assert.equal(b.lines.at(-1), 'The upstream broker is available again.');
  assert.ok(b.lines.length <= 20, b.lines.join('\n'));
  await b.end();
});

test('a name is asked for again in tries that have the time for it, and not in short ones', async () => {
  const link = windows(3 * SECOND, 20 * SECOND);
  const b = bench({ up: link.up, every: 7 * SECOND });
  await b.clock.advance(10 * MINUTE);
  assert.equal(b.asBefore[0], false);
  assert.ok(b.asBefore.filter((one) => one === true).length > b.asBefore.length / 2);
  await b.end();
});

test('windows that go on for hours keep no broker to which its name does not lead any more', async () => {
  const link = windows(3 * SECOND, 20 * SECOND);
  const b = bench({ up: link.up, every: 7 * SECOND });
  await b.clock.advance(10 * MINUTE);
  const before = b.asBefore.length;
  await b.clock.advance(HOUR);
  const asked = b.asBefore.slice(before).filter((one) => one === false).length;
  // Once in ten minutes, and not more often: nobody can be asked while the link is down.
  assert.ok(asked >= 5 && asked <= 7, `${asked} of ${b.asBefore.length - before}`);
  await b.end();
});

/** Tries from `from` on, in each piece of `ms`. */
const perPiece = (tries: readonly number[], from: number, ms: number, pieces: number) =>
  Array.from({ length: pieces }, (_, i) => tries.filter((at) => at >= from + i * ms && at < from + (i + 1) * ms).length);

test('when the windows end, the short tries end two minutes later', async () => {
  const link = windows(3 * SECOND, 20 * SECOND);
  const end = 20 * MINUTE;
  const b = bench({ up: (at) => at < end && link.up(at), every: 7 * SECOND });
  await b.clock.advance(2 * HOUR);
  const [first = 0, , later = 0, ...rest] = perPiece(b.tries, end, 10 * MINUTE, 6);
  assert.ok(first >= 40 && first <= 80, `${first} in the first ten minutes`);
  // 10 s of a try and 15 to 30 s of a pause.
  for (const count of [later, ...rest]) assert.ok(count <= 24, String(count));
  assert.equal(new Set(b.asBefore.slice(-20)).size, 1);
  await b.end();
});

test('a broker that is away, and was never seen for seconds only, is tried as before', async () => {
  const end = 20 * MINUTE;
  const b = bench({ up: (at) => at < end });
  await b.clock.advance(2 * HOUR);
  assert.deepEqual([...new Set(b.asBefore)], [false]);
  const [first = 0] = perPiece(b.tries, end, 10 * MINUTE, 1);
  assert.ok(first > 0 && first <= 30, String(first));
  await b.end();
});

test('a broker that takes connections and acknowledges nothing gets no short tries', async () => {
  for (const up of [() => true, windows(3 * SECOND, 20 * SECOND).up]) {
    const b = bench({ up, mute: true });
    await b.clock.advance(2 * HOUR);
    assert.deepEqual([...new Set(b.asBefore)], [false]);
    await b.end();
  }
});

test('under a budget there are no short tries', async () => {
  const b = bench({ up: windows(3 * SECOND, 20 * SECOND).up, budget: true });
  await b.clock.advance(HOUR);
  assert.deepEqual([...new Set(b.asBefore)], [false]);
  assert.deepEqual(
    b.lines.filter((line) => /every two seconds/.test(line)),
    [],
  );
  await b.end();
});

const silence = { failure: 'silent', bytes: 120 } as const;

/** Some windows of 3 s, 20 s apart. */
function known(count = 2): { windows: ShortWindows; now: number } {
  const all = new ShortWindows();
  let now = 0;
  for (let i = 0; i < count; i++) {
    now = i * 20_000;
    const connection = { opened: now, heard: now + 2500, carried: true, silent: true };
    all.note({ over: now + 17_500, failure: 'lost', bytes: 5000, connection });
    now += 18_000;
    all.note({ over: now, ...silence });
  }
  return { windows: all, now };
}

test('two windows with silence behind each are known, one is not', () => {
  assert.equal(known(1).windows.limits(0), undefined);
  const { windows, now } = known();
  assert.deepEqual(windows.limits(now), { open: 1900, connect: 5000, answer: 5000, pause: 1000 });
});

test('what says that the way is there ends the short tries at once', () => {
  for (const failure of ['refused', 'hung-up', 'login', 'tls', 'busy', 'protocol', 'files'] as const) {
    const { windows, now } = known();
    windows.note({ over: now, failure, bytes: 0 });
    assert.equal(windows.known, false, failure);
  }
  const one = known();
  one.windows.note({ over: one.now, failure: 'unreachable', bytes: 0 });
  assert.equal(one.windows.known, true, 'no way at all says nothing about the next window');
  // Ended by the broker, and longer than a window.
  for (const [silent, lasted] of [
    [false, 2000],
    [true, 31_000],
  ] as const) {
    const { windows, now } = known();
    const connection = { opened: now, heard: now + lasted, carried: true, silent };
    windows.note({ over: now + 40_000, failure: 'lost', bytes: 0, connection });
    assert.equal(windows.known, false, String(lasted));
  }
});

test('a slow link that is there at the next try has its long waits back', () => {
  const { windows, now } = known();
  const cut = (over: number) => {
    const connection = { opened: over - 8000, heard: over - 5000, carried: true, silent: true };
    return windows.note({ over, failure: 'lost', bytes: 0, connection });
  };
  assert.equal(cut(now + 10_000), true);
  assert.equal(cut(now + 20_000), true, 'one may have been met by chance');
  assert.equal(cut(now + 30_000), false);
  assert.equal(windows.limits(now + 30_000), undefined);
});

test('the tries of an hour have a bound, and the next hour has them again', () => {
  const { windows, now } = known();
  let count = 0;
  // Windows go on, so that only the bytes can end it.
  const goOn = (at: number) => {
    const connection = { opened: at, heard: at, carried: true, silent: true };
    windows.note({ over: at, failure: 'lost', bytes: 3000, connection });
  };
  for (; windows.limits(now) !== undefined; count++) {
    if (count % 10 === 0) goOn(now);
    windows.note({ over: now, ...silence });
    assert.ok(count < 2000);
  }
  assert.equal(count, 1000 - 2, '120,000 bytes in tries of 120, two of them before');
  assert.equal(windows.known, true);
  goOn(now + HOUR);
  windows.note({ over: now + HOUR, ...silence });
  assert.ok(windows.limits(now + HOUR) !== undefined);
});
