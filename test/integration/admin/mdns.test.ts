/** A foreign browser of services finds a gateway in a network namespace; noise and floods on the port change nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import type { MdnsResponder } from '../../../src/admin/mdns/responder.ts';
import { startChild } from '../../harness/child.ts';
import { type ClosedNet, closedNet } from '../../harness/closed-net.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { CountingDevice } from '../../peers/counting-device.ts';
import { pythonPeer } from '../../peers/peers.ts';

const CHILD = path.join(import.meta.dirname, '..', '..', 'harness', 'mdns-child.ts');
const BROWSER = path.join(import.meta.dirname, '..', '..', 'peers', 'zeroconf-browser.py');
const NOISE = `
import os, random, select, socket, struct, sys
random.seed(7)
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('192.0.2.1'))
# Another device of the network says that it is the gateway: an A record of its name, from an address of its own.
claim = (b'\\0\\0\\x84\\0\\0\\0\\0\\1\\0\\0\\0\\0' + b'\\x0dsluice-a1b2c3\\5local\\0'
    + b'\\0\\1\\0\\1\\0\\0\\0\\x78\\0\\4' + socket.inet_aton('192.0.2.66'))
other, group = socket.inet_aton('192.0.2.66'), socket.inet_aton('224.0.0.251')
packet = struct.pack('!BBHHHBBH', 0x45, 0, 28 + len(claim), 0, 0, 255, 17, 0) + other + group
packet += struct.pack('!HHHH', 5353, 5353, 8 + len(claim), 0) + claim
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('192.0.2.1'))
for i in range(20): raw.sendto(packet, ('224.0.0.251', 0))
print('claimed', flush=True)
sys.stdin.readline()
sent = 0
while not (sent % 500 == 0 and select.select([sys.stdin], [], [], 0)[0]):
    sent += 1
    size = random.choice([0, 1, 11, 12, 60, 500, 1400, 9000, 60000])
    body = bytearray(os.urandom(size))
    if size >= 12:
        body[2:4] = b'\\0\\0'
        body[4:12] = bytes([0, 1, 0, random.choice([0, 1]), 0, 0, 0, 0])
    try: out.sendto(body, ('224.0.0.251', 5353))
    except OSError: pass
print('sent')
`;

/** Asks for the service, as fast as it can, until its input ends. */
const QUESTIONS = `
import select, socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('192.0.2.1'))
question = b'\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0' + b'\\x07_sluice\\4_tcp\\5local\\0' + b'\\0\\x0c\\0\\1'
while not select.select([sys.stdin], [], [], 0)[0]:
    for i in range(500):
        try: out.sendto(question, ('224.0.0.251', 5353))
        except OSError: pass
print('sent')
`;

/** A network with nobody else in it: two ends of one cable. */
function cable({ before: [program = '', ...words] }: ClosedNet): void {
  for (const command of [
    'link add e0 type veth peer name e1',
    'addr add 192.0.2.1/24 dev e0',
    'link set e0 up',
    'link set e1 up',
    'route add 224.0.0.0/4 dev e0',
  ])
    assert.equal(spawnSync(program, [...words, 'ip', ...command.split(' ')], { encoding: 'utf8' }).stderr, '');
}

test('a foreign browser finds the gateway after a flood and a false claim', async (t) => {
  const python = pythonPeer(t, 'zeroconf', 'apt-get install -y python3-zeroconf');
  const net = await closedNet(t);
  if (python === undefined || net === undefined) return;
  cable(net);
  const gateway = startChild(t, net.before[0] ?? '', [
    ...net.before.slice(1),
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    CHILD,
  ]);
  await gateway.line(/^started$/);
  const noise = startChild(t, net.before[0] ?? '', [...net.before.slice(1), python, '-c', NOISE], { stdin: true });
  await noise.line(/^claimed$/);
  await gateway.line(/^Another device in the network uses the name of this gateway/);
  noise.write('\n');
  await gateway.line(/^More packets of multicast DNS come in a second/);
  noise.write('\n');
  await noise.line(/^sent$/);
  const browser = startChild(t, net.before[0] ?? '', [...net.before.slice(1), python, BROWSER, '192.0.2.1']);
  const found = await browser.line(/^added /);
  assert.equal(String(found), 'added ghat-1._sluice._tcp.local. sluice-a1b2c3.local. 8443 192.0.2.1 id=ghat-1 path=/ tls=1');
  gateway.signal('SIGTERM');
  const [, counts = ''] = /^counts (.*)/.exec(String(await gateway.line(/^counts /))) ?? [];
  const { floods, claims, opened } = JSON.parse(counts) as MdnsResponder['counts'];
  assert.ok(floods >= 1 && opened > floods && claims >= 1 && claims <= 20, counts);
  await gateway.line(/^stopped$/);
  assert.equal(String(await browser.line(/^removed /)), 'removed ghat-1._sluice._tcp.local.');
});

test('a foreign browser finds the gateway over IPv6 alone, and hears its good-bye', async (t) => {
  const python = pythonPeer(t, 'zeroconf', 'apt-get install -y python3-zeroconf');
  const net = await closedNet(t);
  if (python === undefined || net === undefined) return;
  const [program = '', ...words] = net.before;
  for (const command of [
    'link add e0 type veth peer name e1',
    'addr add 2001:db8:7::1/64 dev e0 nodad',
    'link set e0 up',
    'link set e1 up',
  ])
    assert.equal(spawnSync(program, [...words, 'ip', ...command.split(' ')], { encoding: 'utf8' }).stderr, '');
  // Nobody sends from the address of the interface itself before the kernel knows that it is the only one.
  await waitFor('the address of the link', () => {
    const { stdout } = spawnSync(program, [...words, 'ip', '-6', 'addr', 'show', 'dev', 'e0'], { encoding: 'utf8' });
    return /scope link/.test(stdout) && !/tentative/.test(stdout);
  });
  const browser = startChild(t, program, [...words, python, BROWSER, '2001:db8:7::1']);
  await browser.line(/^browsing/);
  const gateway = startChild(t, program, [...words, process.execPath, '--disable-warning=ExperimentalWarning', CHILD]);
  await gateway.line(/^started$/);
  const found = await browser.line(/^added /);
  assert.equal(String(found), 'added ghat-1._sluice._tcp.local. sluice-a1b2c3.local. 8443 2001:db8:7::1 id=ghat-1 path=/ tls=1');
  gateway.signal('SIGTERM');
  await gateway.line(/^stopped$/);
  assert.equal(String(await browser.line(/^removed /)), 'removed ghat-1._sluice._tcp.local.');
});

test('a device is polled during a flood of questions, most of which get no answer', async (t) => {
  const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
  const net = await closedNet(t);
  if (python === undefined || net === undefined) return;
  cable(net);
  const device = await CountingDevice.start(t, [1], net.before);
  if (device === undefined) return;
  const gateway = makeGateway(
    t,
    ({ section }) => `${section}
buses: {field: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: field, unit: 1, interval: 50ms, points: {reads: {table: holding, address: 0, type: uint32}}}}
dashboard: {listen: [{host: 192.0.2.1, port: 8443, tls: true}]}
`,
  );
  gateway.before = net.before;
  await gateway.up();
  const counts = async () => {
    const { announce } = await gateway.status();
    assert.ok(announce !== undefined);
    return announce;
  };
  const flood = startChild(t, net.before[0] ?? '', [...net.before.slice(1), python, '-c', QUESTIONS], { stdin: true });
  await gateway.waitForLog(/^More packets of multicast DNS come in a second/);
  // Until the gateway listens again, and hears the flood again: it polls before, in and behind that.
  for (const floods of [1, 2]) {
    await waitFor('a flood', async () => (await counts()).floods >= floods);
    const before = device.answers().length;
    await waitFor('due polls in the flood', () => device.answers().length >= before + 20);
  }
  flood.endInput();
  await flood.line(/^sent$/);
  const { heard, answered, unanswered } = await counts();
  assert.ok(answered >= 1 && answered + unanswered <= heard, 'no question has two answers');
  assert.ok(unanswered > answered, `${answered} answers, ${unanswered} questions without one`);
  const values = device.answers().map(({ value }) => value);
  assert.deepEqual(
    values,
    values.map((_, i) => i + 1),
    'each poll was one read',
  );
  assert.equal((await gateway.status()).buses[0]?.state, 'open');
});
