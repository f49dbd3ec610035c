/** `sluice scan`: what it finds, what it says, and that it never writes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test, { type TestContext } from 'node:test';
import { answerRtu, fakeRtu, fakeTcp } from '../../fakes/modbus-device.ts';
import { damagedFrame, type LineRequest, type LineScript, rtuFrame, rtuLine } from '../../fakes/rtu-line.ts';
import { startChild } from '../../harness/child.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

/**
 * Unit 1 is an XY-MD02, unit 5 knows no register and tells who it is in two parts, two devices have unit 9, unit 12 answers
 * after the time-out of a scan.
 */
const instruments: LineScript = (request, send) => {
  const { unit, code, start, count, pdu } = request;
  if (unit === 1) {
    const known = code === 4 && start >= 1 && start + count <= 3;
    const words = [0, 243, 451].slice(start, start + count).flatMap((w) => [w >> 8, w & 255]);
    send(known ? rtuFrame(1, 4, words.length, ...words) : rtuFrame(1, code | 0x80, code === 43 ? 1 : 2));
  }
  if (unit === 5) {
    const text = (id: number, value: string) => [id, value.length, ...Buffer.from(value)];
    if (code === 43 && pdu[3] === 0) send(rtuFrame(5, 43, 14, 1, 1, 0xff, 1, 1, ...text(0, 'Acme')));
    else if (code === 43) send(rtuFrame(5, 43, 14, 1, 1, 0, 0, 1, ...text(1, 'PM-5\u001b[2J')));
    else send(rtuFrame(5, code | 0x80, 1));
  }
  if (unit === 9) send(request.n % 3 === 0 ? rtuFrame(9, code, 2, 0, 7) : damagedFrame(9, code, 2, 0, 7));
  if (unit === 12) setTimeout(() => send(rtuFrame(12, code | 0x80, 1)), 250);
};

function scannedGateway(t: TestContext, port: number): Gateway {
  return makeGateway(
    t,
    ({ section }) => `${section}
buses: {field: {protocol: modbus-rtu-over-tcp, host: 127.0.0.1, port: ${port}, baudRate: 115200}}
devices: {fridge: {bus: field, unit: 1, interval: 100ms, profile: xy-md02}}
`,
  );
}

interface Line {
  readonly type: string;
  readonly unit: number;
  readonly message: string;
  readonly device: string | null;
  readonly identification: string[];
  readonly suggestions: { profile: string; evidence: string }[];
  readonly sound: number;
  readonly damaged: number;
  readonly shared: boolean;
}

function assertOnlyReads(requests: readonly LineRequest[]): void {
  for (const { code, pdu } of requests)
    assert.ok((code >= 1 && code <= 4) || (code === 43 && pdu[1] === 14), `function ${code} is no reading`);
}

for (const running of [false, true])
  test(`a scan ${running ? 'through the gateway' : 'without a gateway'} finds, names, suggests, warns and writes nothing`, async (t) => {
    const line = await rtuLine(t, instruments);
    const gateway = scannedGateway(t, line.port);
    if (running) {
      gateway.start();
      await waitFor('polls', () => line.requests.length > 3);
    }
    const { code, stdout, stderr } = await sluice(t, 'scan', 'field', '--units', '1-12', '--json', '-c', gateway.config);
    assert.equal(code, 0, stderr);
    const told = stdout.split('\n').map((l) => JSON.parse(l) as Line);
    const device = (unit: number) => told.find((l) => l.type === 'device' && l.unit === unit);
    assert.equal(told[0]?.shared, running);
    assert.deepEqual(
      told.filter((l) => l.type === 'device').map((l) => l.unit),
      [1, 5, 9, 12],
    );
    assert.equal(device(1)?.device, 'fridge');
    assert.equal(device(1)?.suggestions[0]?.profile, 'xy-md02');
    assert.match(device(1)?.suggestions[0]?.evidence ?? '', /input 1 to 2 answered; temperature 24\.3 °C, humidity 45\.1 %/);
    assert.deepEqual(device(5)?.identification, ['Acme', 'PM-5 [2J']);
    assert.deepEqual(device(5)?.suggestions, []);
    assert.ok((device(9)?.damaged ?? 0) >= 2);
    const warnings = told.filter((l) => l.type === 'warning').map((l) => l.message);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /two devices may share address 9: .* while other devices answer cleanly/);
    assertOnlyReads(line.requests);
    if (running) {
      const seen = line.requests.filter((r) => r.unit === 1 && r.code === 4 && r.start === 1).length;
      await waitFor(
        'the polls to go on',
        () => line.requests.filter((r) => r.unit === 1 && r.code === 4 && r.start === 1).length > seen + 3,
      );
      const refused = await sluice(t, 'scan', 'field', '--rates', '9600', '-c', gateway.config);
      assert.equal(refused.code, 2);
    }
  });

test('in words: who is there, who it may be, and what to write', async (t) => {
  const line = await rtuLine(t, instruments);
  const { config } = scannedGateway(t, line.port);
  const mute = await fakeTcp(t, () => {});
  const { stdout } = await sluice(t, 'scan', `127.0.0.1:${mute.port}`, '--units', '3', '--timeout', '20ms');
  assert.match(stdout, /0 devices found\n {2}check that the device has power/);
  const known = await sluice(t, 'scan', 'field', '--units', '1,5', '-c', config);
  assert.match(
    known.stdout,
    /unit 1 \(fridge of the configuration\) answers after \d+ ms\n {4}may be xy-md02: input 1 to 2 answered/,
  );
  assert.match(known.stdout, /unit 5 answers after \d+ ms\n {4}says it is: Acme, PM-5 \[2J\n {4}no profile fits/);
  for (const [args, words] of [
    [['nowhere'], /there is no bus nowhere; the buses are: field/],
    [['field', '--units', '9-2'], /"9-2" are not units/],
    [['field', '--rates', '9600'], /is on the network: it has no baud rate/],
    [['field', '--timeout', '1h'], /--timeout is a duration/],
  ] as const) {
    const refused = await sluice(t, 'scan', ...args, '-c', config);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, words);
  }
});

test('a sweep stops at the first line settings with answers', async (t) => {
  const device = await fakeRtu(t, 0);
  if (device === undefined) return;
  device.script = (request, reply) => {
    const { stdout } = spawnSync('stty', ['-F', device.path, 'speed'], { encoding: 'utf8' });
    if (request.unit === 2 && stdout.trim() === '19200') answerRtu(request, reply);
  };
  const sweep = async (...more: string[]) => {
    const { code, stdout, stderr } = await sluice(t, 'scan', device.path, '--units', '2', '--json', ...more);
    assert.equal(code, 0, stderr);
    const told = stdout.split('\n').map((l) => JSON.parse(l));
    const at = (type: string) => told.filter((l) => l.type === type).map((l) => l.wire.replace(/.* at /, ''));
    return { lines: at('line'), devices: at('device') };
  };
  const first = await sweep('--rates', '9600,19200,4800', '--parity', 'none,even');
  assert.deepEqual(first.lines, ['9600 baud, parity none', '19200 baud, parity none']);
  assert.deepEqual(first.devices, ['19200 baud, parity none']);
  const every = await sweep('--rates', '9600,19200', '--parity', 'none,even', '--all');
  assert.deepEqual(every.lines, [...first.lines, '9600 baud, parity even', '19200 baud, parity even']);
});

test('Ctrl-C ends a scan between two requests; what was found stays told, and the wire is free', async (t) => {
  const line = await rtuLine(t, instruments);
  const { config } = scannedGateway(t, line.port);
  const child = startChild(t, process.execPath, [MAIN, 'scan', 'field', '--full', '-c', config]);
  await child.line(/unit 1 /);
  child.signal('SIGINT');
  assert.equal(await child.ended, 1);
  assert.match(child.stdout.join('\n'), /cancelled; 1 device found so far/);
  const asked = line.requests.length;
  const again = await sluice(t, 'scan', 'field', '--units', '5', '-c', config);
  assert.match(again.stdout, /1 device found/);
  assert.ok(line.requests.length > asked);
});

test('a scan asks configured addresses first, then known ones, then all with --full, once each', async (t) => {
  const mute = await fakeTcp(t, () => {});
  const gateway = makeGateway(
    t,
    (g) => `${g.section}
buses: {lan: {protocol: modbus-tcp, host: 127.0.0.1, port: ${mute.port}}}
devices: {far: {bus: lan, unit: 77, points: {a: {table: input, address: 0, type: uint16}}}}
`,
  );
  const scanned = async (...more: string[]) => {
    const from = mute.requests.length;
    const { code, stdout } = await sluice(t, 'scan', 'lan', '--timeout', '10ms', '-c', gateway.config, ...more);
    assert.equal(code, 1, 'nobody is there');
    return { stdout, units: [...new Set(mute.requests.slice(from).map((r) => r.unit))] };
  };
  const known = [77, ...Array.from({ length: 16 }, (_, i) => i + 1), 100, 126, 240, 247, 255, 0];
  const quick = await scanned();
  assert.deepEqual(quick.units, known);
  assert.match(quick.stdout, /other addresses: --full asks 1 to 247/);
  const full = await scanned('--full');
  const rest = Array.from({ length: 247 }, (_, i) => i + 1).filter((unit) => !known.includes(unit));
  assert.deepEqual(full.units, [...known, ...rest]);
  assert.doesNotMatch(full.stdout, /--full/);
});

test('on a terminal the unit that is asked shows, and the line is clean again for what is found', async (t) => {
  const script = peer(t, 'script', 'apt-get install -y bsdutils');
  if (script === undefined) return;
  const line = await rtuLine(t, instruments);
  const { config } = scannedGateway(t, line.port);
  const command = [process.execPath, MAIN, 'scan', 'field', '--units', '1-3', '-c', config].map((w) => `'${w}'`).join(' ');
  const child = startChild(t, script, ['-qec', command, '/dev/null']);
  assert.equal(await child.ended, 0);
  const shown = child.stdout.join('\n');
  for (const [unit, done] of [
    [1, 0],
    [2, 1],
    [3, 2],
  ])
    assert.ok(shown.includes(`\r\u001b[K  127.0.0.1:${line.port}: unit ${unit} (${done} of 3 done), Ctrl-C ends it`), shown);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what clears a line of a terminal
  assert.match(shown, /\r\u001b\[K {2}(\u001b\[32m)?unit 1(\u001b\[\d*m)? \(fridge of the configuration\) answers/);
  assert.match(shown, /1 device found/);
});
