/** A board with many networks: what one of them carries changes nothing in the others. The sockets are fakes. */
import assert from 'node:assert/strict';
import dgram, { type Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import type { NetworkInterfaceInfo } from 'node:os';
import test, { type TestContext } from 'node:test';
import { encode } from 'dns-packet';
import { recordsOf, SERVICE } from '../../../src/admin/mdns/answers.ts';
import { MdnsResponder, MOST_ANSWERS, MOST_FOREIGN, MOST_HEARD, MOST_READ } from '../../../src/admin/mdns/responder.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const SELF = { instance: 'ghat-1', host: 'sluice-a1b2c3', port: 8443 };
const LOOK = 5000;

class FakeSocket extends EventEmitter {
  closed = false;
  sent = 0;
  bind(_port: number, done: () => void): void {
    done();
  }
  addMembership(): void {}
  setMulticastInterface(): void {}
  setMulticastTTL(): void {}
  setMulticastLoopback(): void {}
  unref(): void {}
  send(_bytes: Uint8Array, _port: number, _to: string, done: () => void): void {
    this.sent++;
    done();
  }
  close(): void {
    this.closed = true;
  }
}

function board(t: TestContext, networks: number) {
  const sockets: FakeSocket[] = [];
  const create = dgram.createSocket;
  t.after(() => {
    dgram.createSocket = create;
    syncBuiltinESMExports();
  });
  dgram.createSocket = (() => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket as unknown as Socket;
  }) as typeof create;
  syncBuiltinESMExports();
  const list = (i: number) => [
    { address: `192.0.${i}.1`, netmask: '255.255.255.0', family: 'IPv4', internal: false } as NetworkInterfaceInfo,
  ];
  const clock = new ManualClock();
  const words: string[] = [];
  const log = (_: object, text: string) => words.push(text);
  const responder = new MdnsResponder({
    ...{ clock, logger: { ...silentLogger, warn: log, info: log }, announced: () => SELF },
    interfaces: () => Object.fromEntries(Array.from({ length: networks }, (_, i) => [`e${i}`, list(i)])),
  });
  responder.start();
  t.after(() => responder.stop());
  /** The kernel gives a packet to each socket of the group. */
  const heard = (network: number, times: number, bytes: Uint8Array = Buffer.alloc(12)) => {
    for (let i = 0; i < times; i++)
      for (const socket of sockets.filter(({ closed }) => !closed))
        socket.emit('message', bytes, { address: `192.0.${network}.77`, port: 5353 });
  };
  return { clock, words, responder, sockets, heard, open: () => sockets.filter(({ closed }) => !closed).length };
}

test('eight networks of many packets each are no flood', (t) => {
  const { responder, heard, open } = board(t, 8);
  for (let network = 0; network < 8; network++) heard(network, 250);
  assert.deepEqual([responder.counts.floods, open()], [0, 8]);
});

test('questions of a second get a bounded number of answers, and the others are counted', async (t) => {
  const { responder, sockets, heard, clock } = board(t, 1);
  const ask = (type: 'PTR' | 'A', name: string) => encode({ type: 'query', questions: [{ name, type }] });
  const announced = sockets[0]?.sent ?? 0;
  heard(0, MOST_READ, ask('PTR', SERVICE));
  heard(0, 300, ask('PTR', SERVICE));
  const { answered, unanswered } = responder.counts;
  assert.deepEqual([answered, unanswered], [MOST_ANSWERS, MOST_READ + 300 - MOST_ANSWERS]);
  assert.equal((sockets[0]?.sent ?? 0) - announced, MOST_ANSWERS);
  await clock.advance(1000);
  heard(0, 1, ask('A', 'printer.local'));
  assert.deepEqual(responder.counts.unanswered, unanswered, 'a question about others needs no answer');
  heard(0, 1, ask('A', `${SELF.host}.local`));
  assert.equal(responder.counts.answered, MOST_ANSWERS + 1, 'the next second has its own');
});

test('a flood closes the socket of its network first, and each socket after a bounded count', async (t) => {
  const { responder, heard, open, clock } = board(t, 2);
  heard(1, MOST_HEARD + 1);
  assert.deepEqual([responder.counts.floods, open()], [1, 1]);
  heard(1, MOST_FOREIGN - MOST_HEARD);
  assert.deepEqual([responder.counts.floods, open()], [2, 0]);
  await clock.advance(LOOK);
  assert.equal(open(), 2, 'the next look opens them again');
  heard(0, MOST_HEARD);
  await clock.advance(1000);
  heard(0, MOST_HEARD);
  assert.equal(open(), 2, 'each second counts by itself');
});

test('a flood that comes again and again is told once an hour, and its end with it', async (t) => {
  const { words, heard, clock, responder } = board(t, 1);
  for (let i = 0; i < 20; i++) {
    heard(0, MOST_HEARD + 1);
    await clock.advance(3 * LOOK);
  }
  assert.equal(responder.counts.floods, 20);
  assert.deepEqual(
    words.map((text) => text.slice(0, 12)),
    ['More packets', 'The flood of'],
  );
  await clock.advance(3_600_000);
  heard(0, MOST_HEARD + 1);
  assert.equal(words.length, 3);
});

test('its own words that a reflector carries into another network are no claim', (t) => {
  const { words, heard, responder } = board(t, 2);
  heard(1, 1, encode({ type: 'response', answers: recordsOf(SELF, ['192.0.0.1']) }));
  assert.deepEqual([responder.counts.claims, words], [0, []]);
  heard(1, 1, encode({ type: 'response', answers: recordsOf(SELF, ['192.0.0.66']) }));
  assert.equal(responder.counts.claims, 1);
  assert.match(words.join(), /^Another device in the network uses the name/);
});
