/** `sluice read --raw` and `sluice capture` at serial instruments: the bytes as they came, also when nothing can be made of them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { startChild } from '../../harness/child.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const peers = path.join(import.meta.dirname, '..', '..', 'peers');

async function talkerOn(t: TestContext, python: string) {
  const pty = startChild(t, python, [path.join(peers, 'paced-pty.py'), '9600'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const talker = startChild(t, python, [path.join(peers, 'serial-talker.py'), far], { stdin: true });
  // What is sent to the tty before the talker has opened it is lost.
  talker.write('noise 0 0');
  await talker.line(/^done$/);
  return { near, say: (order: string) => talker.write(order) };
}

/** Says it again and again, until the child has ended. */
async function saying<T>(ended: Promise<T>, say: () => void): Promise<T> {
  const timer = setInterval(say, 100);
  return ended.finally(() => clearInterval(timer));
}

/** The bytes that came, without the pauses that a busy machine made in them. */
const cameIn = (shown: string) => [...shown.matchAll(/← ([0-9a-f ]+?)(?: {2}".*)?$/gm)].map(([, part]) => part).join(' ');

for (const running of [false, true])
  test(`read --raw ${running ? 'through the gateway' : 'without a gateway'}: frames of a talker, its text, and other bytes`, async (t) => {
    const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
    if (python === undefined) return;
    const [dust, scale, odd] = [await talkerOn(t, python), await talkerOn(t, python), await talkerOn(t, python)];
    const gateway = makeGateway(
      t,
      (g) => `${g.section}
buses:
  one: {protocol: serial, port: ${dust.near}, baudRate: 9600, timeout: 10s}
  two: {protocol: serial, port: ${scale.near}, baudRate: 9600, timeout: 10s}
  three: {protocol: serial, port: ${odd.near}, baudRate: 9600, timeout: 2s}
devices:
  dust: {bus: one, profile: sds011}
  scale: {bus: two, frame: {type: line}, decode: {type: key-value}, points: {weight: {unit: kg}}}
  odd: {bus: three, profile: sds011}
`,
    );
    if (running) {
      await gateway.up();
    }
    const read = (...args: string[]) => sluice(t, 'read', ...args, '-c', gateway.config);
    // PM2.5 and PM10 in tenths, low byte first; 12 34 is the id; 0xC8 + 0x2C + 1 + 0x12 + 0x34 = 0x13B.
    // It may begin in the middle of a frame, and the reading of that frame ends it.
    const frame = await waitFor('bytes of a frame', async () => {
      const one = await saying(read('dust', '--raw'), () => dust.say('sds011 200 300'));
      assert.equal(one.code, 0, one.stderr);
      return cameIn(one.stdout).length > 5 ? one : undefined;
    });
    const said = 'aa c0 c8 00 2c 01 12 34 3b ab '.repeat(50);
    assert.ok(said.includes(cameIn(frame.stdout)), frame.stdout);
    assert.match(frame.stdout, /dust\.pm2_5 +20 µg\/m³/);
    const letters = (stdout: string) => [...stdout.matchAll(/"(.*)"$/gm)].map(([, part]) => part).join('');
    const text = await waitFor('letters of a line', async () => {
      const one = await saying(read('scale.weight', '--raw'), () => scale.say('text weight=12.5'));
      assert.equal(one.code, 0, one.stderr);
      return letters(one.stdout).length > 4 ? one : undefined;
    });
    assert.ok('weight=12.5\\r\\n'.repeat(50).includes(letters(text.stdout)), text.stdout);
    assert.match(text.stdout, /scale\.weight +12\.5 kg/);
    const json = await saying(read('dust', '--raw', '--json'), () => dust.say('sds011 200 300'));
    const { frames, readings } = JSON.parse(json.stdout) as { frames: { way: string; bytes: string }[]; readings: object[] };
    assert.ok(frames.every((f) => f.way === 'in') && readings.length === 2);
    // The wrong baud rate: bytes come, and no frame. They are what a person has to see.
    const wrong = await saying(read('odd', '--raw'), () => odd.say('hex 7f0133'));
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /^odd:\n {2}← [0-9a-f ]+\n/);
    assert.match(wrong.stdout, /no frame within 2s: bytes arrive, but no frame: check baudRate, parity and `frame`/);
    // Without --raw it is a fault, as it was.
    const plain = await saying(read('odd'), () => odd.say('hex 7f0133'));
    assert.equal(plain.code, 1);
    assert.match(plain.stderr, /bytes arrive, but no frame/);
  });

test('read --raw shows the request to an asked device; capture shows both ways, without a file', async (t) => {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const air = await talkerOn(t, python);
  const gateway = makeGateway(
    t,
    (g) => `${g.section}
buses: {air: {protocol: serial, port: ${air.near}, baudRate: 9600}}
devices: {co2: {bus: air, profile: mh-z19, interval: 1h, request: {bytes: FF 01 86 00 00 00 00 00 79, timeout: 60s}}}
`,
  );
  const answer = () => air.say('answer FF0186000000000079 FF8602200000000058');
  answer();
  const offline = await sluice(t, 'read', 'co2', '--raw', '-c', gateway.config);
  assert.equal(offline.code, 0, offline.stdout + offline.stderr);
  assert.match(offline.stdout, /co2:\n {2}→ ff 01 86 00 00 00 00 00 79\n {2}← ff 86/);
  assert.equal(cameIn(offline.stdout), 'ff 86 02 20 00 00 00 00 58');
  assert.match(offline.stdout, /co2\.co2 +544 ppm/);
  answer();
  await gateway.up();
  const capture = startChild(t, process.execPath, [MAIN, 'capture', 'air', '-c', gateway.config]);
  // The first request of the gateway may be over before the capture begins.
  const asking = async () => {
    answer();
    await sluice(t, 'read', 'co2', '-c', gateway.config);
    // A capture may begin between a request and its answer.
    const asked = capture.stdout.some((line) => /^\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d → ff 01 86 00 00 00 00 00 79$/.test(line));
    return asked && cameIn(capture.stdout.join('\n')).includes('ff 86 02 20 00 00 00 00 58');
  };
  await waitFor('both ways', asking);
  capture.signal('SIGINT');
  assert.equal(await capture.ended, 0);
  const refused = await sluice(t, 'capture', 'air', '-o', path.join(gateway.folder, 'x.pcapng'), '-c', gateway.config);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /air is not a Modbus bus, so its bytes can only be shown/);
});
