/** What an upstream broker may send: by hand-made bytes, by bytes at random, and in front of a real parser over TLS. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { MqttClient } from 'mqtt';
import { generate, type Packet } from 'mqtt-packet';
import { seeded } from '../../../src/core/seeded.ts';
import { GuardedStream } from '../../../src/forwarders/mqtt/guarded-stream.ts';
import { commandedLimits, INBOUND_LIMITS, InboundCheck } from '../../../src/forwarders/mqtt/inbound-check.ts';
import { CONNACK, header, publish, times } from '../../fakes/hostile-broker.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const { burst, perSecond } = INBOUND_LIMITS;
const connected = (now = () => 0): InboundCheck => {
  const check = new InboundCheck(now);
  assert.equal(check.fault(CONNACK), undefined);
  return check;
};

test('the limits hold by the declared length, whatever arrives of the body', () => {
  assert.equal(connected().fault(header(0x30, INBOUND_LIMITS.publish)), undefined);
  assert.match(connected().fault(header(0x30, INBOUND_LIMITS.publish + 1)) ?? '', /declared a packet of 65537 bytes/);
  assert.equal(connected().fault(header(0x40, INBOUND_LIMITS.other)), undefined);
  assert.match(connected().fault(header(0x40, INBOUND_LIMITS.other + 1)) ?? '', /at most 4096/);
  assert.match(new InboundCheck(() => 0).fault(header(0x20, INBOUND_LIMITS.other + 1)) ?? '', /at most 4096/);
  for (const most of [undefined, 135_168]) {
    const check = () => {
      const made = new InboundCheck(() => 0, commandedLimits(most));
      made.fault(CONNACK);
      return made;
    };
    assert.equal(check().fault(header(0x30, most ?? INBOUND_LIMITS.publish)), undefined);
    assert.match(check().fault(header(0x30, (most ?? INBOUND_LIMITS.publish) + 1)) ?? '', /declared a packet of/);
    assert.match(check().fault(header(0x40, INBOUND_LIMITS.other + 1)) ?? '', /at most 4096/);
  }
  assert.match(connected().fault(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff)) ?? '', /declared a packet|malformed/);
  assert.match(connected().fault(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80)) ?? '', /malformed packet length/);
});

test('packets that no broker may send to a publisher are refused by their first byte', () => {
  for (const type of [0, 1, 5, 6, 7, 8, 10, 12])
    assert.match(connected().fault(Uint8Array.of(type << 4)) ?? '', new RegExp(`of type ${type}`));
  assert.match(connected().fault(CONNACK) ?? '', /second time/);
  assert.match(new InboundCheck(() => 0).fault(publish(0, 0, 1)) ?? '', /instead of a CONNACK/);
  assert.match(connected().fault(publish(2, 1, 1)) ?? '', /QoS 2/);
});

test('an answer that is owed is free, and what nobody asked for comes from a budget', async () => {
  const clock = new ManualClock();
  const [check, idle] = [connected(() => clock.monotonic()), connected(() => clock.monotonic())];
  const puback = Uint8Array.of(0x40, 2, 0, 1);
  for (let i = 0; i < 10 * burst; i++) check.owe();
  assert.equal(check.fault(times(10 * burst, puback)), undefined, 'owed');
  // The CONNACK was one of them.
  assert.equal(check.fault(times(burst - 1, puback)), undefined, 'at once');
  await clock.advance(1000);
  assert.equal(check.fault(times(perSecond, publish(1, 1, 3))), undefined, 'a second later');
  assert.match(check.fault(publish(1, 1, 3)) ?? '', /too much that was not asked for/);
  await clock.advance(3_600_000);
  assert.match(idle.fault(times(burst + 1, puback)) ?? '', /too much/, 'what was not used is not saved up');
});

test('the verdict is the same however the bytes are cut; random bytes end within limits', () => {
  const random = seeded(7);
  for (let run = 0; run < 300; run++) {
    const packets: Packet[] = [{ cmd: 'connack', returnCode: 0, sessionPresent: false }];
    for (let i = 0; i < 20; i++)
      packets.push(
        random() < 0.5
          ? { cmd: 'puback', messageId: 1 + i }
          : { cmd: 'publish', topic: 'a/b', payload: Buffer.alloc(random() * 900), qos: 0, dup: false, retain: false },
      );
    const bytes = Buffer.concat(packets.map((p) => generate(p)));
    if (run % 2 === 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const whole = new InboundCheck(() => 0).fault(bytes);
    if (run % 2 === 0) assert.equal(whole, undefined);
    const check = new InboundCheck(() => 0);
    let cut: string | undefined;
    for (let at = 0; at < bytes.length && cut === undefined; ) {
      const next = at + 1 + Math.floor(random() * 40);
      cut = check.fault(bytes.subarray(at, next));
      at = next;
    }
    assert.equal(cut, whole);
  }
  // All that can pass without being asked for is a whole budget of the longest packets.
  const most = burst * (INBOUND_LIMITS.publish + 5);
  for (let run = 0; run < 50; run++) {
    const check = connected();
    let passed = 0;
    for (;;) {
      const chunk = Uint8Array.from({ length: 4096 }, () => Math.floor(random() * 256));
      if (check.fault(chunk) !== undefined) break;
      passed += chunk.length;
      assert.ok(passed <= most, `${passed} bytes passed`);
    }
  }
});

test('over TLS the guard stands behind the decryption and in front of the parser', async (t) => {
  const openssl = peer(t, 'openssl', 'apt-get install -y openssl');
  if (openssl === undefined) return;
  const folder = scratch(t, 'tls');
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  execFileSync(
    openssl,
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'].concat([
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ]),
    { stdio: 'ignore' },
  );
  const [ca, sockets] = [readFileSync(cert), new Set<TLSSocket>()];
  let mode: 'good' | 'huge' = 'good';
  const server = createServer({ key: readFileSync(key), cert: ca }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(CONNACK);
      if (mode === 'huge') socket.write(header(0x30, 150e6));
      socket.on('data', (bytes) => {
        if ((bytes[0] ?? 0) >> 4 === 3) socket.write(Uint8Array.of(0x40, 2, 0, 1));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const open = () => {
    const check = new InboundCheck(() => performance.now());
    const wire = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' });
    const client = new MqttClient(() => new GuardedStream(wire, check), { reconnectPeriod: 0 });
    t.after(() => client.end(true));
    return { client, check };
  };
  const good = open();
  await new Promise<void>((resolve) => good.client.once('connect', () => resolve()));
  // Ids begin at random, and the hand-made PUBACK is for 1: what counts is that it passes the guard.
  const seen = new Promise((resolve) => good.client.on('packetreceive', (packet) => packet.cmd === 'puback' && resolve(true)));
  good.check.owe();
  good.client.publish('a', 'b', { qos: 1 }, () => {});
  assert.equal(await seen, true);

  mode = 'huge';
  const bad = open();
  const faults: Error[] = [];
  bad.client.on('error', (error) => faults.push(error));
  await new Promise<void>((resolve) => bad.client.once('close', () => resolve()));
  await waitFor('the fault', () => faults.length > 0);
  assert.match(faults[0]?.message ?? '', /the broker declared a packet of/);
});
