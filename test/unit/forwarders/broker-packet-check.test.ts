/** The check of packets and the cutting of a stream into packets, against what mqtt-packet writes and an oracle of our own. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { generate, type Packet, parser } from 'mqtt-packet';
import { rewrite31 } from '../../../src/forwarders/broker/mqtt31.ts';
import { checkBody, checkFirst, checkLength, type Level } from '../../../src/forwarders/broker/packet-check.ts';
import { PacketCutter, PartialPackets } from '../../../src/forwarders/broker/packet-cutter.ts';
import { packetCases } from '../../harness/mqtt-cases.ts';
import { allowed } from '../../oracles/mqtt-strict.ts';

const BOUNDS = { topicBytes: 1024, topicLevels: 16, filterLevels: 99, filters: 200 };

/** As the guard asks: first byte, length, body. @returns undefined, or what is wrong */
function checked(packet: Buffer, level: Level | undefined): string | undefined {
  const first = packet[0];
  if (first === undefined) return 'empty';
  let length = 0;
  let body = 1;
  for (let shift = 1; ; shift *= 128) {
    if (body > 4) return 'endless';
    const byte = packet[body++];
    if (byte === undefined) return 'cut';
    length += (byte & 127) * shift;
    if (byte < 128) break;
  }
  if (body + length !== packet.length) return 'not one packet';
  const header = checkFirst(first, level) ?? checkLength(first, length);
  if (header !== undefined) return header.words;
  const answer = checkBody(packet, first, body, packet.length, level, BOUNDS);
  return typeof answer === 'number' ? undefined : answer.words;
}

/** Characters that MQTT allows, from all lengths of UTF-8. */
const character = fc
  .oneof(
    fc.integer({ min: 0x20, max: 0x7e }),
    fc.integer({ min: 0xa0, max: 0xd7ff }),
    fc.constantFrom(0xfeff, 0xfffd, 0xe000, 0x10000, 0x10fffd),
  )
  .map((code) => String.fromCodePoint(code));
const texts = (min: number, max: number, pool = character) =>
  fc.array(pool, { minLength: min, maxLength: max }).map((all) => all.join(''));
const level = texts(
  0,
  6,
  character.filter((c) => !'+#/'.includes(c)),
);
const topic = fc
  .array(level, { minLength: 1, maxLength: 8 })
  .map((all) => all.join('/'))
  .filter((t) => t !== '');
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 8 }), fc.boolean())
  .map(([levels, all]) => (all ? [...levels, '#'] : levels).join('/'))
  .filter((f) => f !== '');
const id = fc.integer({ min: 1, max: 65_535 });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const payload = fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b));

const connect = fc
  .record({
    old: fc.boolean(),
    clientId: texts(1, 23),
    clean: fc.boolean(),
    keepalive: fc.integer({ min: 0, max: 65_535 }),
    will: fc.option(fc.record({ topic, payload, qos, retain: fc.boolean() }), { nil: undefined }),
    username: fc.option(texts(0, 12), { nil: undefined }),
    password: fc.option(payload, { nil: undefined }),
  })
  .map(
    ({ old, will, username, password, ...rest }): Packet => ({
      cmd: 'connect',
      ...rest,
      ...(old ? { protocolId: 'MQIsdp', protocolVersion: 3 } : { protocolId: 'MQTT', protocolVersion: 4 }),
      ...(will === undefined ? {} : { will: { ...will, payload: will.payload } }),
      ...(username === undefined ? {} : { username }),
      ...(username === undefined || password === undefined ? {} : { password }),
    }),
  );

const later: fc.Arbitrary<Packet> = fc.oneof(
  fc
    .record({ topic, payload, qos, retain: fc.boolean(), dup: fc.boolean(), messageId: id })
    .map((p): Packet => ({ cmd: 'publish', ...p, dup: p.dup && p.qos > 0 })),
  fc
    .tuple(fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const), id)
    .map(([cmd, messageId]): Packet => ({ cmd, messageId })),
  fc
    .tuple(id, fc.array(fc.record({ topic: filter, qos }), { minLength: 1, maxLength: 6 }))
    .map(([messageId, subscriptions]): Packet => ({ cmd: 'subscribe', messageId, subscriptions })),
  fc
    .tuple(id, fc.array(filter, { minLength: 1, maxLength: 6 }))
    .map(([messageId, unsubscriptions]): Packet => ({ cmd: 'unsubscribe', messageId, unsubscriptions })),
  fc.constantFrom<Packet>({ cmd: 'pingreq' }, { cmd: 'disconnect' }),
);

interface Valid {
  readonly bytes: Buffer;
  /** Before it. */
  readonly level: Level | undefined;
}
const valid: fc.Arbitrary<Valid> = fc.oneof(
  connect.map((packet) => ({ bytes: generate(packet), level: undefined })),
  fc.tuple(later, fc.constantFrom<Level>(3, 4)).map(([packet, level]) => ({ bytes: generate(packet), level })),
);

test('every packet that mqtt-packet writes from valid values passes', () => {
  fc.assert(
    fc.property(valid, ({ bytes, level }) => {
      assert.equal(checked(bytes, level), undefined, bytes.toString('hex'));
      assert.ok(allowed(bytes, level, BOUNDS));
    }),
    { numRuns: 3000 },
  );
});

test('a packet with one byte changed is refused exactly when the oracle refuses it', () => {
  const seen = { passed: 0, refused: 0 };
  fc.assert(
    fc.property(valid, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ bytes, level }, at, change) => {
      const mutant = Buffer.from(bytes);
      // Places near the start are where the rules are.
      const place = at % (at % 2 === 0 ? Math.min(16, mutant.length) : mutant.length);
      mutant[place] = (mutant[place] as number) ^ change;
      const words = checked(mutant, level);
      if (words === 'cut' || words === 'endless' || words === 'not one packet') return;
      assert.equal(words === undefined, allowed(mutant, level, BOUNDS), `${mutant.toString('hex')} (${level}): ${words}`);
      seen[words === undefined ? 'passed' : 'refused']++;
    }),
    { numRuns: 20_000 },
  );
  assert.ok(seen.passed > 1000 && seen.refused > 1000, JSON.stringify(seen));
});

test('what passes is read by the parser of the broker, after 3.1 was rewritten', () => {
  const read = (bytes: Buffer, level: Level | undefined): Packet[] => {
    const packets: Packet[] = [];
    const broker = parser();
    broker.on('packet', (packet) => packets.push(packet));
    broker.on('error', (error) => assert.fail(`${bytes.toString('hex')} (${level}): ${error.message}`));
    broker.parse(bytes);
    return packets;
  };
  const mutants = fc.tuple(valid, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([{ bytes, level }, at, change]) => {
    const mutant = Buffer.from(bytes);
    const place = at % Math.min(16, mutant.length);
    mutant[place] = (mutant[place] as number) ^ change;
    return { bytes: mutant, level };
  });
  fc.assert(
    fc.property(mutants, ({ bytes, level }) => {
      if (checked(bytes, level) !== undefined) return;
      let body = 1;
      while ((bytes[body++] as number) >= 128);
      const old = level === 3 || (level === undefined && bytes[body + 1] === 6);
      if (old) rewrite31(bytes, 0, body, bytes.length);
      assert.equal(read(bytes, level).length, 1);
    }),
    { numRuns: 10_000 },
  );
});

test('the check and the oracle agree on each single packet of the table', () => {
  let compared = 0;
  for (const { bytes, before, name } of packetCases()) {
    const level = before === 'nothing' ? undefined : before === 'connect' ? 4 : 3;
    const words = checked(bytes, level);
    if (words === 'cut' || words === 'endless' || words === 'not one packet') continue;
    compared++;
    assert.equal(words === undefined, allowed(bytes, level, BOUNDS), `${name}: ${words}`);
  }
  assert.ok(compared > 200, `${compared}`);
});

interface Cut {
  readonly packets: string[];
  readonly fault: string | undefined;
}

/** Cuts a stream; `kept` sees how many bytes are held after each piece. */
function cut(pieces: readonly Buffer[], kept: (bytes: number, given: number) => void = () => {}, refuse = false): Cut {
  const packets: string[] = [];
  let held = 0;
  const cutter = new PacketCutter<{ readonly words: string }>(
    {
      begins: () => undefined,
      declares: (_first, length) => (length > 1000 ? { words: 'too long' } : undefined),
      endless: () => ({ words: 'endless' }),
      whole: (bytes, at, body, end) => {
        packets.push(bytes.subarray(at, end).toString('hex'));
        assert.ok(body > at && body <= end);
        return refuse ? { words: 'no' } : undefined;
      },
    },
    (bytes) => {
      held = bytes;
    },
  );
  let given = 0;
  let passed = '';
  for (const piece of pieces) {
    const taken = cutter.take(piece, (bytes) => {
      passed += bytes.toString('hex');
    });
    given += piece.length;
    if (typeof taken !== 'number') return { packets, fault: taken.words };
    assert.equal(taken, piece.length);
    assert.equal(passed, packets.join(''), 'what is whole passes, in order');
    kept(held, given);
  }
  return { packets, fault: undefined };
}

function inPieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = at + (cuts[i % cuts.length] as number);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

test('a stream is cut into the same packets wherever the network cuts it', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(later, { maxLength: 12 }), cuts, (packets, cuts) => {
      const all = packets.map((p) => generate(p));
      const expected = { packets: all.map((b) => b.toString('hex')), fault: undefined };
      assert.deepEqual(cut(inPieces(Buffer.concat(all), cuts)), expected);
      assert.deepEqual(cut(inPieces(Buffer.concat(all), [1])), expected);
    }),
    { numRuns: 500 },
  );
});

test('random bytes never throw, and no more of them is kept than came or was declared', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 3000 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
      (bytes, cuts) => {
        const whole = cut([Buffer.from(bytes)]);
        const pieces = cut(inPieces(Buffer.from(bytes), cuts), (held, given) =>
          assert.ok(held <= Math.min(1005, Math.max(256, 2 * given))),
        );
        assert.deepEqual(pieces, whole);
        for (const level of [undefined, 3, 4] as const) checked(Buffer.from(bytes), level);
      },
    ),
    { numRuns: 2000 },
  );
});

test('random bodies behind a right header never throw, and the oracle agrees', () => {
  const first = fc.constantFrom(0x10, 0x30, 0x32, 0x40, 0x62, 0x82, 0xa2);
  fc.assert(
    fc.property(
      first,
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom<Level | undefined>(undefined, 3, 4),
      (head, body, level) => {
        const packet = Buffer.from([head, body.length, ...body]);
        assert.equal(checked(packet, level) === undefined, allowed(packet, level, BOUNDS), packet.toString('hex'));
      },
    ),
    { numRuns: 5000 },
  );
});

test('only so many topic filters of a packet are looked at', () => {
  const filters = Buffer.concat(Array.from({ length: 300 }, () => Buffer.from([0, 1, 0x61, 0])));
  const packet = Buffer.concat([Buffer.from([0, 1]), filters]);
  assert.equal(checkBody(packet, 0x82, 0, packet.length, 4, BOUNDS), BOUNDS.filters + 1);
});

test('the packet that waits for longest goes when too many bytes wait', () => {
  const gone: string[] = [];
  const names = new Map<object, string>();
  const partial = new PartialPackets(1000, (owner) => gone.push(names.get(owner) ?? '?'));
  const owner = (name: string): object => {
    const one = {};
    names.set(one, name);
    return one;
  };
  const [a, b, c] = [owner('a'), owner('b'), owner('c')];
  partial.keeps(a, 400);
  partial.keeps(b, 400);
  partial.keeps(a, 500);
  assert.equal(partial.bytes, 900);
  partial.keeps(c, 200);
  assert.deepEqual([gone, partial.bytes], [['a'], 600]);
  // It was told already; its end changes nothing more.
  partial.keeps(a, 0);
  partial.keeps(c, 700);
  assert.deepEqual([gone, partial.bytes], [['a', 'b'], 700]);
  partial.keeps(c, 2000);
  assert.deepEqual([gone, partial.bytes], [['a', 'b', 'c'], 0]);
});

test('a packet that is given up while it grows takes nothing more', () => {
  const passed: string[] = [];
  const cutter: PacketCutter<Error> = new PacketCutter<Error>(
    {
      begins: () => undefined,
      declares: () => undefined,
      endless: () => new Error('endless'),
      whole: () => assert.fail('it is not whole'),
    },
    (bytes) => {
      if (bytes > 1000) cutter.drop();
    },
  );
  const pass = (bytes: Buffer) => passed.push(bytes.toString('hex'));
  cutter.take(Buffer.from([0x30, 0xff, 0x7f]), pass);
  let pieces = 0;
  for (; cutter.partial && pieces < 10; pieces++) assert.equal(cutter.take(Buffer.alloc(300, 0x61), pass), 300);
  assert.deepEqual([pieces, cutter.partial, passed], [2, false, []]);
});
