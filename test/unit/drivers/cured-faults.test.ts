/** A cured fault: with the first good reply its advice is gone, for each kind of fault; one that comes and goes is a share. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import { Device } from '../../../src/drivers/modbus/device.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { setUp } from '../../harness/serial-site.ts';

const ADVICE = /check|raise|set |look at|try |end that program|needs|refuses/;

function bench() {
  const clock = new ManualClock();
  const log: string[] = [];
  const say = (level: string) => (_: object, text: string) => void log.push(`${level} ${text}`);
  const device = new Device(
    {
      ...{ name: 'meter', unitId: 1, points: new Map(), writesMultiple: true },
      patience: { timeout: 500, retries: 0, turnaround: 0, connectDelay: 0 },
    },
    { serial: true, label: '/dev/x at 9600 baud, parity none' },
    clock,
    { warn: say('warn'), info: say('info') } as never,
  );
  const step = async () => void (await clock.advance(1000));
  const fail = async (error: SluiceError, request = 'holding 0') => {
    await step();
    device.failed(error, request, clock.monotonic(), 100, 10);
    device.gaveUp(error);
  };
  const succeed = async (request = 'holding 0') => {
    await step();
    device.succeeded(request, clock.monotonic(), 100, 10);
  };
  return { clock, device, log, fail, succeed };
}

const exception = (code: number) => new SluiceError('exception', 'refused', { data: { exception: code } });
const KINDS: readonly (readonly [string, SluiceError, (device: Device, now: number) => void])[] = [
  ['does not answer', new SluiceError('timeout', 'no reply'), () => {}],
  ['answers too late', new SluiceError('timeout', 'no reply'), (device, now) => device.late(now)],
  ['arrive damaged', new SluiceError('crc', 'checksum'), () => {}],
  ['answers holding 0 with something else', new SluiceError('bad-reply', 'unit 7 answered'), () => {}],
  ['cannot be asked', new SluiceError('bus-closed', 'check the adapter'), () => {}],
  ...[1, 2, 3, 4, 5, 6, 8, 10, 11].map(
    (code) => [`answers holding 0 with exception ${code}`, exception(code), () => {}] as const,
  ),
];

for (const [symptom, error, also] of KINDS)
  test(`"${symptom}": advice until the first good reply, and no longer`, async () => {
    const { clock, device, log, fail, succeed } = bench();
    await succeed();
    for (let i = 0; i < 5; i++) {
      await fail(error);
      also(device, clock.monotonic());
    }
    const shown = device.status().fault ?? '';
    assert.ok(shown.includes(symptom), shown);
    assert.match(shown, ADVICE);
    assert.equal(device.status().recovery, undefined);
    await succeed();
    const since = clock.monotonic();
    const { fault, share, state, restsUntil } = device.status();
    assert.deepEqual(
      { fault, share, state, restsUntil },
      { ...{ fault: undefined, share: undefined, restsUntil: undefined }, state: 'answering' },
    );
    // The bus reports that it was closed, so its devices do not.
    if (error.code !== 'bus-closed') assert.deepEqual(device.status().recovery, { since, replies: 1 });
    for (let i = 0; i < 30; i++) await succeed();
    if (error.code !== 'bus-closed') assert.deepEqual(device.status().recovery, { since, replies: 31 });
    const ends = log.filter((line) => line.startsWith('info'));
    assert.equal(ends.length, error.code === 'bus-closed' ? 0 : 1, log.join('\n'));
    for (const line of ends) {
      assert.match(line, /^info meter: good again after .*; the fault was: /);
      assert.ok(line.includes(symptom), line);
      assert.doesNotMatch(line, ADVICE);
    }
    await clock.advance(600_000);
    assert.equal(device.status().recovery, undefined, 'ten minutes after the last failure it is forgotten');
  });

test('damage that comes and goes is a share of the last 20 replies', async () => {
  const { device, fail, succeed } = bench();
  const damage = new SluiceError('crc', 'checksum');
  await fail(damage);
  for (let i = 0; i < 8; i++) await succeed();
  assert.equal(device.status().share, undefined, 'one outage is no share');
  await fail(damage);
  assert.deepEqual(device.status().share, { bad: 2, of: 10, kind: 'damaged' });
  assert.match(device.status().fault ?? '', /arrive damaged: check/, 'the newest reply is damaged');
  for (let i = 0; i < 10; i++) await succeed();
  const { fault, share, recovery } = device.status();
  assert.deepEqual(
    { fault, share, replies: recovery?.replies },
    { fault: undefined, share: { bad: 2, of: 20, kind: 'damaged' }, replies: 10 },
  );
  await succeed();
  assert.equal(device.status().share, undefined, 'the first damage left the window');
});

test('a share names one kind of failure only where all are of it', async () => {
  const { device, fail, succeed } = bench();
  await fail(new SluiceError('timeout', 'no reply'));
  await succeed();
  await fail(new SluiceError('timeout', 'no reply'));
  await succeed();
  assert.deepEqual(device.status().share, { bad: 2, of: 4, kind: 'missing' });
  await fail(new SluiceError('bad-reply', 'another unit'));
  assert.deepEqual(device.status().share, { bad: 3, of: 5, kind: 'failed' });
});

test('a refused request stays a fault beside good replies to other requests', async () => {
  const { device, fail, succeed } = bench();
  for (let i = 0; i < 4; i++) {
    await fail(exception(2), 'holding 40');
    await succeed('holding 0');
  }
  assert.match(device.status().fault ?? '', /holding 40 with exception 2/);
  assert.deepEqual([device.status().share, device.status().recovery], [undefined, undefined]);
  await succeed('holding 40');
  assert.equal(device.status().fault, undefined);
  assert.equal(device.status().recovery?.replies, 1);
});

test('a device that rests says until when it is not asked', async () => {
  const { clock, device, fail, succeed } = bench();
  for (let i = 0; i < 6; i++) await fail(new SluiceError('timeout', 'no reply'));
  const { restsUntil = 0, state } = device.status();
  assert.equal(state, 'silent');
  assert.ok(restsUntil > clock.monotonic());
  await succeed();
  assert.equal(device.status().restsUntil, undefined);
});

const CO2 = {
  interval: '10s',
  request: { bytes: 'FF 01 86 00 00 00 00 00 79', timeout: '1s' },
  frame: { type: 'bytes', start: 'FF 86', length: 9, checksum: { type: 'sum8-negated', from: 1 } },
  decode: { type: 'binary', fields: { ppm: { offset: 2, type: 'uint16' } } },
};
const GOOD = 'FF 86 02 20 00 00 00 00 58';

for (const [what, bytes, symptom] of [
  ['nothing', '', /does not answer: check power/],
  ['damaged frames', 'FF 86 02 21 00 00 00 00 58', /arrive damaged \(checksum\): check/],
  ['noise', 'AA 55 AA 55', /bytes arrive, but no frame: check/],
] as const)
  test(`an asked serial device that gave ${what}: no advice after a good reply`, async () => {
    const { clock, ports, bus, device } = setUp(CO2, { co2: { from: 'ppm' } });
    bus.start();
    await clock.advance(0);
    const fail = async () => {
      const asked = ports.written.length;
      if (bytes !== '') ports.sayHex(bytes);
      while (ports.written.length === asked) await clock.advance(500);
    };
    for (let i = 0; i < 4; i++) await fail();
    assert.match(device().fault ?? '', symptom);
    assert.equal(device().state, 'silent');
    ports.sayHex(GOOD);
    const since = clock.monotonic();
    assert.deepEqual([device().fault, device().state, device().recovery], [undefined, 'answering', { since, replies: 1 }]);
    await bus.stop();
  });

test('a serial device that rests between its requests says when it is asked again', async () => {
  const { clock, bus, device, ports } = setUp(CO2, { co2: { from: 'ppm' } });
  bus.start();
  await clock.advance(60_000);
  assert.equal(device().state, 'silent');
  while (device().restsUntil === undefined) await clock.advance(500);
  const asked = ports.written.length;
  const { restsUntil = 0 } = device();
  await clock.advance(restsUntil - clock.monotonic() - 1);
  assert.equal(ports.written.length, asked);
  await clock.advance(2);
  assert.equal(ports.written.length, asked + 1);
  await bus.stop();
});

test('a serial talker has no advice after a good frame; damage that recurs is a share', async () => {
  const NMEA = { silentAfter: '5s', frame: { type: 'line' }, decode: { type: 'nmea' } };
  const RMC = '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n';
  const { clock, ports, bus, device } = setUp(NMEA, { speed: { from: 'RMC.speed' } });
  bus.start();
  await clock.advance(6000);
  assert.match(device().fault ?? '', /nothing arrives: check power/);
  ports.say(RMC);
  assert.equal(device().fault, undefined);
  assert.equal(device().recovery?.replies, 1);
  for (let i = 0; i < 2; i++) {
    ports.say(RMC.replace('022.4', '022.5'));
    ports.say(RMC);
  }
  assert.deepEqual(device().share, { bad: 3, of: 6, kind: 'failed' }, 'silence once, damage twice');
  await bus.stop();
});
