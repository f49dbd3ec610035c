import assert from 'node:assert/strict';
import test from 'node:test';
import { decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { answerTo, claimOf, isQuestion, mayClaim, recordsOf, SERVICE } from '../../../src/admin/mdns/answers.ts';
import { isNear } from '../../../src/admin/mdns/links.ts';

const SELF = { instance: 'ghat-1', host: 'sluice-a1b2c3', port: 8443 };
const HERE = ['192.0.2.1', '2001:db8::1'];
const ask = (name: string, type: 'PTR' | 'A' | 'AAAA' | 'SRV' | 'TXT'): Packet => ({
  type: 'query',
  questions: [{ name, type }],
});

test('a question about the service is answered with all that a browser needs', () => {
  const answer = answerTo(ask('_SLUICE._tcp.local', 'PTR'), SELF, HERE, false);
  assert.deepEqual(
    answer?.answers?.map(({ type }) => type),
    ['PTR'],
  );
  assert.deepEqual(
    answer?.additionals?.map(({ type }) => type),
    ['SRV', 'TXT', 'A', 'AAAA'],
  );
  assert.ok(encode(answer ?? {}).length < 500);
  assert.deepEqual(
    answerTo(ask('sluice-a1b2c3.local', 'A'), SELF, HERE, false)?.answers?.map((one) => 'data' in one && one.data),
    ['192.0.2.1'],
  );
  assert.equal(answerTo(ask('_services._dns-sd._udp.local', 'PTR'), SELF, HERE, false)?.answers?.length, 1);
});

test('nothing is said to strangers, to those who know it, and of other names', () => {
  assert.equal(answerTo(ask('printer.local', 'A'), SELF, HERE, false), undefined);
  const known = { ...ask(SERVICE, 'PTR'), answers: recordsOf(SELF, []).slice(0, 1) };
  assert.equal(answerTo(known, SELF, HERE, false), undefined);
  assert.equal(isNear('192.0.2.77', { address: '192.0.2.1', netmask: '255.255.255.0' }), true);
  assert.equal(isNear('198.51.100.1', { address: '192.0.2.1', netmask: '255.255.255.0' }), false);
});

test('a resolver that knows no multicast gets its question back, and short times', () => {
  const answer = answerTo({ ...ask(SERVICE, 'PTR'), id: 77 }, SELF, HERE, true);
  assert.equal(answer?.id, 77);
  assert.equal(answer?.questions?.length, 1);
  assert.ok([...(answer?.answers ?? []), ...(answer?.additionals ?? [])].every((one) => 'ttl' in one && one.ttl === 10));
});

test('only small questions are read, and any bytes are survived', () => {
  assert.equal(isQuestion(encode(ask(SERVICE, 'PTR'))), true);
  assert.equal(isQuestion(encode({ type: 'response', answers: recordsOf(SELF, HERE) })), false);
  assert.equal(
    isQuestion(encode({ type: 'query', questions: Array.from({ length: 17 }, () => ({ name: SERVICE, type: 'PTR' as const })) })),
    false,
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      if (!isQuestion(bytes)) return;
      let packet: Packet;
      try {
        packet = decode(Buffer.from(bytes));
      } catch {
        return;
      }
      answerTo(packet, SELF, HERE, false);
    }),
  );
});

test('a name that another device claims is seen, and no other answer is', () => {
  const claim = (other: Partial<typeof SELF>, addresses: readonly string[], ttl?: number): string | undefined => {
    const bytes = encode({ type: 'response', answers: recordsOf({ ...SELF, ...other }, addresses, ttl) });
    return mayClaim(bytes, SELF) ? claimOf(decode(bytes), SELF, HERE) : undefined;
  };
  assert.equal(claim({}, HERE), undefined, 'its own words');
  assert.equal(claim({ port: 8444 }, HERE), 'ghat-1._sluice._tcp.local');
  assert.equal(claim({ host: 'printer' }, []), 'ghat-1._sluice._tcp.local');
  assert.equal(claim({ instance: 'ghat-2', host: 'SLUICE-A1B2C3' }, ['192.0.2.66']), 'sluice-a1b2c3.local');
  assert.equal(claim({ instance: 'ghat-1-b', host: 'sluice-ffffff' }, ['192.0.2.66']), undefined, 'another gateway');
  assert.equal(claim({ port: 8444 }, ['192.0.2.66'], 0), undefined, 'a good-bye');
  assert.equal(mayClaim(encode(ask(SERVICE, 'PTR')), SELF), false);
});

test('names that point at themselves, at each other or behind the end are refused', () => {
  const head = Buffer.from([0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0]);
  const questions = (...names: number[][]) => Buffer.concat([head, ...names.map((name) => Buffer.from([...name, 0, 12, 0, 1]))]);
  const hostile = [
    questions([0xc0, 12]),
    questions([1, 97, 0xc0, 12]),
    questions([0xc0, 18], [0xc0, 12]),
    questions([0xff, 0xff]),
    questions([63, 97]),
    Buffer.concat([head, Buffer.from(Array.from({ length: 700 }, (_, i) => (i % 2 === 0 ? 1 : 97)))]),
    // Each name points at the one before it, so the last one is as long as all of them.
    Buffer.concat([
      head,
      ...Array.from({ length: 16 }, (_, i) =>
        Buffer.from([...Array(60).fill(1), 0xc0, Math.max(0, 12 + (i - 1) * 66), 0, 12, 0, 1]),
      ),
    ]),
  ];
  for (const bytes of hostile) {
    let query: Packet = {};
    try {
      query = decode(bytes);
    } catch {
      continue;
    }
    assert.equal(answerTo(query, SELF, HERE, false), undefined, bytes.toString('hex').slice(0, 80));
  }
});
