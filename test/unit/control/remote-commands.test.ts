/** Commands that come as messages: what is no command, what a grant names, expiry, bounds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { grants, MOST_MESSAGE, NoCommand, parseMessage } from '../../../src/control/remote/message.ts';
import type { Command } from '../../../src/core/commands.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Outward } from '../../../src/core/privacy.ts';
import type { Grant } from '../../../src/core/remote-commands.ts';
import { bytes, deskBench, Store, settled, write } from '../../harness/desk-bench.ts';

test('every word of the contract becomes its command', () => {
  const cases: [object, Command][] = [
    [write('a'), { do: 'write', point: 'pump.speed', value: 40 }],
    [
      { id: 'a', do: 'write', target: 'pump.on', value: true },
      { do: 'write', point: 'pump.on', value: true },
    ],
    [
      { id: 'a', do: 'write', target: 'm.total', value: '18446744073709551615' },
      { do: 'write', point: 'm.total', value: '18446744073709551615' },
    ],
    [
      { id: 'a', do: 'read', target: 'pump' },
      { do: 'read', device: 'pump' },
    ],
    [
      { id: 'a', do: 'ack', target: 'warm' },
      { do: 'acknowledge', rule: 'warm' },
    ],
    [
      { id: 'a', do: 'ack', target: 'warm', occurrence: 3 },
      { do: 'acknowledge', rule: 'warm', occurrence: 3 },
    ],
    [
      { id: 'a', do: 'shelve', target: 'warm', for: '8h', reason: 'repair' },
      { do: 'shelve', rule: 'warm', for: 28_800_000, reason: 'repair' },
    ],
    [
      { id: 'a', do: 'shelve', target: 'warm', for: null },
      { do: 'shelve', rule: 'warm', for: null, reason: undefined },
    ],
    [
      { id: 'a', do: 'reset', target: 'warm', occurrence: 2 },
      { do: 'reset', rule: 'warm', occurrence: 2 },
    ],
    [
      { id: 'a', do: 'out-of-service', target: 'warm', reason: 'repair' },
      { do: 'out-of-service', rule: 'warm', reason: 'repair' },
    ],
    [
      { id: 'a', do: 'out-of-service', target: 'warm', reason: 'repair', for: '90d' },
      { do: 'out-of-service', rule: 'warm', reason: 'repair', for: 7_776_000_000 },
    ],
    [
      { id: 'a', do: 'in-service', target: 'warm' },
      { do: 'in-service', rule: 'warm' },
    ],
    [{ id: 'a', do: 'reload' }, { do: 'reload' }],
    [{ id: 'a', do: 'restart-flows' }, { do: 'restart-flows' }],
    [
      { id: 'a', do: 'resend', log: '0123456789', first: 1, last: 9 },
      { do: 'resend', log: '0123456789', first: 1, last: 9, points: undefined },
    ],
    [
      // The log of salvaged records.
      { id: 'a', do: 'resend', log: 's123456789', first: 1, last: 9 },
      { do: 'resend', log: 's123456789', first: 1, last: 9, points: undefined },
    ],
    [
      { id: 'a', do: 'resend', from: 5, to: 9, points: ['pump'] },
      { do: 'resend', from: 5, to: 9, points: ['pump'] },
    ],
  ];
  for (const [message, command] of cases) assert.deepEqual(parseMessage(bytes(message)).command, command);
});

test('what is no command is refused in words, with its id where it has one', () => {
  const cases: [unknown, RegExp, string | undefined][] = [
    ['', /not JSON/, undefined],
    [Buffer.from([0xff, 0x7b]).toString('latin1'), /not JSON/, undefined],
    ['[]', /not a JSON object/, undefined],
    ['null', /not a JSON object/, undefined],
    [{ do: 'reload' }, /^id has/, undefined],
    [{ id: 'a/b', do: 'reload' }, /^id has/, undefined],
    [{ id: '#', do: 'reload' }, /^id has/, undefined],
    [{ id: 'x'.repeat(65), do: 'reload' }, /^id has/, undefined],
    [{ id: 'a', do: 'format' }, /^do is one of write, read/, 'a'],
    [{ id: 'a', do: 'reload', target: 'x' }, /reload has no "target"/, 'a'],
    [{ id: 'a', do: 'restart-flows', target: 'x' }, /restart-flows has no "target"/, 'a'],
    [write('a', { target: 'pump' }), /device\.point/, 'a'],
    [write('a', { target: 'pump.speed.x' }), /device\.point/, 'a'],
    [write('a', { value: null }), /^value is/, 'a'],
    [write('a', { value: { $gt: 1 } }), /^value is/, 'a'],
    [write('a', { expires: 'tomorrow' }), /^expires/, 'a'],
    [write('a', { expires: -1 }), /^expires/, 'a'],
    [{ id: 'a', do: 'shelve', target: 'warm' }, /^for is/, 'a'],
    [{ id: 'a', do: 'out-of-service', target: 'warm', reason: ' ' }, /^reason is/, 'a'],
    [{ id: 'a', do: 'out-of-service', target: 'warm' }, /^reason is/, 'a'],
    [{ id: 'a', do: 'out-of-service', target: 'warm', reason: 'repair', for: '91d' }, /^for is/, 'a'],
    [{ id: 'a', do: 'out-of-service', target: 'warm', reason: 'repair', for: 3_600_000 }, /^for is/, 'a'],
    [{ id: 'a', do: 'out-of-service', target: 'warm', reason: 'repair', for: null }, /^for is/, 'a'],
    [{ id: 'a', do: 'reset', target: 'warm', occurrence: 0 }, /^occurrence is/, 'a'],
    [{ id: 'a', do: 'in-service' }, /^target is/, 'a'],
    [{ id: 'a', do: 'shelve', target: 'warm', for: '2000d' }, /^for is/, 'a'],
    [{ id: 'a', do: 'shelve', target: 'warm', for: '1h', reason: 'x'.repeat(201) }, /^reason/, 'a'],
    [{ id: 'a', do: 'resend', log: '0123456789', first: 9, last: 1 }, /^first and last/, 'a'],
    [{ id: 'a', do: 'resend', log: '0123456789', first: 1, last: 2, from: 1 }, /not both/, 'a'],
    [{ id: 'a', do: 'resend' }, /^from and to/, 'a'],
    [JSON.stringify(write('a', { value: 'x'.repeat(MOST_MESSAGE) })), /at most 8192 bytes/, undefined],
  ];
  for (const [message, words, id] of cases)
    assert.throws(
      () => parseMessage(bytes(message)),
      (error: unknown) => error instanceof NoCommand && words.test(error.message) && error.id === id,
      JSON.stringify(message),
    );
});

test('property: no bytes make anything but a command or a refusal', () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record(
        {
          id: fc.constantFrom('a', 'b', 7),
          do: fc.constantFrom('write', 'ack', 'resend', 'x'),
          target: fc.anything(),
          value: fc.anything(),
          for: fc.anything(),
        },
        { requiredKeys: [] },
      )
      .map((json) => Buffer.from(JSON.stringify(json, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v)) ?? '')),
  );
  fc.assert(
    fc.property(message, (payload) => {
      try {
        parseMessage(payload);
      } catch (thrown) {
        assert.ok(thrown instanceof NoCommand);
      }
    }),
    { numRuns: 500 },
  );
});

test('a grant allows what it names and nothing else', () => {
  const grant: Grant = { write: ['pump.speed', 'tank.*'], read: ['pump'], ack: ['*'] };
  const allowed = (word: string, target?: string) => grants(grant, { do: word as never, target });
  assert.deepEqual(
    [allowed('write', 'pump.speed'), allowed('write', 'tank.level'), allowed('read', 'pump'), allowed('ack', 'any')],
    [true, true, true, true],
  );
  assert.deepEqual(
    [
      allowed('write', 'pump.run'),
      allowed('write', 'tanker.level'),
      allowed('read', 'tank'),
      allowed('shelve', 'any'),
      allowed('in-service', 'any'),
      allowed('reload'),
      allowed('resend'),
      allowed('restart-flows'),
    ],
    [false, false, false, false, false, false, false, false],
  );
});

test('a refusal says the same of a point that exists and of one that does not', async () => {
  const s = deskBench();
  s.one.grant = {};
  s.take(write('a'));
  s.take(write('b', { target: 'no.such' }));
  await settled();
  const [a, b] = s.answers;
  assert.deepEqual([a?.code, a?.message], [b?.code, b?.message]);
  assert.equal(a?.code, 'forbidden');
  assert.deepEqual(s.done, []);
  assert.equal(s.store.flushes, 0);
});

test('a command that expired, also while it waited, does not act, and its id stays free', async () => {
  let release: () => void = () => {};
  const s = deskBench(new Store(), async (_, { begin }) => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    begin?.();
    return { value: 1, readBack: true };
  });
  s.take(write('old', { expires: s.one.now - 1 }));
  await settled();
  assert.equal(s.answers[0]?.code, 'expired');
  s.take(write('a', { expires: s.one.now + 1000 }));
  await settled();
  s.one.now += 2000;
  release();
  await settled();
  assert.deepEqual([s.answers[1]?.code, s.done.length], ['expired', 0]);
  s.take(write('a', { expires: s.one.now + 1000 }));
  await settled();
  release();
  await settled();
  assert.deepEqual([s.answers[2]?.ok, s.done.length], [true, 1]);
});

test('without a known clock a command with an expiry does not act', async () => {
  const s = deskBench();
  s.one.known = false;
  s.take(write('a', { expires: s.one.now + 1000 }));
  s.take(write('b'));
  await settled();
  assert.deepEqual(
    s.answers.map(({ id, ok, code }) => [id, ok, code]),
    [
      ['a', false, 'clock-unknown'],
      ['b', true, undefined],
    ],
  );
});

test('a disk that takes nothing keeps a command from acting', async () => {
  const s = deskBench();
  s.store.fails = true;
  s.take(write('a'));
  await settled();
  assert.deepEqual([s.answers[0]?.code, s.done.length], ['log-write', 0]);
  s.store.fails = false;
  s.take(write('a'));
  await settled();
  assert.equal(s.done.length, 1);
});

test('a thousand at once: each is answered, and no more wait than the bound', async () => {
  const s = deskBench();
  for (let i = 0; i < 1000; i++) s.take(write(`c${i}`));
  await settled();
  for (let i = 0; i < 20; i++) await settled();
  const busy = s.answers.filter(({ code }) => code === 'busy').length;
  assert.equal(s.answers.length + s.desk.dropped.answers, 1000);
  assert.equal(s.done.length, 1000 - busy - s.desk.dropped.answers);
  assert.ok(s.done.length >= 64);
});

test('a retained message, and one that is none, are reported and counted', async () => {
  const s = deskBench();
  s.take(write('a'), true);
  s.take('garbage');
  s.take({ id: 'b', do: 'format' });
  await settled();
  assert.equal(s.desk.dropped.messages, 3);
  assert.match(s.events[0]?.message ?? '', /retained message is not obeyed/);
  assert.deepEqual(
    s.answers.map(({ id, code }) => [id, code]),
    [['b', 'request-invalid']],
  );
  assert.equal(s.done.length, 0);
});

test('a failed write says what the device shows only where the point may leave as it is', async () => {
  const b = deskBench(new Store(), async () => {
    throw new SluiceError('write-failed', 'pump.speed: the device acknowledged 21 and shows 37.2');
  });
  const none = { closed: [], windowed: [], round: {}, points: { 'pump.speed': 'health' } } as const;
  const outwards: readonly Outward[] = [
    { ...none, closed: ['health'] },
    { ...none, windowed: ['health'] },
    { ...none, round: { health: 5 } },
  ];
  for (const [i, outward] of outwards.entries()) {
    b.one.outward = outward;
    b.take(write(`w${i}`));
    await settled();
    assert.deepEqual(
      [b.answers.at(-1)?.topic, b.answers.at(-1)?.code, b.answers.at(-1)?.message],
      [`w${i}`, 'write-failed', 'pump.speed was not set: write-failed'],
    );
  }
  b.one.outward = none;
  b.take(write('open'));
  await settled();
  assert.match(String(b.answers.at(-1)?.message), /shows 37\.2/);
});

test('faults of a configuration reach nobody from whom points are kept', async () => {
  const words = 'the configuration was refused:\ng.yaml:3:1 no point hartbeat; did you mean "heartbeat"?';
  const b = deskBench(new Store(), () => {
    throw new SluiceError('config-invalid', words, { data: { faults: 2 } });
  });
  b.take({ id: 'all', do: 'reload' });
  b.one.outward = { closed: ['health'], windowed: [], round: {}, points: { 'band.heartbeat': 'health' } };
  b.take({ id: 'some', do: 'reload' });
  await settled();
  await settled();
  const said = new Map(b.answers.map(({ topic, message }) => [topic, message]));
  assert.equal(said.get('all'), words);
  assert.equal(said.get('some'), 'the configuration was refused, with 2 faults; "sluice check" on the board lists them');
});
