/** A foreign browser of services finds a gateway in a network namespace; noise on the port changes nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import type { MdnsResponder } from '../../../src/admin/mdns/responder.ts';
import { startChild } from '../../harness/child.ts';
import { closedNet } from '../../harness/closed-net.ts';
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

test('a foreign browser finds the gateway after a flood and a false claim', async (t) => {
  const python = pythonPeer(t, 'zeroconf', 'apt-get install -y python3-zeroconf');
  const net = await closedNet(t);
  if (python === undefined || net === undefined) return;
  const inside = (...command: string[]) =>
    spawnSync(net.before[0] ?? '', [...net.before.slice(1), ...command], { encoding: 'utf8' });
  // A network with nobody else in it: two ends of one cable.
  for (const command of [
    'link add e0 type veth peer name e1',
    'addr add 192.0.2.1/24 dev e0',
    'link set e0 up',
    'link set e1 up',
    'route add 224.0.0.0/4 dev e0',
  ])
    assert.equal(inside('ip', ...command.split(' ')).stderr, '');
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
