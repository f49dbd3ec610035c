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
  readonly type: string;
  closed = false;
  sent = 0;
  /** Group, and the interface through which it is joined. */
  joined: readonly string[] = [];
  constructor(type: string) {
    super();
    this.type = type;
  }
  bind(_port: number, done: () => void): void {
    done();
  }
  /** The kernel refuses what these words are of. */
  static refused: RegExp | undefined;
  addMembership(...joined: string[]): void {
    if (FakeSocket.refused?.test(joined.join(' '))) throw new Error('no such device');
    this.joined = joined;
  }
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

type Interfaces = Record<string, NetworkInterfaceInfo[]>;
const four = (address: string) =>
  ({ address, netmask: '255.255.255.0', family: 'IPv4', internal: false }) as NetworkInterfaceInfo;
const six = (address: string, length = 64) =>
  ({ address, cidr: `${address}/${length}`, family: 'IPv6', internal: false }) as NetworkInterfaceInfo;
const fours = (networks: number): Interfaces =>
  Object.fromEntries(Array.from({ length: networks }, (_, i) => [`e${i}`, [four(`192.0.${i}.1`)]]));

function board(t: TestContext, networks: number | Interfaces) {
  const sockets: FakeSocket[] = [];
  const create = dgram.createSocket;
  t.after(() => {
    dgram.createSocket = create;
    syncBuiltinESMExports();
  });
  dgram.createSocket = (({ type }: { type: string }) => {
    const socket = new FakeSocket(type);
    sockets.push(socket);
    return socket as unknown as Socket;
  }) as typeof create;
  syncBuiltinESMExports();
  const interfaces = typeof networks === 'number' ? fours(networks) : networks;
  const clock = new ManualClock();
  const words: string[] = [];
  const log = (_: object, text: string) => words.push(text);
  const responder = new MdnsResponder({
    ...{ clock, logger: { ...silentLogger, warn: log, info: log }, announced: () => SELF },
    interfaces: () => interfaces,
  });
  responder.start();
  t.after(() => responder.stop());
  /** The kernel gives a packet to each socket of the group. */
  const heard = (network: number, times: number, bytes: Uint8Array = Buffer.alloc(12)) => {
    for (let i = 0; i < times; i++)
      for (const socket of sockets.filter(({ closed }) => !closed))
        socket.emit('message', bytes, { address: `192.0.${network}.77`, port: 5353 });
  };
  return { clock, words, responder, sockets, heard, interfaces, open: () => sockets.filter(({ closed }) => !closed).length };
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

const QUESTION = encode({ type: 'query', questions: [{ name: SERVICE, type: 'PTR' }] });

test('each interface has a socket for each kind of address that others can reach', (t) => {
  const { sockets } = board(t, {
    lo: [{ ...four('127.0.0.1'), internal: true } as NetworkInterfaceInfo],
    both: [four('192.0.2.1'), six('2001:db8:1::1'), six('fe80::1')],
    four: [four('192.0.3.1'), six('fe80::2')],
    six: [six('2001:db8:2::1')],
    none: [six('febf::3')],
  });
  assert.deepEqual(
    sockets.map(({ type, joined }) => [type, ...joined]),
    [
      ['udp4', '224.0.0.251', '192.0.2.1'],
      ['udp6', 'ff02::fb', '::%both'],
      ['udp4', '224.0.0.251', '192.0.3.1'],
      ['udp6', 'ff02::fb', '::%six'],
    ],
  );
});

test('a question over IPv6 is answered to its own interface and its own network alone', (t) => {
  const { sockets, responder } = board(t, { e0: [six('2001:db8:1::1')], e1: [six('2001:db8:2::1')] });
  const sent = () => sockets.map((socket) => socket.sent);
  const ask = (address: string): number[] => {
    const before = sent();
    for (const socket of sockets) socket.emit('message', QUESTION, { address, port: 5353 });
    return sent().map((count, i) => count - (before[i] ?? 0));
  };
  assert.deepEqual(ask('fe80::77%e0'), [1, 0]);
  assert.deepEqual(ask('fe80::77%e1'), [0, 1]);
  assert.deepEqual(ask('2001:db8:2::77'), [0, 1]);
  assert.deepEqual(ask('2001:db8:3::77'), [0, 0], 'of no network here');
  assert.deepEqual(ask('fe80::77'), [0, 0], 'nobody says of which interface');
  assert.equal(responder.counts.answered, 3);
});

test('an address that comes or goes opens and closes the sockets of its interface alone', async (t) => {
  const { sockets, interfaces, clock, open } = board(t, { e0: [four('192.0.2.1')], e1: [four('192.0.3.1')] });
  interfaces.e0 = [four('192.0.2.1'), six('2001:db8:1::1')];
  await clock.advance(LOOK);
  // The records of both kinds have one more address.
  assert.deepEqual(
    sockets.map(({ type, closed }) => [type, closed]),
    [
      ['udp4', true],
      ['udp4', false],
      ['udp4', false],
      ['udp6', false],
    ],
  );
  interfaces.e0 = [];
  await clock.advance(LOOK);
  assert.equal(open(), 1);
});

test('one kind of address that fails is named, and the gateway is found by the other', async (t) => {
  FakeSocket.refused = /^ff02/;
  t.after(() => {
    FakeSocket.refused = undefined;
  });
  const { clock, words } = board(t, { e0: [four('192.0.0.1'), six('2001:db8::1')] });
  for (let i = 0; i < 5; i++) await clock.advance(LOOK);
  const part =
    'The gateway cannot be found by name over IPv6 on e0: multicast DNS does not work there. It works over its other networks.';
  assert.deepEqual(words, [part], 'it is said once');
});

test('a gateway that no network finds by name says so once, also when it comes again', async (t) => {
  FakeSocket.refused = /./;
  t.after(() => {
    FakeSocket.refused = undefined;
  });
  const { clock, words, interfaces } = board(t, { e0: [four('192.0.0.1'), six('2001:db8::1')] });
  for (let i = 0; i < 5; i++) await clock.advance(LOOK);
  const nowhere = 'The gateway cannot be found by name in the network: multicast DNS does not work here.';
  assert.deepEqual(words, [nowhere]);
  FakeSocket.refused = undefined;
  await clock.advance(2 * LOOK);
  // The next network does not take it either.
  FakeSocket.refused = /./;
  delete interfaces.e0;
  interfaces.e1 = [four('192.0.1.1')];
  await clock.advance(3 * LOOK);
  assert.deepEqual(words, [nowhere, nowhere]);
});
