/** One id of a caller acts once: while it waits or runs, after it, after kills; and never for another command. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Ledger, PER_OWNER } from '../../../src/control/remote/ledger.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { deskBench, Store, settled, write } from '../../harness/desk-bench.ts';

test('one id acts once: while it runs, after it, after a kill and after a power cut', async () => {
  const gate = Promise.withResolvers<void>();
  const first = deskBench(new Store(), () => gate.promise.then(() => ({ value: 40, readBack: true })));
  first.take(write('a'));
  first.take(write('a'));
  await settled();
  first.take(write('a'));
  assert.equal(first.answers.length, 0);
  const cut = deskBench(first.store.powerCut());
  cut.take(write('a'));
  await settled();
  assert.equal(cut.done.length, 0);
  assert.deepEqual([cut.answers[0]?.ok, cut.answers[0]?.code], [false, 'outcome-unknown']);
  gate.resolve();
  await settled();
  first.take(write('a'));
  await settled();
  assert.equal(first.done.length, 1);
  assert.deepEqual(first.answers[0], first.answers[1]);
  const again = deskBench(first.store);
  again.take(write('a'));
  await settled();
  assert.equal(again.done.length, 0);
  assert.deepEqual(again.answers, [first.answers[0]]);
});

test('an id whose command was busy stays free, and acts once when it is asked again', async () => {
  let starting = true;
  const s = deskBench(new Store(), () => {
    if (starting) throw new SluiceError('busy', 'Node-RED is starting already; nothing was done');
    return { state: 'running' };
  });
  const ask = async (): Promise<void> => {
    s.take({ id: 'a', do: 'restart-flows' });
    await settled();
  };
  await ask();
  assert.equal(s.store.all.size, 0);
  starting = false;
  await ask();
  await ask();
  assert.deepEqual(
    s.answers.map(({ ok, code }) => [ok, code]),
    [
      [false, 'busy'],
      [true, undefined],
      [true, undefined],
    ],
  );
  assert.equal(s.done.length, 1);
});

test('two callers may use the same id, and neither gets the result of the other', async () => {
  const s = deskBench();
  s.take(write('a'));
  await settled();
  s.one.owner = 'user:anna';
  s.take(write('a'));
  await settled();
  assert.equal(s.done.length, 2);
});

test('the table keeps so many ids of a caller, the oldest result goes first', async () => {
  const s = deskBench();
  for (let i = 0; i < PER_OWNER + 5; i++) {
    s.take(write(`c${i}`));
    await settled();
  }
  assert.equal(s.store.all.size, PER_OWNER);
  s.take(write('c5'));
  await settled();
  assert.equal(s.done.length, PER_OWNER + 5);
  s.take(write('c4'));
  await settled();
  assert.equal(s.done.length, PER_OWNER + 6);
});

test('a result whose caller is gone is there when it asks again', async () => {
  const s = deskBench();
  s.one.gone = true;
  s.take(write('a'));
  await settled();
  s.one.gone = false;
  s.take(write('a'));
  await settled();
  assert.deepEqual([s.done.length, s.answers[0]?.ok], [1, true]);
});

test('damaged rows of the table are left out', () => {
  const store = new Store();
  const rows: [string, unknown][] = [
    ['@command.0', null],
    ['@command.1', 'x'],
    ['@command.-1', { owner: 'a', id: 'b', order: 1 }],
    ['@command.999', { owner: 'a', id: 'b', order: 1 }],
    ['@command.2', { owner: 'a', id: 'b', order: 'x' }],
    ['@command.3', { owner: 'a', id: 'ok', order: 1 }],
  ];
  for (const [key, state] of rows) store.all.set(key, state);
  const ledger = new Ledger(store);
  assert.equal(ledger.find('a', 'b'), undefined);
  assert.ok(ledger.find('a', 'ok') !== undefined);
});

for (const message of [
  { id: 'a', do: 'resend', from: 5, to: 9 },
  { id: 'a', do: 'read', target: 'pump' },
] as const)
  test(`a ${message.do} whose id waits or runs already does not begin a second time`, async () => {
    const gates: (() => void)[] = [];
    let begun = 0;
    const s = deskBench(new Store(), async (_, { part }) => {
      begun++;
      await part?.(`{"part":0}`);
      await new Promise<void>((resolve) => gates.push(resolve));
      await part?.(`{"part":1}`);
      return message.do === 'read' ? { device: 'pump', samples: [], faults: [] } : { records: 2, parts: 2 };
    });
    s.take(message);
    s.take(message);
    await settled();
    s.take(message);
    await settled();
    assert.equal(begun, 1);
    for (const open of gates) open();
    await settled();
    assert.deepEqual(
      s.answers.map(({ kind, part, ok }) => [kind, part ?? ok]),
      [
        ['resend', 0],
        ['resend', 1],
        ['result', true],
      ],
    );
    // It is over: asked again, it looks again.
    s.take(message);
    await settled();
    assert.equal(begun, 2);
  });

test('an id that waits is not begun twice, and its place is free when it is done', async () => {
  const gate = Promise.withResolvers<void>();
  const s = deskBench(new Store(), () => gate.promise.then(() => ({ device: 'pump', samples: [], faults: [] })));
  for (let i = 0; i < 6; i++) s.take({ id: `r${i}`, do: 'read', target: 'pump' });
  for (let i = 0; i < 6; i++) s.take({ id: `r${i}`, do: 'read', target: 'pump' });
  gate.resolve();
  await settled();
  await settled();
  assert.deepEqual(
    s.answers.map(({ topic, ok }) => [topic, ok]),
    [0, 1, 2, 3, 4, 5].map((i) => [`r${i}`, true]),
  );
  assert.equal(s.done.length, 6);
});

test('an id with another command is refused while it waits, runs or is done', async () => {
  const gate = Promise.withResolvers<void>();
  const s = deskBench(new Store(), () => gate.promise.then(() => ({ value: 40, readBack: true })));
  const others = [write('a', { value: 41 }), write('a', { target: 'pump.other' }), { id: 'a', do: 'read', target: 'pump' }];
  s.take(write('a'));
  s.take(others[0]);
  await settled();
  s.take(others[1]);
  await settled();
  gate.resolve();
  await settled();
  // Another expiry makes no other command of it.
  s.take(write('a', { expires: s.one.now + 1000 }));
  s.take(others[2]);
  await settled();
  assert.deepEqual(
    s.answers.map(({ do: word, ok, code }) => [word, ok, code]),
    [
      ['write', false, 'request-invalid'],
      ['write', false, 'request-invalid'],
      ['write', true, undefined],
      ['write', true, undefined],
      ['read', false, 'request-invalid'],
    ],
  );
  assert.match(String(s.answers[0]?.message), /^the id a was used for another command; choose a new one$/);
  assert.deepEqual(
    s.refused.map(({ command, code }) => [command.do, code]),
    [
      ['write', 'request-invalid'],
      ['write', 'request-invalid'],
      ['read', 'request-invalid'],
    ],
    'the audit has each',
  );
  const again = deskBench(s.store.powerCut());
  again.take(write('a'));
  again.take(others[0]);
  await settled();
  assert.deepEqual(
    again.answers.map(({ code }) => code),
    ['outcome-unknown', 'request-invalid'],
  );
  assert.equal(s.done.length + again.done.length, 1);
});

test('a row of a version that kept no digest answers as it did', async () => {
  const store = new Store();
  store.save('@command.0', { owner: 'forwarder:cloud', id: 'a', order: 1, result: '{"v":1,"id":"a","ok":true}' });
  const s = deskBench(store);
  s.take(write('a', { value: 41 }));
  await settled();
  assert.deepEqual([s.answers[0]?.ok, s.done.length], [true, 0]);
});

test('a command that does not begin is in the audit: expired, too many, not granted', async () => {
  const s = deskBench(new Store(), () => new Promise(() => {}));
  s.take(write('old', { expires: s.one.now - 1 }));
  await settled();
  for (let i = 0; i < PER_OWNER + 1; i++) s.take(write(`w${i}`));
  s.one.owner = 'forwarder:other';
  s.one.grant = {};
  s.take(write('no'));
  await settled();
  await settled();
  assert.deepEqual(
    s.refused.map(({ code }) => code),
    ['expired', 'busy', 'forbidden'],
  );
});
