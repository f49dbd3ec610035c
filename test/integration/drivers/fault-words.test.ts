/** Faults on a network in the words of the person who has to mend them, and how often they are logged. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { answerTcp, fakeTcp, rightPdu, withMbap } from '../../fakes/modbus-device.ts';
import { climate, oddServer } from '../../fakes/odd-server.ts';
import { startSite, words } from '../../harness/modbus-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const TCP = { protocol: 'modbus-tcp', host: '127.0.0.1' };
const faultOf = ({ bus }: ReturnType<typeof startSite>) => bus.status().devices[0]?.fault ?? '';
const said = ({ log }: ReturnType<typeof startSite>, level: 'warn' | 'info') =>
  log.filter((line) => line.startsWith(`${level} meter: `));

/** Answers when the request was given up, however slow this process is. @param timeouts that were counted so far */
function afterTimeOut(t: TestContext, timeouts: () => number, answer: () => void): void {
  const before = timeouts();
  const timer = setInterval(() => {
    if (timeouts() === before) return;
    clearInterval(timer);
    answer();
  }, 5);
  t.after(() => clearInterval(timer));
}

test('replies that come too late are counted, and `timeout` is what to raise; it is logged once', async (t) => {
  const device = await fakeTcp(t, (request, reply) => {
    afterTimeOut(t, timeouts, () => reply.send(withMbap(rightPdu(request), request.transaction)));
  });
  const bus = { ...TCP, port: device.port, timeout: '100ms', retries: 1 };
  const site = startSite(t, bus, { meter: { unit: 1, interval: '20ms', points: words(0) } });
  const timeouts = () => site.bus.status().devices[0]?.counters.timeouts ?? 0;
  await waitFor('late replies', () => (site.bus.status().devices[0]?.counters.lateReplies ?? 0) >= 5);
  assert.match(
    faultOf(site),
    /^unit 1 on 127\.0\.0\.1:\d+ answers too late: \d+ replies came after the time-out of 100ms; raise `timeout` of the device \(200ms\)/,
  );
  assert.equal(said(site, 'warn').length, 1, site.log.join('\n'));
  assert.match(said(site, 'warn')[0] ?? '', /answers too late: .* raise `timeout`/);
  assert.deepEqual(said(site, 'info'), []);
});

test('a device that is late every other time is one fault, logged again when it ends', async (t) => {
  let late = true;
  const device = await fakeTcp(t, (request, reply) => {
    const answer = () => reply.send(withMbap(rightPdu(request), request.transaction));
    if (late && request.n % 2 === 0) afterTimeOut(t, timeouts, answer);
    else answer();
  });
  const bus = { ...TCP, port: device.port, timeout: '100ms', retries: 0 };
  const site = startSite(t, bus, { meter: { unit: 1, interval: '20ms', points: words(0) } });
  const timeouts = () => site.bus.status().devices[0]?.counters.timeouts ?? 0;
  await waitFor('72 polls', () => site.samples.length >= 72);
  const before = [...said(site, 'warn'), ...said(site, 'info')];
  assert.equal(before.length, 1, site.log.join('\n'));
  late = false;
  await waitFor('the end of the fault', () => said(site, 'info').length > 0);
  assert.match(said(site, 'info')[0] ?? '', /^info meter: good again after .*; the fault was: unit 1 on .* answers too late$/);
  assert.equal(said(site, 'warn').length, 1);
  assert.equal(faultOf(site), '');
});

test('a device that is off is one fault until it is back', async (t) => {
  let on = true;
  const device = await fakeTcp(t, (request, reply) => {
    if (on) answerTcp(request, reply);
  });
  const bus = { ...TCP, port: device.port, timeout: '50ms', retries: 1 };
  const site = startSite(t, bus, { meter: { unit: 1, interval: '20ms', points: words(0) } });
  await site.until('meter', 3);
  on = false;
  await site.until('meter', 5, (outcome) => outcome === 'timeout');
  assert.match(
    faultOf(site),
    /does not answer within 50ms: check that it has power and the unit id; if it is only slow, raise `timeout`$/,
  );
  on = true;
  await waitFor('the end of the fault', () => said(site, 'info').length > 0);
  assert.deepEqual([said(site, 'warn').length, said(site, 'info').length], [1, 1], site.log.join('\n'));
});

test('a device that rests repeats its failure without a request, and its samples say so', async (t) => {
  const mute = await fakeTcp(t, () => {});
  const bus = { ...TCP, port: mute.port, timeout: '50ms', retries: 0 };
  const site = startSite(t, bus, { meter: { unit: 1, interval: '20ms', points: words(0) } });
  await waitFor('a rest', () => site.samples.some(({ unasked }) => unasked === true));
  const [status] = site.bus.status().devices;
  const { requests = 0 } = status?.counters ?? {};
  const asked = site.samples.filter(({ unasked }) => unasked !== true).length;
  assert.ok(asked <= requests && asked + 1 >= requests, `${asked} samples of ${requests} requests`);
});

test('exception 2 for many registers names their number and maxRegisters; for few it does not', async (t) => {
  const device = await fakeTcp(t, (request, reply) => {
    if (request.count > 16) reply.send(withMbap(Buffer.from([request.unit, request.code | 0x80, 2]), request.transaction));
    else answerTcp(request, reply);
  });
  const many = Array.from({ length: 50 }, (_, i) => i);
  const meter = { unit: 1, interval: '20ms', points: words(...many) };
  const site = startSite(t, { ...TCP, port: device.port }, { meter });
  await site.until('meter', 2, (outcome) => outcome === 'exception');
  assert.match(
    faultOf(site),
    /holding 0 to 49 with exception 2: .* it may also refuse 50 registers at once: .* set limits\.maxRegisters to 25$/,
  );
  const halved = startSite(t, { ...TCP, port: device.port }, { meter: { ...meter, limits: { maxRegisters: 12 } } });
  await halved.until('meter', 5);
  const none = await fakeTcp(t, (request, reply) =>
    reply.send(withMbap(Buffer.from([request.unit, request.code | 0x80, 2]), request.transaction)),
  );
  const few = startSite(t, { ...TCP, port: none.port }, { meter: { unit: 1, interval: '20ms', points: words(0, 1) } });
  await few.until('meter', 1, (outcome) => outcome === 'exception');
  assert.doesNotMatch(faultOf(few), /maxRegisters/);
});

test('a device that serves one connection only: the second client is told to end the first', async (t) => {
  const device = await oddServer(t, climate, (open) => open === 1);
  const bus = { ...TCP, port: device.port };
  const meter = { unit: 1, interval: '50ms', points: { a: { table: 'input', address: 1, type: 'uint16' } } };
  const first = startSite(t, bus, { meter });
  await first.until('meter', 1);
  const second = startSite(t, bus, { meter });
  const fault = await waitFor(
    () => `words about the connection, not ${second.bus.status().fault}`,
    () => {
      const { fault: now = '' } = second.bus.status();
      return /A device with one connection does so while another program uses it .* end that program$/.test(now)
        ? now
        : undefined;
    },
  );
  assert.match(fault, /^127\.0\.0\.1:\d+: the (device closed the connection|connection was lost), each time before/);
  await first.bus.stop();
  await second.until('meter', 1);
  assert.equal(second.bus.status().fault, undefined);
});

test('a bus whose silent device takes its time is no matter of baud rate on a network', async (t) => {
  const mute = await fakeTcp(t, () => {});
  const site = startSite(t, { ...TCP, port: mute.port, timeout: '50ms' }, { meter: { unit: 1, points: words(0) } });
  await site.until('meter', 1, (outcome) => outcome === 'timeout');
  assert.match(faultOf(site), /does not answer: check that it has power and the unit id$/);
  assert.doesNotMatch(site.log.join('\n'), /baud/);
});
