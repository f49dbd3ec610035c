/** A GPIO line around each request: the order of the calls, and that no error leaves it active. The system is a fake with a clock of its own. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CallRefused } from '../../../src/drivers/transceiver/calls.ts';
import { HalfDuplex, STUCK, UNSEEN } from '../../../src/drivers/transceiver/half-duplex.ts';
import { type FakeOptions, FakeTransceiver } from '../../harness/fake-transceiver.ts';

const GPIO = { gpio: '/dev/gpiochip0', line: 4, activeLow: false };
/** 9600 baud, 8N1. */
const CHARACTER = 10_000 / 9600;
const REQUEST = Uint8Array.of(1, 3, 0, 0, 0, 2, 0xc4, 0x0b);
const WIRE = REQUEST.length * CHARACTER;

function opened(options: Partial<FakeOptions> = {}): { fake: FakeTransceiver; line: HalfDuplex } {
  const fake = new FakeTransceiver({ character: CHARACTER, ...options });
  return { fake, line: new HalfDuplex({ calls: fake, port: fake.port, gpio: GPIO, character: CHARACTER }) };
}
const refusal = (run: () => void): unknown => {
  try {
    run();
  } catch (thrown) {
    return thrown instanceof CallRefused ? thrown.refusal : thrown;
  }
  return undefined;
};
/** ms between the call that makes the line active and the one that ends it, of each send. */
const spans = ({ changes }: FakeTransceiver): number[] =>
  changes.flatMap(({ at, active }, i) => (active ? [(changes[i + 1]?.at ?? Number.NaN) - at] : []));

test('a request is written while the line is active, and the line is inactive afterwards', () => {
  const { fake, line } = opened();
  assert.deepEqual([fake.line, fake.calls], ['inactive', ['takeLine', 'copyPort']]);
  line.send(REQUEST);
  assert.deepEqual(fake.calls.slice(2), ['active', 'write', 'waiting', 'isEmpty', 'inactive']);
  assert.deepEqual(fake.written, [{ bytes: [...REQUEST], active: true }]);
  assert.deepEqual([fake.line, fake.dropped], ['inactive', 0]);
  line.send(REQUEST);
  assert.equal(fake.changes.length, 4);
  line.close();
  assert.deepEqual([fake.line, [...fake.open]], ['free', []]);
});

test('the release waits for the time of the bytes, also where a driver calls itself empty early', () => {
  const { fake, line } = opened({ tells: 'early' });
  line.send(REQUEST);
  const [span = 0] = spans(fake);
  assert.ok(span >= WIRE && span < WIRE + CHARACTER / 2, `${span}`);
});

test('the release waits for a transmitter that began late', () => {
  const { fake, line } = opened({ begins: 5 });
  line.send(REQUEST);
  const [span = 0] = spans(fake);
  assert.ok(span >= WIRE + 5 && span < WIRE + 5 + CHARACTER / 2, `${span}`);
});

test('a driver that says nothing of its transmitter gets a margin on top of the time', () => {
  const { fake, line } = opened({ tells: 'no' });
  line.send(REQUEST);
  const [span = 0] = spans(fake);
  assert.ok(span >= WIRE + UNSEEN && span < WIRE + UNSEEN + CHARACTER, `${span}`);
});

test('a kernel that takes a request in parts gets all of it, in order', () => {
  const { fake, line } = opened({ takes: 3 });
  line.send(REQUEST);
  assert.deepEqual(
    fake.written.flatMap(({ bytes }) => bytes),
    [...REQUEST],
  );
  assert.deepEqual([fake.written.length, fake.changes.length, fake.line], [3, 2, 'inactive']);
});

test('a transmitter that never becomes empty is given up, and what it holds is thrown away', () => {
  for (const stuck of [{ transmitter: 'never' }, { takes: 0 }] as const) {
    const { fake, line } = opened(stuck);
    const { call, bytes, waited } = refusal(() => line.send(REQUEST)) as { call: string; bytes: number; waited: number };
    assert.deepEqual([call, bytes], ['stuck', REQUEST.length]);
    assert.ok(waited >= 2 * WIRE + STUCK && waited < 2 * WIRE + STUCK + 2, `${waited}`);
    assert.deepEqual([fake.line, fake.dropped, [...fake.open]], ['free', 1, []]);
    assert.deepEqual(fake.calls.slice(-3), ['drop', 'inactive', 'close']);
  }
});

test('a port that is to be closed ends a request under way, and the line is inactive', () => {
  const { fake, line } = opened({ wakes: 0 });
  line.send(REQUEST);
  assert.deepEqual([fake.line, fake.dropped, fake.calls.at(-1)], ['inactive', 1, 'inactive']);
  assert.equal(fake.calls.includes('isEmpty'), false, 'it did not wait');
  line.close();
  assert.deepEqual([fake.line, [...fake.open]], ['free', []]);
});

test('a line that is refused leaves nothing open, and the port is not touched', () => {
  const fake = new FakeTransceiver({ character: CHARACTER, fails: new Set([0]) });
  assert.throws(() => new HalfDuplex({ calls: fake, port: fake.port, gpio: GPIO, character: CHARACTER }), CallRefused);
  assert.deepEqual([fake.calls, [...fake.open]], [['takeLine'], []]);
});

test('after close nothing is written and the line stays as it is', () => {
  const { fake, line } = opened();
  line.close();
  const { count } = fake;
  line.send(REQUEST);
  line.close();
  assert.deepEqual([fake.count, fake.line], [count, 'free']);
});

test('the line is active in sends only, whichever calls fail', () => {
  let failed = 0;
  const settings = fc.record({
    sends: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
    fails: fc.array(fc.nat(60), { maxLength: 4 }),
    begins: fc.constantFrom(0, 1, 7),
    transmitter: fc.constantFrom('keeps pace' as const, 'keeps pace' as const, 'never' as const),
    tells: fc.constantFrom('yes' as const, 'no' as const, 'early' as const),
    takes: fc.constantFrom(0, 1, 7, 1000),
    wakes: fc.option(fc.nat(30), { nil: undefined }),
  });
  fc.assert(
    fc.property(settings, ({ sends, fails, wakes, ...rest }) => {
      const fake = new FakeTransceiver({
        ...{ ...rest, character: CHARACTER, fails: new Set(fails) },
        ...(wakes === undefined ? {} : { wakes }),
      });
      let line: HalfDuplex | undefined;
      const thrown = refusal(() => {
        line = new HalfDuplex({ calls: fake, port: fake.port, gpio: GPIO, character: CHARACTER });
      });
      if (thrown !== undefined) {
        failed++;
        assert.deepEqual([fake.line, fake.open.size], ['free', 0]);
        return;
      }
      for (const bytes of sends) {
        const before = fake.written.length;
        const refused = refusal(() => line?.send(bytes));
        assert.notEqual(fake.line, 'active');
        if (refused !== undefined) {
          failed++;
          assert.deepEqual([fake.line, fake.open.size], ['free', 0], 'a failure lets go of everything');
        }
        const now = fake.written.slice(before);
        if (now.length > 0 && refused === undefined && wakes === undefined && rest.tells === 'yes')
          assert.ok((fake.changes.at(-1)?.at ?? 0) >= fake.outAt, 'it was released before the last stop bit');
        assert.ok(now.every(({ active }) => active));
        assert.deepEqual(
          now.flatMap((one) => one.bytes),
          [...bytes].slice(0, now.flatMap((one) => one.bytes).length),
        );
      }
      line?.close();
      assert.deepEqual([fake.line, fake.open.size], ['free', 0]);
    }),
    { numRuns: 3000 },
  );
  assert.ok(failed > 300, `${failed} failures were played`);
});
