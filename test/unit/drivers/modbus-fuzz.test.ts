/**
 * Whatever comes back on the wire: no wrong value is ever marked good, nothing is thrown, nothing hangs, and polling goes on.
 *
 * A device answers most requests with what no device should say: damaged, cut, doubled, joined, preceded by noise, late,
 * for another unit, function or transaction, or nothing but noise. What no checksum of that framing can see (an accident
 * that makes a sound frame of the asked unit, function and length with another content) is not sent: only a bad
 * copy of physics could. SLUICE_FUZZ_CASES makes it longer, SLUICE_FUZZ_SEED plays one again.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { reasonAt } from '../../../src/core/point.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { rightPdu } from '../../fakes/modbus-device.ts';
import { FRAMES, isSerial, TRANSPORTS, type Transport, World, type WorldRequest } from '../../fakes/modbus-world.ts';

const CASES = Number(process.env.SLUICE_FUZZ_CASES ?? 2000);
const SEED = Number(process.env.SLUICE_FUZZ_SEED ?? Date.now() % 2 ** 31);
const TIMEOUT = 200;
/** 9600 baud, 10 bits. */
const CHARACTER = 10 / 9.6;

interface Dice {
  below(n: number): number;
  chance(part: number): boolean;
  pick<T>(of: readonly T[]): T;
  bytes(n: number): Buffer;
}
function diceOf(seed: number): Dice {
  const random = seeded(seed);
  const below = (n: number) => Math.floor(random() * n);
  return {
    below,
    chance: (part) => random() < part,
    pick: (of) => of[below(of.length)] as (typeof of)[number],
    bytes: (n) => Buffer.from(Array.from({ length: n }, () => below(256))),
  };
}

type Mutation = (right: Buffer, request: WorldRequest, dice: Dice, transport: Transport) => Buffer;
const other = (transport: Transport, request: WorldRequest, change: Partial<WorldRequest>, transaction = request.transaction) =>
  FRAMES[transport].frame(rightPdu({ ...request, ...change }), transaction);
const MUTATIONS: Record<string, Mutation> = {
  bits: (right, _r, dice) => {
    const bytes = Buffer.from(right);
    for (let i = 0; i <= dice.below(3); i++) {
      const at = dice.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
    }
    return bytes;
  },
  byte: (right, _r, dice) => {
    const bytes = Buffer.from(right);
    bytes[dice.below(bytes.length)] = dice.below(256);
    return bytes;
  },
  cut: (right, _r, dice) => right.subarray(0, dice.below(right.length)),
  headless: (right, _r, dice) => right.subarray(1 + dice.below(right.length - 1)),
  lost: (right, _r, dice) => {
    const at = dice.below(right.length);
    return Buffer.concat([right.subarray(0, at), right.subarray(at + 1 + dice.below(2))]);
  },
  inserted: (right, _r, dice) => {
    const at = dice.below(right.length);
    return Buffer.concat([right.subarray(0, at), dice.bytes(1 + dice.below(3)), right.subarray(at)]);
  },
  noise: (_r, _q, dice) => dice.bytes(1 + dice.below(40)),
  before: (right, _r, dice) => Buffer.concat([dice.bytes(1 + dice.below(8)), right]),
  behind: (right, _r, dice) => Buffer.concat([right, dice.bytes(1 + dice.below(8))]),
  doubled: (right) => Buffer.concat([right, right]),
  'half and whole': (right, _r, dice) => Buffer.concat([right.subarray(0, dice.below(right.length)), right]),
  'other unit': (_right, r, _dice, t) => other(t, r, { unit: r.unit + 7 }),
  'other unit first': (right, r, _dice, t) => Buffer.concat([other(t, r, { unit: r.unit + 7 }), right]),
  'other function': (_right, r, _dice, t) => other(t, r, { code: 7 - r.code }),
  'other length': (_right, r, _dice, t) => other(t, r, { count: r.count + 1 }),
  exception: (_right, r, dice, t) => FRAMES[t].frame(Buffer.of(r.unit, r.code | 0x80, dice.below(256)), r.transaction),
  'other transaction': (_right, r, _dice, t) => other(t, r, {}, r.transaction ^ 0x1234),
  silence: () => Buffer.alloc(0),
};

/** Whether a sound frame stands somewhere in the bytes that would be taken for another reading: by the letter of the standards, not by our code. */
function lies(stream: Buffer, request: WorldRequest, transport: Transport): boolean {
  const right = request.frame();
  if (transport === 'ascii') {
    for (const [line] of stream.toString('latin1').matchAll(/:[0-9A-Fa-f]{6,}\r?\n/g)) {
      const body = Buffer.from(line.slice(1).trim(), 'hex');
      const sum = body.reduce((total, byte) => total + byte, 0) % 256;
      const wrong = !FRAMES.ascii.frame(body.subarray(0, -1), 0).equals(right);
      if (sum === 0 && wrong && body[0] === request.unit && body[1] === request.code) return true;
    }
    return false;
  }
  // Without a checksum only the header and the form can be judged: content that was changed is told by nobody.
  if (!isSerial(transport)) return stream.length > 0 && !stream.equals(right) && mbapLies(stream, request, right);
  for (let at = 0; at + right.length <= stream.length; at++) {
    const frame = stream.subarray(at, at + right.length);
    const sound = FRAMES.rtu.frame(frame.subarray(0, -2), 0).equals(frame);
    if (sound && !frame.equals(right) && frame[0] === request.unit && frame[1] === request.code) return true;
  }
  return false;
}

function mbapLies(stream: Buffer, request: WorldRequest, right: Buffer): boolean {
  const head = right.subarray(0, 9);
  for (let at = 0; at + right.length <= stream.length; at++) {
    const frame = stream.subarray(at, at + right.length);
    if (frame.subarray(0, 9).equals(head) && !frame.equals(right)) return true;
  }
  return request.count === 0;
}

for (const transport of TRANSPORTS)
  for (const paced of isSerial(transport) ? [true, false] : [false]) {
    const pace = isSerial(transport) ? (paced ? ', at the pace of the line' : ', as fast as they are read') : '';
    test(`any bytes as replies over ${transport}${pace}`, async (t) => {
      const dice = diceOf(SEED);
      const done: string[] = [];
      const world = new World({
        transport,
        ...{
          timeout: TIMEOUT,
          retries: 1,
          character: paced ? CHARACTER : 0,
          paced: paced && transport !== 'rtu-over-tcp',
          silence: 4,
        },
        devices: [
          { unit: 1, interval: 250, addresses: [100, 200], inputs: [300, 400] },
          { unit: 2, interval: 250, addresses: [100, 200] },
        ],
        answer: (request) => answer(request),
      });
      let sane = false;
      /** When the last reply of a unit to an earlier request comes. */
      const replies = new Map<number, number>();
      const expected = ({ unit, at }: WorldRequest) => (replies.get(unit) ?? 0) > at;
      const answer = (request: WorldRequest) => {
        const right = request.frame();
        // As a request takes.
        const wire = paced ? (transport === 'ascii' ? 17 : 8) * CHARACTER : 0;
        const names: string[] = [];
        let stream = right;
        if (!sane && !dice.chance(isSerial(transport) ? 0.2 : 0.5)) {
          do {
            names.length = 0;
            stream = right;
            for (let i = 0; i <= dice.below(2); i++) {
              const name = dice.pick(Object.keys(MUTATIONS));
              names.push(name);
              stream = (MUTATIONS[name] as Mutation)(stream, request, dice, transport);
              if (stream.length < 2) break;
            }
          } while (lies(stream, request, transport) || (names.includes('other function') && expected(request)));
        }
        // It is late, but not later than twice the time-out: nobody can tell a later one on a line without transactions.
        // Nobody can tell a late reply with the function of the next request either. A reply is late, too, whose request was
        // answered by the late reply to the same request before it.
        const late =
          !sane && !names.includes('other function') && dice.chance(0.1)
            ? TIMEOUT * (0.9 + 0.8 * (dice.below(100) / 100))
            : dice.below(30);
        done.push(
          `${request.n}: unit ${request.unit} at ${request.start}: ${names.join(', ')} ${late} ms: ${stream.toString('hex')}`,
        );
        let after = wire + late;
        for (let from = 0; from < stream.length; ) {
          // A line that is polled often enough hands its characters on in threes.
          const most = paced ? 3 : stream.length;
          const to = transport === 'udp' ? stream.length : Math.min(stream.length, from + 1 + dice.below(most));
          after += paced ? (to - from) * CHARACTER : 0;
          request.send(stream.subarray(from, to), after);
          from = to;
        }
        replies.set(request.unit, Math.max(replies.get(request.unit) ?? 0, request.at + after));
      };
      t.diagnostic(`SLUICE_FUZZ_SEED=${SEED} SLUICE_FUZZ_CASES=${CASES}`);
      const words = () => `seed ${SEED}; ${world.lies[0]}; the last replies:\n${done.slice(-8).join('\n')}`;
      const reasons = new Set<number>();
      // Bounded by requests, and by time in case polling does not go on.
      for (let at = 0; world.asked < CASES && at < CASES * 10_000; at += 1000) {
        await world.until(at);
        assert.deepEqual(world.lies.slice(0, 1), [], words());
        done.splice(0, done.length - 20);
        for (const sample of world.samples.splice(0)) reasons.add(reasonAt(sample, 0));
        world.requests.length = 0;
        world.log.length = 0;
      }
      assert.ok(world.asked >= CASES, `polling went on: ${world.asked} requests; ${words()}`);
      assert.ok(reasons.size >= 3, 'good ones among the bad');
      // Afterwards all is well within one rest and what may still come late.
      sane = true;
      const from = world.clock.monotonic();
      await world.until(from + 70_000);
      const after = world.samples.filter((s) => s.at > from + 65_000);
      assert.ok(after.length > 80);
      assert.deepEqual([...new Set(after.map((s) => reasonAt(s, 0)))], [0]);
      assert.deepEqual(world.lies, [], words());
      await Promise.all([world.bus.stop(), world.clock.advance(5000)]);
    });
  }
