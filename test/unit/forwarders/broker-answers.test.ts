/** The order of the answers of a broker that works on many requests of one client at once: the frame guard keeps it. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import test, { type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { generate, type Packet, parser, writeToStream } from 'mqtt-packet';
import { Turnstile } from '../../../src/core/turns.ts';
import { FrameGuard } from '../../../src/forwarders/broker/frame-guard.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { PartialPackets } from '../../../src/forwarders/broker/packet-cutter.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const TURNS = 2_000;

type Kind = 'publish1' | 'publish2' | 'pubrel' | 'pubrec' | 'subscribe' | 'unsubscribe' | 'pingreq';
interface Request {
  readonly kind: Kind;
  readonly id: number;
}

const ANSWER: Readonly<Record<Kind, string>> = {
  ...{ publish1: 'puback', publish2: 'pubrec', pubrel: 'pubcomp', pubrec: 'pubrel' },
  ...{ subscribe: 'suback', unsubscribe: 'unsuback', pingreq: 'pingresp' },
};
/** Kinds of which one at a time is under way for a number. */
const HANDSHAKE: readonly Kind[] = ['publish2', 'pubrel'];
/** No one of them is under way while another kind of them waits for its answer. */
const FILTERS: readonly Kind[] = ['subscribe', 'unsubscribe'];
const ORDERS = [['puback', 'pubrec', 'pubcomp'], ['pubrel'], ['suback', 'unsuback']];

function bytesOf({ kind, id: messageId }: Request): Buffer {
  switch (kind) {
    case 'publish1':
    case 'publish2':
      return generate({
        ...{ cmd: 'publish', topic: 'plant/x', payload: 'hello', messageId, retain: false, dup: false },
        qos: kind === 'publish1' ? 1 : 2,
      });
    case 'subscribe':
      return generate({ cmd: 'subscribe', messageId, subscriptions: [{ topic: 'plant/#', qos: 1 }] });
    case 'unsubscribe':
      return generate({ cmd: 'unsubscribe', messageId, unsubscriptions: ['plant/#'] });
    case 'pingreq':
      return generate({ cmd: 'pingreq' });
    default:
      return generate({ cmd: kind, messageId });
  }
}

function answerTo({ kind, id: messageId }: Request): Packet {
  const cmd = ANSWER[kind];
  if (cmd === 'suback') return { cmd, messageId, granted: [1] };
  return { cmd, messageId, granted: [] } as unknown as Packet;
}

const nameOf = ({ cmd, messageId }: Packet): string => (cmd === 'pingresp' ? cmd : `${cmd} ${messageId}`);
const answerName = (request: Request): string => nameOf(answerTo(request));

function requestOf(packet: Packet): Request {
  const kind = packet.cmd === 'publish' ? `publish${packet.qos}` : packet.cmd;
  return { kind: kind as Kind, id: packet.messageId ?? 0 };
}

/** A guard between a client and a broker, both of which are here. */
class Bench {
  readonly guard: FrameGuard;
  /** As they reached the broker, and what the client got. */
  readonly reached: Request[] = [];
  readonly got: Packet[] = [];
  readonly #socket: Duplex;

  constructor(reach: (request: Request, bench: Bench) => void) {
    const answers = parser();
    answers.on('packet', (packet) => this.got.push(packet));
    this.#socket = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        answers.parse(chunk);
        done();
      },
    });
    const clock = new ManualClock();
    this.guard = new FrameGuard(
      this.#socket as unknown as Socket,
      {
        ...{ beforeConnect: 4096, afterConnect: 262_144, packetTimeout: 30_000, drainTimeout: 3_000, unsent: 262_144 },
        ...{
          topicBytes: limits.MAX_TOPIC,
          topicLevels: limits.MAX_LEVELS,
          filterLevels: limits.MOST_LEVELS,
          filters: limits.REQUESTS_AT_ONCE,
        },
      },
      {
        ...{ clock, turnstile: new Turnstile(clock), partial: new PartialPackets(limits.MAX_PARTIAL, () => {}) },
        lingering: { now: 0, most: 1, refused: 0 },
      },
    );
    this.guard.on('error', () => {});
    const requests = parser();
    requests.on('packet', (packet) => {
      if (packet.cmd === 'connect') {
        this.guard.requests.known();
        this.guard.accept();
        return;
      }
      const request = requestOf(packet);
      this.reached.push(request);
      reach(request, this);
    });
    this.guard.on('data', (chunk: Buffer) => requests.parse(chunk));
  }

  static async connected(reach: (request: Request, bench: Bench) => void): Promise<Bench> {
    const bench = new Bench(reach);
    bench.sends(generate({ cmd: 'connect', clientId: 'c', clean: true, protocolVersion: 4 }));
    await nextTurn();
    return bench;
  }

  sends(bytes: Buffer): void {
    this.#socket.push(bytes);
  }

  answer(request: Request): void {
    writeToStream(answerTo(request), this.guard as never);
  }

  async until(done: () => boolean): Promise<void> {
    for (let turn = 0; !done(); turn++) {
      assert.ok(turn < TURNS, `there were ${this.got.map(nameOf)} for ${this.reached.map(answerName)}`);
      await nextTurn();
    }
  }
}

const kinds = Object.keys(ANSWER) as Kind[];
const requests = fc.array(fc.record({ kind: fc.constantFrom(...kinds), id: fc.integer({ min: 1, max: 4 }) }), {
  ...{ minLength: 1, maxLength: 60 },
});

test('answers have the order of the requests, however packets are cut and the broker hurries', async () => {
  let overtaken = 0;
  const oneRun = async (all: readonly Request[], cuts: readonly number[], delays: IterableIterator<number>): Promise<void> => {
    const answered: Request[] = [];
    const tooEarly: Request[] = [];
    const bench = await Bench.connected((request, { reached }) => {
      const { kind, id } = request;
      const open = reached.filter((one) => one !== request && one.id === id && !answered.includes(one));
      if (HANDSHAKE.includes(kind) && open.some((one) => HANDSHAKE.includes(one.kind))) tooEarly.push(request);
      const others = reached.filter((one) => FILTERS.includes(one.kind) && one.kind !== kind && !answered.includes(one));
      if (FILTERS.includes(kind) && others.length > 0) tooEarly.push(request);
      const delay: number = delays.next().value ?? 0;
      // Some PUBACKs are withheld for longer than the broker takes.
      const leaves = kind === 'publish1' && delay % 3 === 0 ? bench.guard.answers.withhold(id) : undefined;
      void waits(delay)
        .then(() => {
          answered.push(request);
          bench.answer(request);
          return waits(delay);
        })
        .then(leaves);
    });
    const bytes = Buffer.concat(all.map(bytesOf));
    const places = [...new Set(cuts.map((n) => n % bytes.length))].filter((n) => n > 0).sort((a, b) => a - b);
    for (const [i, from] of [0, ...places].entries()) {
      bench.sends(bytes.subarray(from, places[i] ?? bytes.length));
      if (i % 2 === 0) await nextTurn();
    }
    await bench.until(() => bench.got.length >= all.length);
    for (const order of ORDERS)
      assert.deepEqual(
        bench.got.map(nameOf).filter((name) => order.includes(name.split(' ')[0] as string)),
        all.map(answerName).filter((name) => order.includes(name.split(' ')[0] as string)),
      );
    assert.equal(bench.got.length, all.length);
    assert.deepEqual(tooEarly, [], 'a packet reached the broker before what it waits for was answered');
    if (answered.some((request, i) => request !== bench.reached[i])) overtaken++;
    bench.guard.destroy();
  };
  const delays = fc.infiniteStream(fc.integer({ min: 0, max: 12 }));
  await fc.assert(fc.asyncProperty(requests, fc.array(fc.nat(), { maxLength: 12 }), delays, oneRun), { numRuns: 150 });
  assert.ok(overtaken > 50, `the broker of this test answered out of order in ${overtaken} runs`);
});

async function waits(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await nextTurn();
}

test('a PUBREL behind its message waits in front of the broker for the PUBREC', async (t: TestContext) => {
  const bench = await Bench.connected(() => {});
  t.after(() => bench.guard.destroy());
  const message: Request = { kind: 'publish2', id: 7 };
  const release: Request = { kind: 'pubrel', id: 7 };
  bench.sends(Buffer.concat([message, release, message].map(bytesOf)));
  await waits(20);
  assert.deepEqual(bench.reached, [message]);
  bench.answer(message);
  await bench.until(() => bench.reached.length === 2);
  await waits(20);
  assert.deepEqual(bench.reached, [message, release]);
  bench.answer(release);
  await bench.until(() => bench.reached.length === 3);
  assert.deepEqual(bench.got.map(nameOf), ['pubrec 7', 'pubcomp 7']);
});

test('requests without an answer are bounded, and what follows is read when one is answered', async (t: TestContext) => {
  const bench = await Bench.connected(() => {});
  t.after(() => bench.guard.destroy());
  const all = Array.from({ length: limits.MOST_UNANSWERED + 10 }, (_, i): Request => ({ kind: 'publish1', id: i + 1 }));
  bench.sends(Buffer.concat(all.map(bytesOf)));
  await bench.until(() => bench.reached.length >= limits.MOST_UNANSWERED);
  await waits(20);
  assert.equal(bench.reached.length, limits.MOST_UNANSWERED);
  for (const request of all.slice(0, 5)) bench.answer(request);
  await bench.until(() => bench.reached.length === limits.MOST_UNANSWERED + 5);
  await waits(20);
  assert.equal(bench.reached.length, limits.MOST_UNANSWERED + 5);
});

test('a PUBACK that is withheld keeps its place, whenever the broker writes it', async (t: TestContext) => {
  const bench = await Bench.connected(() => {});
  t.after(() => bench.guard.destroy());
  const all = [1, 2, 2, 3].map((id): Request => ({ kind: 'publish1', id }));
  bench.sends(Buffer.concat(all.map(bytesOf)));
  await bench.until(() => bench.reached.length === all.length);
  const { answers } = bench.guard;
  const [second, third] = [answers.withhold(2), answers.withhold(2)];
  assert.deepEqual([answers.withhold(2), answers.withhold(9)], [undefined, undefined], 'none is owed');
  for (const request of all) bench.answer(request);
  await waits(20);
  assert.deepEqual(bench.got.map(nameOf), ['puback 1']);
  third?.();
  await waits(20);
  assert.deepEqual(bench.got.map(nameOf), ['puback 1'], 'it is not its turn');
  second?.();
  await waits(20);
  assert.deepEqual(bench.got.map(nameOf), ['puback 1', 'puback 2', 'puback 2', 'puback 3']);
});

test('a PUBACK may leave before the broker has written it, and not twice', async (t: TestContext) => {
  const bench = await Bench.connected(() => {});
  t.after(() => bench.guard.destroy());
  const request: Request = { kind: 'publish1', id: 1 };
  bench.sends(bytesOf(request));
  await bench.until(() => bench.reached.length === 1);
  const leaves = bench.guard.answers.withhold(1);
  leaves?.();
  await waits(5);
  assert.equal(bench.got.length, 0);
  bench.answer(request);
  await bench.until(() => bench.got.length === 1);
  leaves?.();
  await waits(20);
  assert.deepEqual(bench.got.map(nameOf), ['puback 1']);
});

test('an answer that is never due is written at once, and a PINGRESP waits for nobody', async (t: TestContext) => {
  const bench = await Bench.connected(() => {});
  t.after(() => bench.guard.destroy());
  bench.sends(Buffer.concat([{ kind: 'publish2', id: 1 } as const, { kind: 'pingreq', id: 0 } as const].map(bytesOf)));
  await bench.until(() => bench.reached.length === 2);
  // A session that returns gets the PUBREL of a message that it acknowledged earlier.
  bench.answer({ kind: 'pubrec', id: 9 });
  bench.answer({ kind: 'pingreq', id: 0 });
  await bench.until(() => bench.got.length === 2);
  assert.deepEqual(bench.got.map(nameOf), ['pubrel 9', 'pingresp']);
});
