/** Devices that speak when asked, under a clock that the test turns. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setUp } from '../../harness/serial-site.ts';

const CO2 = {
  interval: '10s',
  request: { bytes: 'FF 01 86 00 00 00 00 00 79', timeout: '1s' },
  frame: { type: 'bytes', start: 'FF 86', length: 9, checksum: { type: 'sum8-negated', from: 1 } },
  decode: { type: 'binary', fields: { ppm: { offset: 2, type: 'uint16' } } },
};
const PPM = { co2: { from: 'ppm' } };
/** 544 ppm, the example of the manual; 400 ppm. */
const [REPLY, OTHER] = ['FF 86 02 20 00 00 00 00 58', 'FF 86 01 90 00 00 00 00 E9'];

test('a device that is asked gets its request every interval; its reply is the sample', async () => {
  const { clock, ports, bus, told, device } = setUp(CO2, PPM);
  bus.start();
  await clock.advance(0);
  assert.deepEqual(ports.written, ['FF 01 86 00 00 00 00 00 79']);
  await clock.advance(30);
  ports.sayHex(REPLY.slice(0, 11));
  await clock.advance(10);
  ports.sayHex(REPLY.slice(11));
  assert.deepEqual(told(), ['co2 544 @40']);
  await clock.advance(9959);
  assert.equal(ports.written.length, 1);
  await clock.advance(1);
  assert.equal(ports.written.length, 2, 'start + interval, not reply + interval');
  ports.sayHex(OTHER);
  assert.deepEqual(told(), ['co2 544 @40', 'co2 400 @10000']);
  const { requests, replies, timeouts, latencyLast, latencyMax } = device().counters;
  assert.deepEqual([requests, replies, timeouts, latencyLast, latencyMax], [2, 2, 0, 0, 40]);
  assert.equal(device().state, 'answering');
  await bus.stop();
  await clock.advance(60_000);
  assert.equal(ports.written.length, 2);
});

test('a bus of a device that is asked says when it turns next, also without an answer or a port', async () => {
  const { clock, ports, bus } = setUp(CO2, PPM);
  const times = () => ({
    next: bus.nextPoll?.() ?? Number.NaN,
    last: bus.lastTurn?.() ?? Number.NaN,
    by: bus.turnBy?.() ?? Number.NaN,
  });
  assert.equal(times().next, Number.POSITIVE_INFINITY, 'it does not run');
  bus.start();
  let turns = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < 900_000; at += 700) {
    await clock.advance(700);
    if (at === 600_600) ports.unplug();
    const now = clock.monotonic();
    const turn = times();
    assert.ok(turn.next > now || turn.by > now, `nothing comes any more at ${now}`);
    if (turn.last > last) turns++;
    last = turn.last;
  }
  assert.ok(turns > 15, `${turns}`);
  await bus.stop();
  assert.equal(times().next, Number.POSITIVE_INFINITY);
});

test('a silent device is asked at growing intervals, and at its own after an answer', async () => {
  const { clock, ports, bus, told, device } = setUp(CO2, PPM);
  const sent: number[] = [];
  const { push } = ports.written;
  ports.written.push = (...bytes) => {
    sent.push(clock.monotonic());
    return push.apply(ports.written, bytes);
  };
  bus.start();
  await clock.advance(300_000);
  // The request takes 9 characters of 10 bits at 9600 baud, and the reply may take 1 s more: 1009.375 ms.
  const steps = sent.slice(1).map((at, i) => Math.round(at - (sent[i] as number)));
  assert.deepEqual(steps.slice(0, 8), [10_000, 10_000, 11_009, 21_009, 41_009, 61_009, 61_009, 61_009]);
  assert.equal(told().length, sent.length);
  assert.ok(told().every((line) => line.startsWith('co2 timeout')));
  assert.equal(device().state, 'silent');
  assert.match(device().fault ?? '', /does not answer: check power, the wires/);
  while (sent.length === told().length) await clock.advance(1000);
  ports.sayHex(REPLY);
  assert.match(told().at(-1) ?? '', /^co2 544/);
  assert.deepEqual([device().state, device().fault], ['answering', undefined]);
  const count = sent.length;
  await clock.advance(30_000);
  assert.equal(sent.length - count, 3);
  await bus.stop();
});

test('a reply that the next request meets on its way is never read from its middle', async () => {
  const SCALE = { interval: '1s', request: { text: 'SI', timeout: '900ms' }, frame: { type: 'line' }, decode: { type: 'text' } };
  const heard = async (device: object, ...said: (readonly [at: number, text: string])[]) => {
    const { clock, ports, bus, told } = setUp(device, { w: {} });
    bus.start();
    for (const [at, text] of said) {
      await clock.advance(at - clock.monotonic());
      ports.say(text);
    }
    await clock.advance(1990 - clock.monotonic());
    assert.equal(ports.written.length, 2);
    await bus.stop();
    return told().slice(1);
  };
  // The second request is due at 1000 ms, and waits for a quiet line.
  assert.deepEqual(await heard(SCALE, [995, '12'], [1003, '1.5\r\n'], [1100, '122\r\n']), ['w 122 @1100']);
  assert.deepEqual(await heard(SCALE, [995, '12'], [1003, '1'], [1030, '.5\r\n'], [1050, '122\r\n']), ['w 122 @1050']);
  assert.deepEqual(await heard(SCALE, [995, '12'], [1100, '122\r\n']), ['w 122 @1100'], 'the request ended it');
  assert.deepEqual(await heard(SCALE, [920, '>'], [1003, '122\r\n']), ['w 122 @1003'], 'a prompt was there before');
  const fields = { w: { offset: 0, type: 'uint16' } };
  const block = { ...SCALE, frame: { type: 'length', length: 4, gap: '20ms' }, decode: { type: 'binary', fields } };
  assert.deepEqual(await heard(block, [995, '\0A'], [1003, '\0\0'], [1100, '\0B\0\0']), ['w 66 @1100']);
  assert.deepEqual(await heard(block, [920, '\0'], [1003, '\0B\0\0']), ['w 66 @1003'], 'a half block of before');
});

test('a prompt behind an answer costs no later answer, however fast the device is asked', async () => {
  const frames = {
    line: [{ type: 'line' }, { type: 'text' }, (n: number) => `${n}.5\r\n>`],
    length: [
      { type: 'length', length: 2, gap: '15ms' },
      { type: 'binary', fields: { w: { offset: 0, type: 'uint16' } } },
      (n: number) => `\0${String.fromCharCode(n)}>`,
    ],
  } as const;
  for (const [kind, [frame, decode, said]] of Object.entries(frames)) {
    const { clock, ports, bus, told } = setUp(
      { interval: '30ms', request: { text: 'SI', timeout: '25ms' }, frame, decode },
      { w: {} },
    );
    bus.start();
    await clock.advance(0);
    const sent = ports.written.length;
    for (let n = 1; n <= 5; n++) {
      await clock.advance(20);
      ports.say(said(n));
      await clock.advance(10);
    }
    assert.equal(ports.written.length, sent + 5);
    await bus.stop();
    const values = told().map((line) => line.split(' ')[1]);
    assert.deepEqual(
      values.slice(-5),
      [1, 2, 3, 4, 5].map((n) => (kind === 'line' ? `${n}.5` : `${n}`)),
      kind,
    );
  }
});

test('behind a late answer, a reply that is on its way is not read from its middle', async () => {
  const { clock, ports, bus, told } = setUp(
    { interval: '60ms', request: { text: 'SI', timeout: '50ms' }, frame: { type: 'line' }, decode: { type: 'text' } },
    { w: {} },
  );
  bus.start();
  await clock.advance(0);
  const begin = clock.monotonic();
  const say = async (at: number, text: string) => {
    await clock.advance(begin + at - clock.monotonic());
    ports.say(text);
  };
  // The reply to the request of 0 ms comes after that of 60 ms has left, and the one to that is half there at 120 ms.
  await say(80, '1.5\r\n');
  await say(110, '12');
  await say(125, '2.5\r\n');
  await say(150, '3.5\r\n');
  await clock.advance(10);
  await bus.stop();
  assert.deepEqual(
    told().filter((line) => !line.includes('timeout')),
    ['w 1.5 @80', 'w 3.5 @150'],
  );
});

test('after a request without an answer, a device with a prompt is asked at its pace again', async () => {
  const { clock, ports, bus, told } = setUp(
    { interval: '30ms', request: { text: 'SI', timeout: '25ms' }, frame: { type: 'line' }, decode: { type: 'text' } },
    { w: {} },
  );
  bus.start();
  await clock.advance(30);
  for (let n = 1; n <= 20; n++) {
    const sent = ports.written.length;
    await clock.advance(20);
    ports.say(`${n}.5\r\n>`);
    while (ports.written.length === sent) await clock.advance(1);
    if (n > 2) assert.equal(clock.monotonic() % 30, 0, `request ${n + 2} is on time`);
  }
  await bus.stop();
  const values = told().map((line) => line.split(' ')[1]);
  assert.deepEqual(values, ['timeout', ...Array.from({ length: 20 }, (_, i) => `${i + 1}.5`)]);
});

test('a line that is never quiet holds a request back for a fifth of a second at most', async () => {
  const { clock, ports, bus } = setUp(
    { interval: '1s', request: { text: 'SI', timeout: '900ms' }, frame: { type: 'line' }, decode: { type: 'text' } },
    { w: {} },
  );
  bus.start();
  await clock.advance(950);
  while (ports.written.length === 1) {
    ports.say('x');
    await clock.advance(10);
  }
  assert.ok(clock.monotonic() >= 1200 && clock.monotonic() <= 1240, `${clock.monotonic()}`);
  await bus.stop();
});

test('the rest of a line end is no reply on its way, however fast the device is asked', async () => {
  const { clock, ports, bus, told } = setUp(
    {
      ...{ interval: '20ms', request: { text: 'D', timeout: '15ms' }, decode: { type: 'text' } },
      frame: { type: 'line', terminator: '\r' },
    },
    { w: {} },
  );
  bus.start();
  for (let n = 0; n < 5; n++) {
    await clock.advance(20 * n + 5 - clock.monotonic());
    ports.say(`${n}.5\r\n`);
  }
  await bus.stop();
  assert.deepEqual(told(), ['w 0.5 @5', 'w 1.5 @25', 'w 2.5 @45', 'w 3.5 @65', 'w 4.5 @85']);
});

test('a slow device is cut short by nothing, and asked no faster than it answers', async () => {
  const { clock, ports, bus, told, device } = setUp(
    { ...CO2, interval: '100ms', request: { ...CO2.request, timeout: '2s' } },
    PPM,
  );
  bus.start();
  await clock.advance(0);
  for (let i = 1; i <= 5; i++) {
    assert.equal(ports.written.length, i);
    await clock.advance(350);
    ports.sayHex(REPLY);
    await clock.advance(50);
  }
  assert.equal(told().length, 5);
  assert.equal(device().counters.missedPolls, 5 * 3);
  await bus.stop();
});

test('damaged, foreign, half and late replies: no sample of theirs, and words for each', async () => {
  const { clock, ports, bus, told, device } = setUp(CO2, PPM);
  bus.start();
  await clock.advance(0);
  ports.sayHex('FF 86 02 21 00 00 00 00 58');
  await clock.advance(5000);
  assert.match(device().fault ?? '', /damaged \(checksum\)/);
  // A late one belongs to nobody, and its end is not glued to the next reply.
  ports.sayHex(REPLY);
  ports.sayHex(REPLY.slice(0, 14));
  await clock.advance(5000);
  ports.sayHex(OTHER);
  await clock.advance(10_000);
  ports.sayHex('00 11 22');
  await clock.advance(5000);
  assert.match(device().fault ?? '', /bytes arrive, but no frame/);
  assert.deepEqual(told(), ['co2 crc @1009.375', 'co2 400 @10000', 'co2 timeout @21009.375']);
  const { crcErrors, lateReplies, skippedBytes, resyncs, halfFrames } = device().counters;
  assert.deepEqual([crcErrors, lateReplies, skippedBytes, resyncs, halfFrames], [1, 1, 9 + 5 + 3, 3, 1]);
  await bus.stop();
});

test("a reading by hand is asked at once, joins one under way, and keeps the others' pace", async () => {
  const { clock, ports, bus, told } = setUp(CO2, PPM);
  bus.start();
  await clock.advance(0);
  const joined = bus.read('probe');
  assert.equal(ports.written.length, 1);
  ports.sayHex(REPLY);
  assert.deepEqual(
    (await joined).map((sample) => sample.values[0]),
    [544],
  );
  await clock.advance(4000);
  const reads = [bus.read('probe'), bus.read('probe')];
  assert.equal(ports.written.length, 2);
  ports.sayHex(OTHER);
  for (const samples of await Promise.all(reads))
    assert.deepEqual(
      samples.map((sample) => sample.values[0]),
      [400],
    );
  assert.equal(told().length, 1, 'a reading by hand is no poll');
  const failed = assert.rejects(bus.read('probe'), { code: 'timeout', message: /no reply within 1s: it does not answer/ });
  await clock.advance(1100);
  await failed;
  await clock.advance(4900);
  assert.equal(ports.written.length, 4);
  const cut = assert.rejects(bus.read('probe'), { code: 'bus-closed' });
  ports.unplug();
  await cut;
  assert.match(told().at(-1) ?? '', /co2 disconnected @10000/);
  await bus.stop();
});

test('with a closed port each due request says so, and the first one waits for the port to open', async () => {
  const { clock, ports, bus, told } = setUp({ ...CO2, request: { text: 'R\r\n', timeout: '1s' } }, PPM);
  ports.refuse = 'gone';
  bus.start();
  await clock.advance(25_000);
  assert.deepEqual(told(), ['co2 disconnected @1000', 'co2 disconnected @10000', 'co2 disconnected @20000']);
  ports.refuse = undefined;
  await clock.advance(16_000);
  assert.deepEqual(ports.written, ['52 0D 0A']);
  await bus.stop();
});

test('half a reply from before a request is not glued to the reply of it', async () => {
  const line = { interval: '10s', request: { text: '?' }, frame: { type: 'line' }, decode: { type: 'csv' } };
  const { clock, ports, bus, told, device } = setUp(line, { level: { from: 0 } });
  bus.start();
  await clock.advance(9999);
  ports.say('12');
  await clock.advance(1);
  assert.equal(ports.written.length, 1, 'the rest of the line may come');
  await clock.advance(50);
  assert.equal(ports.written.length, 2);
  // Within 100 ms of the request, and yet the beginning of a line: it was asked for.
  ports.say('34\n');
  assert.deepEqual(told(), ['level timeout @1001.0416666666666', 'level 34 @10050']);
  assert.deepEqual([device().counters.skippedBytes, device().counters.resyncs], [2, 1]);
  await bus.stop();
});

test('a port that goes between two requests makes every value bad at once', async () => {
  const { clock, ports, bus, told } = setUp(CO2, PPM);
  bus.start();
  await clock.advance(0);
  ports.sayHex(REPLY);
  await clock.advance(3000);
  ports.refuse = 'gone';
  ports.unplug();
  assert.deepEqual(told(), ['co2 544 @0', 'co2 disconnected @3000']);
  await clock.advance(7000);
  assert.deepEqual(told().at(-1), 'co2 disconnected @10000');
  await bus.stop();
});

test('how quick it is: last, average, longest, and 95 % without the time of its bytes', async () => {
  const { clock, ports, bus, device } = setUp(CO2, PPM);
  bus.start();
  await clock.advance(0);
  for (let i = 1; i <= 20; i++) {
    // 9 bytes there and 9 back at 9600 baud take 18.75 ms; twice the device is slow.
    await clock.advance(i > 18 ? 418.75 : 48.75);
    ports.sayHex(REPLY);
    await clock.advance(10_000 * i - clock.monotonic());
  }
  const { requests, replies, timeouts, latencyLast, latencyMax, latencySum, latencyP95 } = device().counters;
  assert.deepEqual([requests, replies, timeouts], [21, 20, 0]);
  const near = (value: number | undefined, expected: number) => assert.ok(Math.abs((value ?? NaN) - expected) < 1e-6, `${value}`);
  near(latencyLast, 418.75);
  near(latencyMax, 418.75);
  near(latencySum, 18 * 48.75 + 2 * 418.75);
  near(latencyP95, 400);
  await bus.stop();
});
