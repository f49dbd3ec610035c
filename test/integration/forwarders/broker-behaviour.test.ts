/**
 * What the interoperability cases of Eclipse Paho for MQTT 3.1.1 ask of a broker, on the embedded broker. Its clients are
 * anonymous here: they subscribe and do not publish. Each case that needs it says what is refused, and goes on with messages of
 * the gateway; clients with accounts have the rest of the case elsewhere.
 *
 * | case | here | with accounts |
 * |---|---|---|
 * | connect, disconnect, connect again; a second CONNECT; a wrong protocol name | all | |
 * | retained messages | those of the gateway; a client that publishes one is disconnected | broker-accounts |
 * | will | taken and dropped, as every message of a client without an account | broker-accounts |
 * | empty client id | all | |
 * | messages for a client that is away | those of the gateway, QoS 1 | broker-restart |
 * | overlapping filters | all | |
 * | keep-alive | all; the will of an account follows, that of another client does not | here |
 * | redelivery after a return | QoS 1 | broker-acknowledgements, broker-kept: QoS 2 |
 * | denied filter | all | broker-accounts |
 * | `$` topics | no filter may name one; a client that publishes on one is disconnected | |
 * | UNSUBSCRIBE | all | |
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { claimedAccess, ROOT as OWNER, PASSWORD } from '../../fakes/test-access.ts';
import { BrokerBench, inventoryOf, Raw, ROOT, shapeOf, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

const PINGREQ = Buffer.from([0xc0, 0]);
const CLEAN = 2;

interface Got {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

/** The packets that came. */
function packetsOf(bytes: Buffer): Got[] {
  const found: Got[] = [];
  for (let at = 0; at + 1 < bytes.length; ) {
    let length = 0;
    let i = at + 1;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[i++] as number;
      length += (byte & 127) * shift;
      if (byte < 128) break;
    }
    if (i + length > bytes.length) break;
    found.push({ type: (bytes[at] as number) >> 4, flags: (bytes[at] as number) & 15, body: bytes.subarray(i, i + length) });
    at = i + length;
  }
  return found;
}

interface Message {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly dup: boolean;
  readonly retained: boolean;
  readonly id: number | undefined;
}

function messagesOf(bytes: Buffer): Message[] {
  return packetsOf(bytes)
    .filter(({ type }) => type === 3)
    .map(({ flags, body }) => {
      const end = 2 + body.readUInt16BE(0);
      const qos = (flags >> 1) & 3;
      return {
        topic: body.toString('utf8', 2, end),
        payload: body.toString('utf8', end + (qos > 0 ? 2 : 0)),
        ...{ qos, dup: flags >= 8, retained: flags % 2 === 1, id: qos > 0 ? body.readUInt16BE(end) : undefined },
      };
    });
}

const count = (raw: Raw, type: number): number => packetsOf(raw.bytes).filter((p) => p.type === type).length;

/** Whatever the broker has for it until now is here. */
async function settled(raw: Raw): Promise<void> {
  const before = count(raw, 13);
  raw.send(PINGREQ);
  await waitFor('a PINGRESP', () => count(raw, 13) > before);
}

async function subscribed(raw: Raw, filters: readonly string[], qos = 0): Promise<number[]> {
  const before = count(raw, 9);
  raw.subscribe(filters, qos);
  await waitFor('a SUBACK', () => count(raw, 9) > before);
  const suback = packetsOf(raw.bytes).findLast((p) => p.type === 9);
  return [...(suback?.body.subarray(2) ?? [])];
}

function event(bench: BrokerBench, n: number): void {
  bench.broker.notice({ kind: 'event', key: 'x', seq: n, json: `{"n":${n}}` });
}

async function opened(t: TestContext) {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  return { bench, open: () => Raw.open(t, port) };
}

/** A keep-alive of so many seconds. */
function connectFor(raw: Raw, id: string, seconds: number, flags = CLEAN, extra: readonly Buffer[] = []): void {
  raw.packet(0x10, Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, flags, 0, seconds]), text(id), ...extra);
}

test('a client connects, says goodbye, and connects again under its id', async (t) => {
  const { bench, open } = await opened(t);
  for (let i = 0; i < 3; i++) {
    const raw = await open();
    assert.equal(await raw.connect('basic'), 0);
    assert.equal(raw.bytes[2], 0, 'no session');
    raw.send(0xe0, 0);
    await waitFor('the end', () => raw.closed);
    assert.equal(raw.bytes.length, 4);
  }
  await waitFor('it to be gone', () => bench.broker.status().clients === 0);
  assert.deepEqual(
    Object.values(bench.broker.status().refused).filter((n) => n > 0),
    [],
  );
});

test('a broken rule is counted by its kind, and the log has no more lines than it may', async (t) => {
  const lines: object[] = [];
  const take = (data: object) => lines.push(data);
  const bench = new BrokerBench(t, { logger: { debug: () => {}, info: () => {}, warn: take, error: take } as never });
  const port = await bench.start();
  const broken: readonly (readonly [string, readonly number[]])[] = [
    ['order', [0x20, 2, 0, 0]],
    ['header', [0x36, 6, 0, 1, 0x61, 0, 1, 0x62]],
    ['length', [0x40, 3, 0, 1, 0]],
    ['text', [0x82, 6, 0, 1, 0, 1, 0x1b, 0]],
    ['value', [0x82, 6, 0, 1, 0, 1, 0x61, 3]],
    ['topic', [0x82, 7, 0, 1, 0, 2, 0x61, 0x23, 0]],
    ['size', [0x30, 0x81, 0x80, 0x10]],
  ];
  for (const [rule, bytes] of [...broken, ...broken]) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(`breaks-${rule}`), 0);
    raw.send(Buffer.from(bytes));
    await waitFor('the end', () => raw.closed);
  }
  const { refused } = bench.broker.status();
  assert.deepEqual(
    broken.map(([rule]) => refused[rule as 'order']),
    broken.map(() => 2),
  );
  assert.deepEqual(
    lines.map((line) => (line as { rule?: string }).rule),
    [...broken.slice(0, 5).map(([rule]) => rule), undefined, undefined],
  );
  assert.match(JSON.stringify(lines[6]), /262145 bytes; at most 262144 are accepted/);
  await bench.broker.stop();
  assert.equal((lines.at(-1) as { more?: number }).more, 7);
});

test('retained messages come again with each SUBSCRIBE, live ones without the flag', async (t) => {
  const { bench, open } = await opened(t);
  const shape = shapeOf('fridge', ['temperature']);
  bench.broker.inventory(inventoryOf(1, shape));
  bench.read(shape, 4);
  const topic = `${ROOT}/value/fridge/temperature`;
  const raw = await open();
  assert.equal(await raw.connect('retained'), 0);
  for (let i = 1; i <= 2; i++) {
    await subscribed(raw, [topic]);
    await waitFor('the retained value', () => messagesOf(raw.bytes).length === i);
  }
  bench.read(shape, 5);
  await waitFor('the live value', () => messagesOf(raw.bytes).length === 3);
  assert.deepEqual(
    messagesOf(raw.bytes).map((m) => [m.topic, m.retained]),
    [
      [topic, true],
      [topic, true],
      [topic, false],
    ],
  );
});

for (const [what, packet] of [
  ['QoS 0', [0x30, 4, 0, 1, 0x61, 0x62]],
  ['QoS 1', [0x32, 6, 0, 1, 0x61, 0, 1, 0x62]],
  ['QoS 2', [0x34, 6, 0, 1, 0x61, 0, 1, 0x62]],
  ['the retain flag', [0x31, 4, 0, 1, 0x61, 0x62]],
  ['a topic that begins with $', [0x30, 5, 0, 2, 0x24, 0x61, 0x62]],
] as const)
  test(`a publisher with ${what} is disconnected, without an acknowledgement`, async (t) => {
    const { bench, open } = await opened(t);
    const listener = await open();
    assert.equal(await listener.connect('listener'), 0);
    await subscribed(listener, ['a', '#'], 1);
    const raw = await open();
    assert.equal(await raw.connect('publisher'), 0);
    raw.send(Buffer.from(packet));
    await waitFor('the end', () => raw.closed);
    assert.equal(raw.bytes.length, 4, 'nothing but the CONNACK');
    assert.equal(bench.broker.status().refused.publish, 1);
    await settled(listener);
    assert.deepEqual(
      messagesOf(listener.bytes).filter((m) => m.payload === 'b'),
      [],
    );
  });

test('an empty client id gets one with a clean session, and CONNACK 2 without', async (t) => {
  const { bench, open } = await opened(t);
  const refused = await open();
  assert.equal(await refused.connect('', 0), 2);
  await waitFor('its end', () => refused.closed);
  const [one, two] = [await open(), await open()];
  assert.equal(await one.connect('', CLEAN), 0);
  assert.equal(await two.connect('', CLEAN), 0);
  await settled(one);
  assert.equal(bench.broker.status().clients, 2, 'each has an id of its own');
  assert.equal(bench.broker.status().refused.clients, 1);
});

test('messages for a client that is away follow in order when it returns', async (t) => {
  const { bench, open } = await opened(t);
  const first = await open();
  assert.equal(await first.connect('away', 0), 0);
  assert.equal(first.bytes[2], 0);
  await subscribed(first, [`${ROOT}/event`], 1);
  first.send(0xe0, 0);
  await waitFor('it to be gone', () => bench.broker.status().clients === 0);
  for (let n = 1; n <= 5; n++) event(bench, n);
  const second = await open();
  assert.equal(await second.connect('away', 0), 0);
  assert.equal(second.bytes[2], 1, 'the session is there');
  await waitFor('what it missed', () => messagesOf(second.bytes).length === 5);
  assert.deepEqual(
    messagesOf(second.bytes).map((m) => [m.payload, m.qos, m.dup]),
    [1, 2, 3, 4, 5].map((n) => [`{"n":${n}}`, 1, false]),
  );
  const clean = await open();
  assert.equal(await clean.connect('away', CLEAN), 0);
  assert.equal(clean.bytes[2], 0, 'a clean session ends the one before');
});

test('what was not acknowledged is sent again with DUP after the client returns', async (t) => {
  const { bench, open } = await opened(t);
  const first = await open();
  assert.equal(await first.connect('again', 0), 0);
  await subscribed(first, [`${ROOT}/event`], 1);
  for (let n = 1; n <= 4; n++) event(bench, n);
  await waitFor('all four', () => messagesOf(first.bytes).length === 4);
  for (const { id = 0 } of messagesOf(first.bytes).slice(0, 2)) first.send(Buffer.from([0x40, 2, id >> 8, id & 255]));
  await waitFor('two acknowledgements', () => bench.broker.status().queuedMessages === 2);
  first.socket.resetAndDestroy();
  await waitFor('it to be gone', () => bench.broker.status().clients === 0);
  const second = await open();
  assert.equal(await second.connect('again', 0), 0);
  await waitFor('the other two', () => messagesOf(second.bytes).length === 2);
  await settled(second);
  assert.deepEqual(
    messagesOf(second.bytes).map((m) => [m.payload, m.qos, m.dup]),
    [
      ['{"n":3}', 1, true],
      ['{"n":4}', 1, true],
    ],
  );
});

for (const order of [
  [
    ['#', 0],
    [`${ROOT}/event`, 1],
  ],
  [
    [`${ROOT}/event`, 1],
    ['#', 0],
  ],
  [
    ['#', 1],
    [`${ROOT}/event`, 0],
  ],
  [
    [`${ROOT}/+`, 0],
    ['#', 1],
    [`${ROOT}/event`, 2],
  ],
] as const)
  for (const flags of [CLEAN, 0])
    test(`overlapping filters, highest QoS: ${order.join(' ')}, flags ${flags}`, async (t) => {
      const { bench, open } = await opened(t);
      const raw = await open();
      assert.equal(await raw.connect('overlap', flags), 0);
      for (const [filter, qos] of order) assert.deepEqual(await subscribed(raw, [filter], qos), [qos]);
      await settled(raw);
      for (let n = 1; n <= 3; n++) event(bench, n);
      const events = () => messagesOf(raw.bytes).filter((m) => m.topic === `${ROOT}/event`);
      await waitFor('the last message', () => events().some((m) => m.payload === '{"n":3}'));
      await settled(raw);
      assert.deepEqual(
        events().map((m) => [m.payload, m.qos]),
        [1, 2, 3].map((n) => [`{"n":${n}}`, 1]),
      );
      for (const { id = 0 } of events()) raw.send(Buffer.from([0x40, 2, id >> 8, id & 255]));
      await waitFor('no message to wait', () => bench.broker.status().queuedMessages === 0);
    });

test('a filter with QoS 0 gets messages of QoS 1 with QoS 0', async (t) => {
  const { bench, open } = await opened(t);
  for (const flags of [CLEAN, 0]) {
    const raw = await open();
    assert.equal(await raw.connect(`zero${flags}`, flags), 0);
    await subscribed(raw, [`${ROOT}/event`, `${ROOT}/alarm/#`], 0);
    event(bench, 1);
    await waitFor('the message', () => messagesOf(raw.bytes).length === 1);
    assert.deepEqual(
      messagesOf(raw.bytes).map((m) => m.qos),
      [0],
    );
  }
  assert.equal(bench.broker.status().queuedMessages, 0);
});

test('silent and dribbling clients end after their keep-alive, one that pings stays', {
  timeout: 400_000,
}, async (t) => {
  // A machine that stands still for a second makes the third one silent as well: such a round says nothing.
  for (let round = 1; !(await keepAlives(t)); round++) assert.ok(round < 10, 'the machine stands still in each round');
});

/** @returns whether the one that pings had its turns */
async function keepAlives(t: TestContext): Promise<boolean> {
  const { bench, open } = await opened(t);
  const listener = await open();
  assert.equal(await listener.connect('listener'), 0);
  await subscribed(listener, ['#'], 1);
  const [silent, dribbling, pinging] = [await open(), await open(), await open()];
  connectFor(silent, 'silent', 1, 0x06, [text(`${ROOT}/will`), text('gone')]);
  connectFor(dribbling, 'dribbling', 1);
  connectFor(pinging, 'pinging', 1);
  // A byte of a packet is no packet: it does not count as a sign of life (MQTT-3.1.2-24).
  const body = Buffer.alloc(200, 0x61);
  const bytes = Buffer.concat([Buffer.from([0x82, 0xcd, 1, 0, 1, 0, 200]), body, Buffer.from([0])]);
  let at = 0;
  let last = performance.now();
  let longest = 0;
  const life = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    pinging.send(PINGREQ);
    dribbling.socket.write(bytes.subarray(at, at + 1));
    at++;
  }, 200);
  t.after(() => clearInterval(life));
  await waitFor('the end of the silent one', () => silent.closed);
  await waitFor('the end of the dribbling one', () => dribbling.closed);
  longest = Math.max(longest, performance.now() - last);
  if (longest > 1_000) {
    clearInterval(life);
    return false;
  }
  assert.equal(pinging.closed, false);
  assert.ok(at < bytes.length, 'it ended before its packet was whole');
  clearInterval(life);
  await waitFor('the end of the one that pinged', () => pinging.closed);
  await settled(listener);
  assert.deepEqual(
    messagesOf(listener.bytes).filter((m) => m.payload === 'gone'),
    [],
    'a client without an account has no will',
  );
  assert.equal(bench.broker.status().refused.silent, 3);
  return true;
}

test('the will of an account is published when its client is silent past its keep-alive', { timeout: 400_000 }, async (t) => {
  const { access } = await claimedAccess(t);
  const topics = { publish: ['tele/plug-1/#'], subscribe: [] };
  const secret = (await access.accounts.addDevice({ name: 'plug-1', ...topics }, OWNER)) ?? '';
  const bench = new BrokerBench(t, { access: access.mqtt });
  const port = await bench.start();
  const listener = await Raw.open(t, port);
  assert.equal(await listener.connect('listener', 0xc2, [text('anna'), text(PASSWORD)]), 0);
  await subscribed(listener, ['#'], 1);
  const wills = () => messagesOf(listener.bytes).filter(({ topic }) => topic === 'tele/plug-1/LWT');
  const open = async (id: string, seconds: number): Promise<Raw> => {
    const raw = await Raw.open(t, port);
    // Clean session, will of QoS 1, user name and password.
    const will = [text('tele/plug-1/LWT'), text(`${id} is gone`)];
    connectFor(raw, id, seconds, 0xce, [...will, text('plug-1'), text(secret)]);
    await waitFor('the CONNACK', () => raw.bytes.length === 4);
    assert.equal(raw.bytes[3], 0);
    return raw;
  };
  const [silent, patient] = [await open('silent', 1), await open('patient', 0)];
  const early = wills().length;
  assert.ok(early === 0 || bench.broker.status().refused.silent === 1, 'it waits for the end of the connection');
  await waitFor('the end of the silent one', () => silent.closed);
  await waitFor('its will', () => wills().length > 0);
  assert.equal(patient.closed, false);
  patient.send(0xe0, 0);
  await waitFor('the end of the one that says DISCONNECT', () => patient.closed);
  await settled(listener);
  assert.deepEqual(
    wills().map(({ payload, qos, retained }) => [payload, qos, retained]),
    [['silent is gone', 1, false]],
  );
  assert.equal(bench.broker.status().refused.silent, 1);
});

test('a filter that may not be had gets 0x80, and no message comes for it', async (t) => {
  const { bench, open } = await opened(t);
  const raw = await open();
  assert.equal(await raw.connect('denied'), 0);
  assert.deepEqual(await subscribed(raw, ['$SYS/#', `${ROOT}/event`, '$share/g/#'], 1), [128, 1, 128]);
  event(bench, 1);
  await waitFor('the message', () => messagesOf(raw.bytes).length === 1);
});

test('filters that begin with a wildcard match no topic that begins with $', async (t) => {
  const { open } = await opened(t);
  const raw = await open();
  assert.equal(await raw.connect('wild'), 0);
  assert.deepEqual(await subscribed(raw, ['#', '+/#', '+/+/new/clients'], 1), [1, 1, 1]);
  // Each connection and subscription makes a message on a $SYS topic inside the broker.
  for (let i = 0; i < 3; i++) {
    const other = await open();
    assert.equal(await other.connect(`other${i}`), 0);
    await subscribed(other, ['x'], 0);
  }
  await settled(raw);
  assert.deepEqual(
    messagesOf(raw.bytes).filter((m) => m.topic.startsWith('$')),
    [],
  );
});

test('no message comes for a filter that was given up, and other filters stay', async (t) => {
  const { bench, open } = await opened(t);
  const raw = await open();
  assert.equal(await raw.connect('less', 0), 0);
  await subscribed(raw, [`${ROOT}/event`, `${ROOT}/alarm/a`, `${ROOT}/alarm/b`], 1);
  raw.packet(0xa2, Buffer.from([0, 7]), text(`${ROOT}/alarm/a`));
  await waitFor('the UNSUBACK', () => count(raw, 11) === 1);
  for (const key of ['a', 'b']) bench.broker.notice({ kind: 'alarm', key, seq: 1, json: `{"alarm":"${key}"}` });
  event(bench, 1);
  await waitFor('the last message', () => messagesOf(raw.bytes).some((m) => m.payload === '{"n":1}'));
  assert.deepEqual(
    messagesOf(raw.bytes).map((m) => m.topic),
    [`${ROOT}/alarm/b`, `${ROOT}/event`],
  );
});

for (const flags of [0, CLEAN])
  test(`a filter that is given up and asked for in one piece counts as the last one says, flags ${flags}`, async (t) => {
    const { bench, open } = await opened(t);
    const raw = await open();
    assert.equal(await raw.connect('changes', flags), 0);
    const [ends, stays] = [`${ROOT}/alarm/ends`, `${ROOT}/alarm/stays`];
    await subscribed(raw, [ends, stays, `${ROOT}/event`], 1);
    const asks = (filter: string): Buffer => Buffer.concat([text(filter), Buffer.from([1])]);
    const piece = [
      Buffer.from([0xa2, 2 + text(stays).length, 0, 11]),
      text(stays),
      Buffer.from([0x82, 2 + asks(stays).length, 0, 12]),
      asks(stays),
      Buffer.from([0x82, 2 + asks(ends).length, 0, 13]),
      asks(ends),
      Buffer.from([0xa2, 2 + text(ends).length, 0, 14]),
      text(ends),
    ];
    raw.send(...piece);
    await waitFor('the last UNSUBACK', () => count(raw, 11) === 2);
    assert.deepEqual(
      packetsOf(raw.bytes).flatMap(({ type, body }) => ([9, 11].includes(type) ? [[type, body[1]]] : [])),
      [
        [9, 9],
        [11, 11],
        [9, 12],
        [9, 13],
        [11, 14],
      ],
    );
    for (const key of ['ends', 'stays']) bench.broker.notice({ kind: 'alarm', key, seq: 1, json: `{"alarm":"${key}"}` });
    event(bench, 1);
    await waitFor('the last message', () => messagesOf(raw.bytes).some((m) => m.payload === '{"n":1}'));
    assert.deepEqual(
      messagesOf(raw.bytes).map((m) => m.topic),
      [stays, `${ROOT}/event`],
    );
  });

test('a newer connection of a client id ends the older one, and takes over its session', async (t) => {
  const { bench, open } = await opened(t);
  const older = await open();
  assert.equal(await older.connect('same', 0), 0);
  await subscribed(older, [`${ROOT}/event`], 1);
  const newer = await open();
  assert.equal(await newer.connect('same', 0), 0);
  await waitFor('the end of the older one', () => older.closed);
  assert.equal(newer.bytes[2], 1);
  event(bench, 1);
  await waitFor('the message', () => messagesOf(newer.bytes).length === 1);
  assert.equal(bench.broker.status().clients, 1);
});

test('requests behind a CONNECT that is refused are not answered, and the refusal arrives', async (t) => {
  const { bench, open } = await opened(t);
  const raw = await open();
  const head = Buffer.from([0x10, 18, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0xc2, 0, 0]);
  const subscribe = Buffer.from([0x82, 6, 0, 1, 0, 1, 0x23, 0]);
  raw.send(head, text('c'), text('u'), text(''), ...Array.from({ length: 200 }, () => subscribe));
  await waitFor('the end', () => raw.closed);
  assert.deepEqual([...raw.bytes], [0x20, 2, 0, 4]);
  assert.equal(bench.broker.status().clients, 0);
});
