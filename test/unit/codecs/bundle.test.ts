/** The container of a bundle: what was written comes back, and nothing else does. */
import assert from 'node:assert/strict';
import { createHash, sign } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { BundleFile, BundleWriter, type ByteSource, type Section } from '../../../src/codecs/bundle/container.ts';
import {
  type GatewaySecret,
  gatewayKey,
  gatewaySecretText,
  grouped,
  makeGatewaySecret,
  makePlatformSecret,
  platformKey,
  platformSecretText,
  readGatewaySecret,
  readPlatformSecret,
} from '../../../src/codecs/bundle/keys.ts';
import { BundleSplitter } from '../../../src/codecs/bundle/split.ts';
import { makeReceipt, readReceipt, receiptFor, type Statement } from '../../../src/codecs/bundle/statement.ts';
import type { Batch } from '../../../src/codecs/format.ts';
import { columnsBatch } from '../../../src/codecs/format-columns.ts';
import { jsonBatch } from '../../../src/codecs/format-json.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import { readingRows } from '../../../src/codecs/reading-rows.ts';
import { seal, unseal } from '../../../src/codecs/sealed.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Shape } from '../../../src/core/point.ts';

const gateway = makeGatewaySecret();
const platform = makePlatformSecret();
const SAYS: Omit<Statement, 'v' | 'bundle' | 'gateway' | 'platform' | 'sha256'> = {
  ...{ forwarder: 'carrier', made: 1_795_000_000_000, records: 1, readings: 2, notices: 1 },
  ranges: [{ log: 'k3v9q2aaaa', lane: 'history', first: 1, last: 9 }],
};

/** Counts the bytes that a reader held at one time. */
function inMemory(bytes: Uint8Array): ByteSource & { largest: number } {
  return {
    ...{ size: bytes.length, largest: 0 },
    read(at, length) {
      assert.ok(at + length <= bytes.length);
      this.largest = Math.max(this.largest, length);
      return bytes.subarray(at, at + length);
    },
  };
}
function bundle(sections: readonly Section[], key: GatewaySecret = gateway): Buffer {
  const writer = new BundleWriter({ id: '0d3e7cf4c9b14a55a4a1f7dbb2c5e011', gateway: 'ghat-1', key, platform });
  return Buffer.concat([writer.begin(), ...sections.map(({ kind, body }) => writer.section(kind, body)), writer.end(SAYS)]);
}
function opened(bytes: Uint8Array): { sections: Section[]; statement: Statement } {
  const file = new BundleFile(inMemory(bytes));
  const { statement } = file.verify(gateway);
  return { statement, sections: [...file.sections(platform)].map(({ kind, body }) => ({ kind, body: Buffer.from(body) })) };
}
const isRefused = (thrown: unknown) => thrown instanceof SluiceError && thrown.code === 'bundle-refused';
const SMALL: Section[] = [{ kind: 'alarm', body: Buffer.from('{"v":1}') }];

test('sections of every size come back as they were', () => {
  const sizes = [0, 1, 65_530, 65_531, 65_532, 131_067, 200_000];
  for (const size of sizes) {
    const sections: Section[] = [
      { kind: 'history', body: Buffer.alloc(size, 7) },
      { kind: 'event', body: Buffer.from('{}') },
    ];
    assert.deepEqual(opened(bundle(sections)).sections, sections, `${size}`);
  }
  assert.deepEqual(opened(bundle([])).sections, []);
});

test('random sections come back as they were', () => {
  const section = fc
    .tuple(fc.constantFrom('data' as const, 'history' as const, 'alarm' as const), fc.uint8Array({ maxLength: 70_000 }))
    .map(([kind, bytes]): Section => ({ kind, body: Buffer.from(bytes) }));
  fc.assert(
    fc.property(fc.array(section, { maxLength: 6 }), (sections) => assert.deepEqual(opened(bundle(sections)).sections, sections)),
    { numRuns: 30 },
  );
});

test('a change of any bit of any byte is refused', () => {
  const whole = bundle(SMALL);
  for (let at = 0; at < whole.length; at++)
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ (1 << bit);
      assert.throws(() => opened(changed), isRefused, `bit ${bit} of byte ${at}`);
    }
});

test('a bundle that is cut at any length, or longer by anything, is refused', () => {
  const whole = bundle([...SMALL, { kind: 'history', body: Buffer.alloc(70_000, 1) }]);
  const cuts = Array.from({ length: whole.length }, (_, i) => i).filter((i) => i < 700 || i > whole.length - 700 || i % 97 === 0);
  for (const cut of cuts) assert.throws(() => opened(whole.subarray(0, cut)), isRefused, `${cut}`);
  assert.throws(() => opened(Buffer.concat([whole, Buffer.alloc(1)])), isRefused);
  assert.throws(() => opened(Buffer.concat([whole, whole])), isRefused);
});

test('random bytes are refused, whatever they claim, and never read in one piece', () => {
  const claim = Buffer.concat([Buffer.from('SLB\x01'), Buffer.from([255, 255, 255, 255])]);
  assert.throws(() => opened(claim), isRefused);
  const head = bundle(SMALL);
  const length = 8 + head.readUInt32LE(4);
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 300 }), (begun, bytes) => {
      const source = inMemory(Buffer.concat([begun ? head.subarray(0, length) : Buffer.from('SLB\x01'), bytes]));
      assert.throws(() => new BundleFile(source).verify(gateway), isRefused);
      assert.ok(source.largest <= 4104, `${source.largest} bytes at once`);
    }),
    { numRuns: 500 },
  );
});

test('a bundle that another gateway signed is refused, also under the id of this one', () => {
  const other = makeGatewaySecret();
  assert.throws(() => new BundleFile(inMemory(bundle(SMALL, other))).verify(gateway), isRefused);
});

test('chunks and statements of two bundles of one gateway do not mix', () => {
  const [a, b] = [bundle(SMALL), bundle(SMALL)];
  const head = 8 + a.readUInt32LE(4);
  assert.equal(head, 8 + b.readUInt32LE(4));
  const chunk = head + 4 + a.readUInt32LE(head);
  assert.throws(() => opened(Buffer.concat([a.subarray(0, head), b.subarray(head)])), isRefused);
  assert.throws(() => opened(Buffer.concat([a.subarray(0, chunk), b.subarray(chunk)])), isRefused);
});

test('a bundle to another platform is not opened', () => {
  const file = new BundleFile(inMemory(bundle(SMALL)));
  assert.throws(() => [...file.sections(makePlatformSecret())], isRefused);
});

test('keys come back from their texts, and other texts are none', () => {
  assert.equal(gatewayKey(gateway.text)?.fingerprint, gateway.fingerprint);
  assert.equal(platformKey(platform.text)?.fingerprint, platform.fingerprint);
  assert.equal(readGatewaySecret(gatewaySecretText(gateway))?.text, gateway.text);
  assert.equal(readPlatformSecret(platformSecretText(platform))?.text, platform.text);
  assert.match(grouped(platform.fingerprint), /^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
  for (const text of ['', gateway.text.slice(1), `${gateway.text}A`, platform.text, platform.text.replace('1:', '2:')])
    assert.equal(gatewayKey(text), undefined, text);
  assert.equal(readPlatformSecret(gatewaySecretText(gateway)), undefined);
  assert.equal(readGatewaySecret('{"v":1,"kind":"sluice-gateway-key","ed25519":"AAAA"}'), undefined);
});

test('a receipt proves both signatures, and a change of any letter is refused', () => {
  const signed = new BundleFile(inMemory(bundle(SMALL))).verify(gateway);
  const text = makeReceipt(signed, 1_795_000_900_000, platform);
  const own = { id: 'ghat-1', key: gateway };
  const read = readReceipt(text, own, platform);
  assert.equal(read.kind === 'receipt' && read.statement.ranges[0]?.last, 9);
  assert.equal(receiptFor(text), 'carrier');
  assert.equal(readReceipt(text, { ...own, id: 'ghat-2' }, platform).kind, 'refused');
  assert.equal(readReceipt(text, { ...own, key: makeGatewaySecret() }, platform).kind, 'refused');
  assert.equal(readReceipt(text, own, makePlatformSecret()).kind, 'refused');
  for (let at = 0; at < text.length - 1; at++) {
    // The name of a key may change to a key that nobody reads: then another one is missing.
    const changed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`;
    assert.equal(readReceipt(changed, own, platform).kind, 'refused', `letter ${at}`);
  }
});

test('a receipt whose platform signed other words for the same numbers is refused', () => {
  const signed = new BundleFile(inMemory(bundle(SMALL))).verify(gateway);
  const own = { id: 'ghat-1', key: gateway };
  // The key of the platform, and a statement with a wider range: only the gateway can sign that.
  const wider = Buffer.from(Buffer.from(signed.bytes).toString().replace('"last":9', '"last":99'));
  const text = makeReceipt({ bytes: wider, signature: signed.signature }, 1, platform);
  const read = readReceipt(text, own, platform);
  assert.match(read.kind === 'refused' ? read.why : '', /did not write/);
  // A signature for another purpose is none for this one.
  const bare = sign(null, signed.bytes, gateway.sign);
  const other = makeReceipt({ bytes: signed.bytes, signature: bare }, 1, platform);
  assert.equal(readReceipt(other, own, platform).kind, 'refused');
});

test('payloads of columns come back as records, and strange bytes are refused', () => {
  const shape: Shape = {
    device: 'pump',
    points: [
      { name: 'n', type: 'uint16', storage: 'number', unit: 'Hz' },
      { name: 's', type: 'string', storage: 'string' },
      { name: 'i', type: 'int64', storage: 'integer64' },
      { name: 'b', type: 'bool', storage: 'boolean' },
    ],
  };
  const records = [1, 2, 9].map((seq) => ({
    seq,
    sample: {
      shape,
      at: seq * 10,
      values: [seq, `läuft ${seq}`, -5n, seq > 1],
      reasons: seq === 9 ? Uint8Array.of(1, 0, 0, 255) : null,
    },
  }));
  const batch: Batch = {
    ...{ lane: 'history', gateway: 'g1', log: 'k3', boot: 'b17', inventory: 3, sent: 7 },
    ...{ offset: 1000, estimated: true, records },
  };
  const payload = columnsBatch(batch);
  const read = readColumns(payload, 'history');
  assert.equal(jsonBatch(read), jsonBatch(batch));
  assert.deepEqual([...readingRows(read)].length, 11);
  // What a batch says of a filter, of windows and of its range.
  const wider: Batch = {
    ...batch,
    ...{ range: { first: 0, last: 12 }, filtered: true, thinning: { every: 60_000, as: 'mean', last: ['pump.n'] } },
  };
  assert.equal(jsonBatch(readColumns(columnsBatch(wider), 'history')), jsonBatch(wider));
  for (const range of [
    { first: 2, last: 9 },
    { first: 1, last: 8 },
    { first: -1, last: 9 },
  ])
    assert.throws(() => readColumns(columnsBatch({ ...batch, range }), 'history'), SluiceError);
  const strange = (thrown: unknown) => thrown instanceof SluiceError && thrown.code === 'bundle-refused';
  const parts = (head: Uint8Array, block: Uint8Array) => {
    const part = (bytes: Uint8Array) => {
      const sealed = seal(bytes, new Uint8Array(0), 1);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(sealed.length);
      return Buffer.concat([length, sealed]);
    };
    return Buffer.concat([payload.subarray(0, 4), part(head), part(block)]);
  };
  const view = Buffer.from(payload);
  const end = 8 + view.readUInt32LE(4);
  const head = Buffer.from(unseal(view.subarray(8, end), 'head').bytes.rest());
  const block = Buffer.from(unseal(view.subarray(end + 4), 'block').bytes.rest());
  const bytes = fc.uint8Array({ maxLength: 60 });
  const place = fc.nat(Math.max(head.length, block.length));
  fc.assert(
    fc.property(fc.boolean(), place, bytes, (inHead, at, put) => {
      const of = inHead ? head : block;
      const changed = Buffer.concat([of.subarray(0, at % of.length), put, of.subarray((at % of.length) + put.length)]);
      try {
        // Other values may come of it, and no other fault.
        readColumns(parts(inHead ? changed : head, inHead ? block : changed), 'history');
      } catch (thrown) {
        assert.ok(strange(thrown), String(thrown));
      }
    }),
    { numRuns: 1500 },
  );
  // The name of a log stands in texts as it is.
  const named = Buffer.from(head.toString().replace('"log":"k3"', '"log":"k\\",x"'));
  assert.throws(() => readColumns(parts(named, block), 'history'), strange);
});

test('a bundle that was hashed as it came is proven by its head and statement alone', () => {
  const sections: Section[] = [200_000, 65_531, 0].map((size) => ({ kind: 'history', body: Buffer.alloc(size, 7) }));
  const whole = bundle(sections);
  /** As an export takes them. */
  const proven = (bytes: Buffer, cuts: readonly number[]): { statement: Statement; read: number } => {
    const [splitter, hash] = [new BundleSplitter(), createHash('sha256')];
    let length = 0;
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const n = cuts[i % cuts.length] as number;
      for (const { bytes: piece, signed } of splitter.take(bytes.subarray(at, at + n))) {
        hash.update(piece.subarray(0, signed));
        length += signed;
      }
      at += n;
    }
    let read = 0;
    const source = inMemory(bytes);
    const counted: ByteSource = {
      size: source.size,
      read(at, n) {
        read += n;
        return source.read(at, n);
      },
    };
    const { statement } = new BundleFile(counted).verifyHashed(gateway, { length, sha256: hash.digest('hex') });
    return { statement, read };
  };
  const lengths = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(lengths, fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (cuts, at, change) => {
      const { statement, read } = proven(whole, cuts);
      assert.deepEqual(statement, new BundleFile(inMemory(whole)).verify(gateway).statement);
      assert.ok(read < 5000, `${read} bytes are read again`);
      const other = Buffer.from(whole);
      other[at] = (other[at] as number) ^ change;
      assert.throws(() => proven(other, cuts), isRefused);
      assert.throws(() => proven(whole.subarray(0, at), cuts), isRefused);
    }),
    { numRuns: 100 },
  );
});
