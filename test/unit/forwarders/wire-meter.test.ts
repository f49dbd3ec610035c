/** Headers of connections that are opened to more than one address, or over IPv6: packets that no capture of 127.0.0.1 shows. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import test from 'node:test';
import { type Spoken, WireMeter } from '../../../src/forwarders/mqtt/wire/wire-meter.ts';

const [SYN, HEADER, RST, SIX] = [60, 52, 40, 20];

function bench(spoken: Spoken = 'plain') {
  let now = 0;
  const meter = new WireMeter(() => now);
  const events = new EventEmitter();
  const socket = Object.assign(events, {
    bytesWritten: 0,
    bytesRead: 0,
    remoteFamily: undefined as string | undefined,
    readableEnded: false,
  });
  meter.watch(socket as unknown as Socket, spoken);
  const after = (ms: number, name: string, ...args: unknown[]): void => {
    now += ms;
    events.emit(name, ...args);
  };
  return { after, socket, headers: () => meter.total.headers };
}

test('last words in one packet save headers only where the broker ends first', () => {
  const [broker, gateway, tls] = (['gathered', 'gathered', 'tls'] as const).map((spoken, i) => {
    const { after, socket, headers } = bench(spoken);
    after(0, 'connectionAttempt', '192.0.2.1', 8883, 4);
    after(30, 'connect');
    const before = headers();
    socket.readableEnded = i === 0;
    after(0, 'close');
    return headers() - before;
  });
  assert.deepEqual([broker, gateway, tls], [3 * HEADER, 5 * HEADER + 24, 5 * HEADER + 24]);
});

test('each address of a name costs a SYN, and one over IPv6 has the longer header', () => {
  const { after, socket, headers } = bench();
  after(0, 'connectionAttempt', '2001:db8::1', 1883, 6);
  assert.equal(headers(), SYN + SIX);
  after(250, 'connectionAttempt', '192.0.2.1', 1883, 4);
  assert.equal(headers(), SYN + SIX + SYN);
  socket.remoteFamily = 'IPv4';
  after(30, 'connect');
  assert.equal(headers(), SYN + SIX + SYN + SYN + HEADER);
  after(0, 'close');
  assert.equal(headers(), SYN + SIX + SYN + SYN + 5 * HEADER);
});

test('a try over IPv6 without an answer, or with a refusal, has the longer headers too', () => {
  const silent = bench();
  silent.after(0, 'connectionAttempt', '2001:db8::1', 1883, 6);
  silent.after(1900, 'close');
  assert.equal(silent.headers(), 2 * (SYN + SIX));
  const refused = bench();
  refused.after(0, 'connectionAttempt', '2001:db8::1', 1883, 6);
  refused.after(1, 'error', Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
  refused.after(0, 'close');
  assert.equal(refused.headers(), SYN + SIX + RST + SIX);
});

test('the way there and back is known of the address that answered, and not of one that did not', () => {
  const acknowledged = (attempts: (after: ReturnType<typeof bench>['after']) => void): number => {
    const { after, socket, headers } = bench();
    attempts(after);
    socket.remoteFamily = 'IPv4';
    after(30, 'connect');
    const before = headers();
    // The answer to a question comes 100 ms later: the far side has acknowledged the question by then.
    for (let i = 0; i < 5; i++) {
      socket.bytesWritten += 100;
      headers();
      after(100, 'look');
      socket.bytesRead += 10;
      headers();
      after(500, 'look');
    }
    return headers() - before;
  };
  const one = acknowledged((after) => after(0, 'connectionAttempt', '192.0.2.1', 1883, 4));
  const two = acknowledged((after) => {
    after(0, 'connectionAttempt', '2001:db8::1', 1883, 6);
    after(250, 'connectionAttempt', '192.0.2.1', 1883, 4);
  });
  assert.equal(two, one);
});
