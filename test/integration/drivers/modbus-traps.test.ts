/** One regression test for each trap that the Modbus library for Node.js is known for (modbus-serial 8.0.25), against devices that spring it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeRequest } from '../../../src/codecs/modbus-pdu.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Sample } from '../../../src/core/point.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { modbusRtu, modbusTcp } from '../../../src/drivers/modbus/kind.ts';
import {
  answerRtu,
  answerTcp,
  type FakeReply,
  type FakeRequest,
  fakeRtu,
  fakeTcp,
  registerOf,
  rightPdu,
  type Script,
  withCrc,
  withMbap,
} from '../../fakes/modbus-device.ts';
import { outcomeOf, startSite, words } from '../../harness/modbus-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Points are named by their address: no good value may ever be that of another register. */
function assertTrue(samples: readonly Sample[]): void {
  for (const { shape, values, ...sample } of samples) {
    for (const [i, point] of shape.points.entries()) {
      if (reasonAt({ shape, values, ...sample }, i) === 0)
        assert.equal(values[i], registerOf(Number(point.name.slice(1))), point.name);
    }
  }
}
const host = '127.0.0.1';
/** Points far apart are read by requests of their own. */
const limits = { maxGap: 8 };

test('1: a time-out is always set', async (t) => {
  assert.equal(modbusTcp.bus.parse({ host }).timeout, 1000);
  assert.equal(modbusRtu.bus.parse({ port: '/dev/ttyUSB0' }).timeout, 1000);
  const device = await fakeTcp(t, () => {});
  const site = startSite(t, { host, port: device.port, timeout: '50ms' }, { mute: { interval: '20ms', points: words(0) } });
  await site.until('mute', 2, (outcome) => outcome === 'timeout');
  assert.ok(site.log.some((line) => line.startsWith('warn') && line.includes('does not answer')));
  assert.equal(site.log.filter((line) => line.includes('does not answer')).length, 1, 'told once, not at every poll');
  assert.equal(site.bus.status().devices[0]?.state, 'silent');
});

test('2: on a serial line no late reply becomes the answer to another request', async (t) => {
  const device = await fakeRtu(t, 115_200);
  if (!device) return;
  // Every third reply comes long after the time-out, while other registers of the same size are due.
  device.script = (request, reply) => {
    if (request.n % 3 === 0) setTimeout(() => answerRtu(request, reply), 2200);
    else answerRtu(request, reply);
  };
  const points = words(100, 200, 300, 400);
  // Well within twice the time-out, also on a machine that is busy: later than that nothing can tell it apart.
  const site = startSite(
    t,
    { port: device.path, baudRate: 115_200, timeout: '2s', retries: 0 },
    { meter: { unit: 1, interval: '10ms', limits, points } },
  );
  await waitFor('late replies', () => (site.bus.status().devices[0]?.counters.lateReplies ?? 0) >= 4);
  await site.until('meter', 25);
  assertTrue(site.samples);
  assert.ok((site.bus.status().devices[0]?.counters.timeouts ?? 0) >= 4);
});

test('2: nor does the late reply to a request that was repeated', async (t) => {
  const device = await fakeRtu(t, 115_200);
  if (!device) return;
  // The device is slower than the time-out for ever: a repeat is answered by the reply to what it repeats.
  device.script = (request, reply) => void setTimeout(() => answerRtu(request, reply), 2500);
  const site = startSite(
    t,
    { port: device.path, baudRate: 115_200, timeout: '2s', retries: 3 },
    { slow: { unit: 1, interval: '10ms', limits, points: words(100, 200) } },
  );
  await site.until('slow', 6);
  assertTrue(site.samples);
  assert.equal(
    new Set(site.samples.filter((s) => outcomeOf(s) === 'good').map((s) => s.shape)).size,
    2,
    'both requests get their turn',
  );
});

test('2: over TCP a late reply is known by its transaction, dropped, and the connection stays', async (t) => {
  const device = await fakeTcp(t);
  device.script = (request, reply) => {
    if (request.n % 3 === 0) setTimeout(() => answerTcp(request, reply), 80);
    else answerTcp(request, reply);
  };
  const site = startSite(
    t,
    { host, port: device.port, timeout: '50ms', retries: 0 },
    { plc: { interval: '10ms', points: words(100, 200, 300) } },
  );
  await site.until('plc', 3, (outcome) => outcome === 'timeout');
  await site.until('plc', 25);
  assertTrue(site.samples);
  await waitFor('late replies', () => (site.bus.status().devices[0]?.counters.lateReplies ?? 0) >= 3);
  assert.equal(device.connections, 1);
});

test('3: however much is asked at once, one request is on the wire', async (t) => {
  const device = await fakeRtu(t, 115_200);
  if (!device) return;
  let open = 0;
  let most = 0;
  device.script = (request, reply) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      answerRtu(request, reply);
    }, 5);
  };
  const site = startSite(
    t,
    { port: device.path, baudRate: 115_200 },
    {
      a: { unit: 1, interval: '20ms', limits, points: words(1, 50) },
      b: { unit: 2, interval: '20ms', limits, points: words(1, 50) },
    },
  );
  const asked = await Promise.all(Array.from({ length: 20 }, (_, i) => site.bus.read(i % 2 ? 'a' : 'b')));
  await site.until('a', 4);
  assert.equal(most, 1);
  for (const samples of asked)
    assert.deepEqual(
      samples.map((s) => s.values[0]),
      [registerOf(1), registerOf(50)],
    );
  assertTrue(site.samples);
});

test('4: every failure is an error of ours, with a code and words', async (t) => {
  const device = await fakeTcp(t, (request, reply) =>
    reply.send(withMbap(Uint8Array.of(request.unit, request.code | 0x80, 2), request.transaction)),
  );
  const site = startSite(t, { host, port: device.port }, { plc: { interval: '20ms', points: words(4000) } });
  await assert.rejects(
    site.bus.read('plc'),
    (error) => error instanceof SluiceError && error.code === 'exception' && /40001 of a manual is holding 0/.test(error.message),
  );
  await site.until('plc', 2, (outcome) => outcome === 'exception');
  assert.equal(site.bus.status().devices[0]?.state, 'answering');
  assert.equal(device.connections, 1, 'a refusal is an answer, the connection stays');
});

test('a reading by hand gives what there is, and asks a device that went away no more', async (t) => {
  let refuses: 'refuses' | 'is silent' = 'refuses';
  const asked: number[] = [];
  const device = await fakeTcp(t, (request, reply) => {
    asked.push(request.start);
    if (request.start < 2000) return answerTcp(request, reply);
    if (refuses === 'refuses') reply.send(withMbap(Uint8Array.of(request.unit, request.code | 0x80, 2), request.transaction));
  });
  const site = startSite(
    t,
    { host, port: device.port, timeout: '2s', retries: 0 },
    { plc: { interval: '1h', points: words(1, 2000, 3000) } },
  );
  await site.until('plc', 2, (outcome) => outcome === 'exception');
  const read = async () => {
    const faults: string[] = [];
    const samples = await site.bus.read('plc', (fault) => faults.push(`${fault.points} ${fault.code}`));
    return { outcomes: samples.map((s) => (reasonAt(s, 0) === 0 ? s.values[0] : outcomeOf(s))), faults };
  };
  const refused = await read();
  assert.deepEqual(refused.outcomes, [registerOf(1), 'exception', 'exception']);
  assert.deepEqual(refused.faults, ['r2000 exception', 'r3000 exception']);
  refuses = 'is silent';
  asked.length = 0;
  const silent = await read();
  assert.deepEqual(silent.outcomes, [registerOf(1), 'timeout', 'timeout']);
  assert.deepEqual(silent.faults, ['r2000 timeout', 'r3000 timeout']);
  assert.deepEqual(asked, [1, 2000]);
  await assert.rejects(site.bus.read('plc'), { code: 'timeout' });
});

test('5: a dropped connection rejects the pending call at once', async (t) => {
  const device = await fakeTcp(t, (_request, reply) => reply.drop());
  // A test that waits for the time-out would not end.
  const site = startSite(
    t,
    { host, port: device.port, timeout: '1m', retries: 0 },
    { plc: { interval: '1h', points: words(0) } },
  );
  await site.until('plc', 1, (outcome) => outcome === 'disconnected');
  device.script = answerTcp;
  const [sample] = await waitFor('the connection to come back', () => site.bus.read('plc'));
  assert.equal(sample?.values[0], registerOf(0));
});

test('6: transaction ids may wrap and replies be lost: nothing piles up or is mixed up', async (t) => {
  const device = await fakeTcp(t);
  device.script = (request, reply) => (request.n % 50 === 0 ? undefined : answerTcp(request, reply));
  const site = startSite(
    t,
    { host, port: device.port, timeout: '100ms' },
    { plc: { interval: '10ms', points: words(1, 100, 200, 300, 400, 500, 600, 700) } },
  );
  await waitFor('700 requests', () => device.requests.length > 700);
  assertTrue(site.samples);
  assert.ok((site.bus.status().devices[0]?.counters.timeouts ?? 0) > 0);
  assert.equal(device.connections, 1, 'all on one connection');
  assert.equal(new Set(device.requests.map((r) => r.transaction)).size, device.requests.length, 'no id was used again');
});

test('7: 130 registers are refused before they reach the wire', async (t) => {
  const device = await fakeTcp(t);
  const read = (table: 'holding' | 'coil', start: number, count: number) => () =>
    encodeRequest({ kind: 'read', table, start, count });
  const refused = { code: 'request-invalid' };
  assert.throws(read('holding', 0, 130), refused);
  assert.throws(read('holding', 0, 0), refused);
  assert.throws(read('coil', 0, 2001), refused);
  assert.throws(read('holding', 65500, 100), refused);
  const site = startSite(t, { host, port: device.port }, { plc: { points: words(...Array.from({ length: 300 }, (_, i) => i)) } });
  await site.until('plc', 3);
  assert.deepEqual(
    device.requests.map((r) => r.count),
    [125, 125, 50],
  );
});

test('8: a reply is put together from the chunks of a line at its real pace', async (t) => {
  const device = await fakeRtu(t, 9600);
  if (!device) return;
  const site = startSite(
    t,
    { port: device.path, timeout: '5s', retries: 0 },
    { meter: { interval: '50ms', points: words(...Array.from({ length: 60 }, (_, i) => i)) } },
  );
  await site.until('meter', 3);
  assertTrue(site.samples);
  assert.deepEqual([...new Set(site.outcomes('meter'))], ['good']);
});

const pdu = (request: FakeRequest, change: (bytes: Buffer) => Uint8Array | undefined) => {
  const bytes = rightPdu(request);
  return change(bytes) ?? bytes;
};
const set = (index: number, value: number) => (bytes: Buffer) => {
  bytes[index] = value;
  return bytes;
};

const tcpFaults: Record<string, Script> = {
  'a length of 71': (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { length: 71 })),
  'a length of 65535': (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { length: 65535 })),
  'a length of 1': (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { length: 1 })),
  'a length of 0': (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { length: 0 })),
  'a protocol id that is not 0': (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { protocol: 7 })),
  'another transaction id': (q, r) => r.send(withMbap(rightPdu(q), q.transaction ^ 1)),
  'a wrong byte count': (q, r) => r.send(withMbap(pdu(q, set(2, 6)), q.transaction)),
  'a byte count that fits its own wrong length': (q, r) =>
    r.send(withMbap(rightPdu({ ...q, count: q.count + 1 }), q.transaction)),
  'another unit': (q, r) => r.send(withMbap(pdu(q, set(0, 9)), q.transaction)),
  'another function': (q, r) => r.send(withMbap(pdu(q, set(1, 4)), q.transaction)),
  'half a reply': (q, r) => r.send(withMbap(rightPdu(q), q.transaction).subarray(0, 10)),
  garbage: (_q, r) => r.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
};
for (const [name, fault] of Object.entries(tcpFaults)) {
  test(`9: over TCP ${name} is never a value; it reconnects`, async (t) => {
    const device = await fakeTcp(t);
    device.script = (request, reply) => (request.n === 2 ? fault(request, reply) : answerTcp(request, reply));
    const site = startSite(
      t,
      { host, port: device.port, timeout: '1s', retries: 0 },
      { plc: { interval: '10ms', points: words(5, 6) } },
    );
    await waitFor(
      'good samples after the fault',
      () => site.outcomes('plc').length > 4 && site.outcomes('plc').at(-1) === 'good',
    );
    assert.deepEqual(
      site.outcomes('plc').filter((outcome) => outcome !== 'good'),
      ['bad-reply'],
    );
    assertTrue(site.samples);
    assert.equal(device.connections, 2);
  });
}

test('9: over TCP a reply that comes twice is dropped the second time; the connection stays', async (t) => {
  const device = await fakeTcp(t, (request, reply) => {
    answerTcp(request, reply);
    answerTcp(request, reply);
  });
  const site = startSite(t, { host, port: device.port, retries: 0 }, { plc: { interval: '10ms', points: words(5, 100) } });
  await site.until('plc', 20);
  assertTrue(site.samples);
  assert.deepEqual([...new Set(site.outcomes('plc'))], ['good']);
  assert.equal(device.connections, 1);
});

test('9: bytes that nobody asked for end the connection, not the polling', async (t) => {
  const device = await fakeTcp(t, (request, reply) => {
    answerTcp(request, reply);
    if (request.n % 4 === 0) reply.send(withMbap(rightPdu(request), request.transaction + 1000));
  });
  const site = startSite(t, { host, port: device.port, retries: 1 }, { plc: { interval: '10ms', points: words(5, 100) } });
  await site.until('plc', 20);
  assertTrue(site.samples);
  assert.ok(device.connections > 1);
});

const rtuFaults: Record<string, { script: Script; outcome: string }> = {
  'a wrong checksum': { script: (q, r) => r.send(set(4, 1)(withCrc(rightPdu(q)))), outcome: 'crc' },
  'another unit': { script: (q, r) => r.send(withCrc(pdu(q, set(0, 9)))), outcome: 'bad-reply' },
  'another function': { script: (q, r) => r.send(withCrc(pdu(q, set(1, 4)))), outcome: 'bad-reply' },
  'a wrong byte count': { script: (q, r) => r.send(withCrc(rightPdu({ ...q, count: q.count + 1 }))), outcome: 'bad-reply' },
  'half a reply': { script: (q, r) => r.send(withCrc(rightPdu(q)).subarray(0, 6)), outcome: 'crc' },
  garbage: { script: (_q, r) => r.send(Buffer.alloc(600, 0xa5)), outcome: 'crc' },
};
for (const [name, { script, outcome }] of Object.entries(rtuFaults)) {
  test(`9: on a serial line ${name} is never a value`, async (t) => {
    const device = await fakeRtu(t, 115_200);
    if (!device) return;
    device.script = (request, reply: FakeReply) => (request.n === 2 ? script(request, reply) : answerRtu(request, reply));
    const site = startSite(
      t,
      { port: device.path, baudRate: 115_200, timeout: '3s', retries: 0 },
      { meter: { interval: '10ms', points: words(5, 6) } },
    );
    await waitFor(
      'good samples after the fault',
      () => site.outcomes('meter').length > 4 && site.outcomes('meter').at(-1) === 'good',
    );
    assert.deepEqual(
      site.outcomes('meter').filter((o) => o !== 'good'),
      [outcome],
    );
    assertTrue(site.samples);
  });
}

test('noise before a reply is skipped and counted', async (t) => {
  const device = await fakeRtu(t, 115_200);
  if (!device) return;
  device.script = (request, reply) => reply.send(Buffer.concat([Uint8Array.of(0, 255, 0), withCrc(rightPdu(request))]));
  const site = startSite(
    t,
    { port: device.path, baudRate: 115_200, timeout: '5s', retries: 0 },
    { meter: { interval: '10ms', points: words(5) } },
  );
  await site.until('meter', 3);
  assertTrue(site.samples);
  assert.ok((site.bus.status().devices[0]?.counters.skippedBytes ?? 0) >= 6);
});

test('a silent device does not stop the others', async (t) => {
  const device = await fakeRtu(t, 115_200);
  if (!device) return;
  device.script = (request, reply) => (request.unit === 2 ? undefined : answerRtu(request, reply));
  const unit = (n: number) => ({ unit: n, interval: '20ms', limits, points: words(1, 100) });
  const site = startSite(
    t,
    { port: device.path, baudRate: 115_200, timeout: '2s' },
    { one: unit(1), two: unit(2), three: unit(3) },
  );
  await Promise.all([site.until('one', 8), site.until('three', 8), site.until('two', 2, (outcome) => outcome === 'timeout')]);
  assertTrue(site.samples);
  assert.ok(!site.outcomes('one').includes('timeout') && !site.outcomes('three').includes('timeout'));
});
