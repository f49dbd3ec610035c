/** A peer that takes nothing is reported in time, counted in ticks of a clock that the test moves. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { Writable } from 'node:stream';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../../src/core/clock.ts';
import { DRAIN_TIMEOUT } from '../../../src/forwarders/broker/limits.ts';
import { Outbound } from '../../../src/forwarders/broker/outbound.ts';
import { unacknowledgedBytes } from '../../../src/forwarders/broker/peer-standing.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const TICK = 10;

/** A kernel that takes a piece when it is let, and a peer that acknowledges when it is told. */
class Stuck {
  readonly clock = new ManualClock();
  /** Bytes that the kernel has and the peer has not. */
  waiting: number | undefined = 4_000_000;
  looks = 0;
  /** From the second look on the window is known. */
  learns = false;
  /** How late each timer runs that begins from now on, ms; negative: it is early, as those of Node may be. */
  late: number;
  /** When the peer was reported, ms. */
  stalled: number | undefined;
  readonly #taken: (() => void)[] = [];

  constructor(late = 0) {
    this.late = late;
    const clock: Clock = {
      monotonic: () => this.clock.monotonic(),
      wall: () => this.clock.wall(),
      exactly: (ms, run) => this.clock.exactly(ms + this.late, run),
      after: (ms, run) => this.clock.after(ms + this.late, run),
    };
    const socket = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => this.#taken.push(done) });
    const side = {
      took: () => {},
      stalled: () => {
        this.stalled ??= this.clock.monotonic();
      },
    };
    const outbound = new Outbound(socket as unknown as Socket, clock, DRAIN_TIMEOUT, side, () => {
      this.looks++;
      if (this.waiting === undefined) return undefined;
      return this.learns && this.looks > 1 ? { waiting: this.waiting - 1, edge: 60_000, window: 0 } : { waiting: this.waiting };
    });
    outbound.send([Buffer.alloc(1_000_000)], () => {});
  }

  async passes(ms: number): Promise<void> {
    for (let passed = 0; passed < ms && this.stalled === undefined; passed += TICK) await this.clock.advance(TICK);
  }

  async takesPiece(): Promise<void> {
    this.#taken.shift()?.();
    await nextTurn();
  }

  /** @returns how many ms after this the peer is reported */
  async untilStalled(): Promise<number> {
    const from = this.clock.monotonic();
    await this.passes(60_000);
    return (this.stalled ?? Number.POSITIVE_INFINITY) - from;
  }
}

for (const [late, what] of [
  [0, 'are punctual'],
  [60, 'are 60 ms late'],
  [-0.4, 'are a little early'],
] as const)
  test(`a peer that takes nothing is reported 3 s after it began: timers ${what}`, async () => {
    const after = await new Stuck(late).untilStalled();
    assert.ok(after <= 3_000, `${after} ms`);
    assert.ok(after >= 2_500, `${after} ms`);
  });

for (const reads of [true, false])
  test(`a gateway that stood still for 15 s cuts off no peer for that time: it ${reads ? 'reads' : 'does not read'} then`, async () => {
    const stuck = new Stuck();
    await stuck.passes(1_000);
    stuck.late = 15_000;
    await stuck.passes(DRAIN_TIMEOUT / 10);
    stuck.late = 0;
    await stuck.passes(15_000);
    assert.equal(stuck.stalled, undefined);
    if (reads) stuck.waiting = 3_900_000;
    await stuck.passes(1_000);
    assert.equal(stuck.stalled, undefined);
    const after = await stuck.untilStalled();
    assert.ok(after <= 3_000, `${after} ms`);
  });

test('a peer that takes nothing is reported by the tenth look, however late each of them is', async () => {
  const stuck = new Stuck(5_000);
  assert.ok((await stuck.untilStalled()) < 60_000 && stuck.looks <= 10, `${stuck.looks} looks`);
});

test('a system that does not say what its kernel has reports the peer in the same time', async () => {
  const stuck = new Stuck();
  stuck.waiting = undefined;
  const after = await stuck.untilStalled();
  assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
});

test('the window of a peer that becomes known is no progress of it', async () => {
  const stuck = new Stuck();
  stuck.learns = true;
  const after = await stuck.untilStalled();
  assert.ok(after <= 2_700, `${after} ms`);
});

test('a peer that acknowledges every 2.4 s stays, and is reported within 3 s of its last byte', async () => {
  const stuck = new Stuck();
  for (let i = 1; i <= 10; i++) {
    await stuck.passes(2_400);
    stuck.waiting = 4_000_000 - i * 100_000;
  }
  assert.equal(stuck.stalled, undefined);
  const after = await stuck.untilStalled();
  assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
});

test('each piece that the kernel takes begins the time anew', async () => {
  const stuck = new Stuck();
  stuck.waiting = undefined;
  for (let i = 0; i < 5; i++) {
    await stuck.passes(2_400);
    await stuck.takesPiece();
  }
  assert.equal(stuck.stalled, undefined);
  const after = await stuck.untilStalled();
  assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
});

test('pieces that are stuck for a moment cost one look at the kernel at most', async () => {
  const stuck = new Stuck();
  for (let i = 0; i < 3; i++) {
    await stuck.passes(90);
    await stuck.takesPiece();
  }
  assert.ok(stuck.looks <= 1, String(stuck.looks));
});

/** A kernel that takes all that it is given, as it does for some megabytes, and a peer that acknowledges what it is told to. */
class Roomy {
  readonly clock = new ManualClock();
  given = 0;
  /** Bytes of those given; all of them when it is more. */
  acknowledged = 0;
  /** Room in the kernel of the peer; undefined: nobody knows. */
  readonly window: number | undefined;
  /** Bytes that the program of the peer has read. */
  read = 0;
  looks = 0;
  stalled: number | undefined;
  readonly #outbound: Outbound;

  constructor(window?: number) {
    this.window = window;
    const socket = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.given += chunk.length;
        done();
      },
    });
    const side = {
      took: () => {},
      stalled: () => {
        this.stalled ??= this.clock.monotonic();
      },
    };
    this.#outbound = new Outbound(socket as unknown as Socket, this.clock, DRAIN_TIMEOUT, side, () => {
      this.looks++;
      if (this.window === undefined) return { waiting: this.waiting };
      const edge = this.read + this.window;
      return { waiting: this.waiting, edge, window: edge - Math.min(this.given, edge) };
    });
  }

  get waiting(): number {
    const taken = this.window === undefined ? this.acknowledged : Math.min(this.given, this.read + this.window);
    return Math.max(0, this.given - taken);
  }

  /** The program of the peer reads all that is there, while bytes stream. */
  async reads(ms: number, perSecond: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += TICK) {
      await this.streams(TICK, perSecond);
      this.read = this.given;
    }
  }

  /** A stream of so many bytes a second, of which the peer acknowledges steps. */
  async streams(ms: number, perSecond: number, step?: { readonly bytes: number; readonly every: number }): Promise<void> {
    for (let passed = 0; passed < ms && this.stalled === undefined; passed += TICK) {
      this.#outbound.send([Buffer.alloc((perSecond * TICK) / 1000)], () => {});
      await nextTurn();
      if (step !== undefined && passed % step.every === 0) this.acknowledged += step.bytes;
      await this.clock.advance(TICK);
    }
  }
}

for (const perSecond of [100_000, 1_600_000, 20_000_000])
  test(`a peer is reported within 3 s, though the kernel takes ${perSecond} bytes/s`, async () => {
    const roomy = new Roomy();
    while (roomy.waiting < 256 * 1024) await roomy.streams(TICK, perSecond);
    const much = roomy.clock.monotonic();
    await roomy.streams(60_000, perSecond);
    const end = roomy.stalled ?? Number.POSITIVE_INFINITY;
    assert.ok(end - much <= 3_000 && end >= 2_500, `${end} ms, ${much} ms`);
  });

test('a stalled peer is reported also when nothing more is sent', async () => {
  const roomy = new Roomy();
  while (roomy.waiting < 256 * 1024) await roomy.streams(TICK, 4_000_000);
  await roomy.streams(3_000, 0);
  assert.notEqual(roomy.stalled, undefined);
});

test('a peer that leaves less than 256 kB is not reported, however long', async () => {
  const roomy = new Roomy();
  while (roomy.waiting < 250_000) await roomy.streams(TICK, 1_000_000);
  await roomy.streams(60_000, 0);
  assert.equal(roomy.stalled, undefined);
});

test('a peer that takes 100 kB each 2.4 s of a faster stream stays, while megabytes wait for it', async () => {
  const roomy = new Roomy();
  await roomy.streams(60_000, 200_000, { bytes: 100_000, every: 2_400 });
  assert.equal(roomy.stalled, undefined);
  assert.ok(roomy.waiting > 5_000_000, String(roomy.waiting));
});

test('a peer that takes all of 20 MB a second costs four looks a second at most', async () => {
  const roomy = new Roomy();
  roomy.acknowledged = Number.MAX_SAFE_INTEGER;
  await roomy.streams(10_000, 20_000_000);
  assert.ok(roomy.looks <= 40 && roomy.looks > 10, String(roomy.looks));
});

for (const perSecond of [200_000, 1_280_000])
  test(`a peer that never reads is reported within 3 s: ${perSecond} bytes/s`, async () => {
    const roomy = new Roomy(60_000);
    await roomy.streams(60_000, perSecond);
    const after = roomy.stalled ?? Number.POSITIVE_INFINITY;
    assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
  });

test('a window that grows by some bytes is no progress, and a stream with gaps ends no time', async () => {
  const roomy = new Roomy(190_000);
  for (let i = 0; i < 20; i++) {
    await roomy.streams(250, 400_000);
    roomy.read += 100;
    await roomy.streams(250, 0);
  }
  const after = roomy.stalled ?? Number.POSITIVE_INFINITY;
  assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
});

for (const [window, perSecond] of [
  [150_000, 1_280_000],
  [1_500_000, 1_280_000],
  [1_500_000, 20_000_000],
] as const)
  test(`a peer is reported 3 s after its last read: ${window} bytes of its own, ${perSecond} bytes/s`, async () => {
    const roomy = new Roomy(window);
    await roomy.reads(5_000, perSecond);
    const from = roomy.clock.monotonic();
    await roomy.streams(60_000, perSecond);
    const after = (roomy.stalled ?? Number.POSITIVE_INFINITY) - from;
    assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
  });

test('a peer whose own kernel has room for all is not reported, and is once it has none', async () => {
  const roomy = new Roomy(10_000_000);
  await roomy.reads(5_000, 1_000_000);
  await roomy.streams(10_000, 1_000_000);
  assert.equal(roomy.stalled, undefined);
  await roomy.streams(1_000, 1_000_000);
  assert.notEqual(roomy.stalled, undefined);
});

test('a peer that reads 100 kB each 2.4 s stays, whatever its window', async () => {
  for (const window of [100_000, 1_000_000]) {
    const roomy = new Roomy(window);
    for (let i = 0; i < 25; i++) {
      await roomy.streams(2_400, 200_000);
      roomy.read += 100_000;
    }
    assert.equal(roomy.stalled, undefined);
    assert.ok(roomy.waiting > 1_000_000, String(roomy.waiting));
  }
});

test('a peer that had nothing to read for long has its time from the first byte on', async () => {
  const roomy = new Roomy(50_000);
  await roomy.reads(3_000, 1_000_000);
  await roomy.reads(60_000, 0);
  await roomy.streams(400, 1_000_000);
  await roomy.streams(2_000, 0);
  assert.equal(roomy.stalled, undefined);
  await roomy.streams(1_000, 0);
  assert.notEqual(roomy.stalled, undefined);
});

test('a burst to a peer far away is no stall, though its window was old', async () => {
  const roomy = new Roomy(150_000);
  await roomy.reads(3_000, 100_000);
  // A kernel tells of a window that grew by little with its next acknowledgement only.
  roomy.read -= 10_000;
  await roomy.streams(60_000, 0);
  for (let i = 0; i < 20; i++) {
    await roomy.streams(250, 3_200_000);
    roomy.read = roomy.given - 10_000;
    await roomy.streams(10_000, 0);
  }
  assert.equal(roomy.stalled, undefined);
});

test('a peer whose window is not known has its time from the first look on', async () => {
  const roomy = new Roomy();
  // As a kernel of 150 kB that nobody reads.
  roomy.acknowledged = 150_000;
  const from = roomy.clock.monotonic();
  await roomy.streams(60_000, 1_280_000);
  const after = (roomy.stalled ?? Number.POSITIVE_INFINITY) - from;
  assert.ok(after <= 3_000 && after >= 2_500, `${after} ms`);
});

test('of the table of connections only the first rows are read, however many there are', (t) => {
  const row = (local: number, remote: number, bytes: number): string => {
    const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');
    const ends = `0100007F:${hex(local, 4)} 0100007F:${hex(remote, 4)}`;
    return `   0: ${ends} 01 ${hex(bytes, 8)}:00000000 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1\n`;
  };
  const file = path.join(scratch(t, 'table'), 'tcp');
  const others = Array.from({ length: 1_000 }, (_, i) => row(6, i, 0)).join('');
  writeFileSync(file, row(1883, 5, 0x1234) + others + row(1883, 7, 9));
  const of = (remotePort: number) => unacknowledgedBytes({ localPort: 1883, remotePort }, [file]);
  assert.deepEqual([of(5), of(7), of(8)], [0x1234, undefined, undefined]);
  writeFileSync(file, row(6, 6, 0) + row(1883, 7, 9));
  assert.equal(of(7), 9);
});
