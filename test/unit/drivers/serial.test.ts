import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { toHex } from '../../../src/codecs/serial/hex.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Sample } from '../../../src/core/point.ts';
import { serial } from '../../../src/drivers/serial/kind.ts';
import { LineTap } from '../../../src/drivers/serial/line-tap.ts';
import type { LineEvents, OpenLine } from '../../../src/drivers/serial-line.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { deviceOf, FakePorts, LEVELS, setUp } from '../../harness/serial-site.ts';

test('frames become samples with the time of their last byte', async () => {
  const { clock, ports, bus, told, device } = setUp();
  bus.start();
  assert.equal(bus.status().state, 'opening');
  assert.equal(device().state, 'unknown');
  await clock.advance(1000);
  assert.equal(bus.status().state, 'open');
  ports.say('level=1.');
  await clock.advance(7);
  ports.say('5\nlevel=2\nrubbish\n');
  assert.deepEqual(told(), ['level 1.5 @1007', 'level 2 @1007']);
  const { counters, name, state, fault, lastReply } = device();
  assert.deepEqual([name, state, fault, lastReply], ['probe', 'answering', undefined, 1007]);
  assert.deepEqual([counters.replies, counters.badReplies, counters.skippedBytes], [2, 1, 0]);
  await bus.stop();
  assert.equal(ports.closes, 1);
});

test('a port that is not there is tried for ever, ever more slowly, up to every 10 s', async () => {
  const { clock, ports, bus, told } = setUp({ ...LEVELS, silentAfter: '24h' });
  ports.refuse = '/dev/x is not there';
  bus.start();
  await clock.advance(60_000);
  const steps = ports.openedAt.slice(1).map((at, i) => at - (ports.openedAt[i] as number));
  assert.deepEqual(steps.slice(0, 9), [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  assert.deepEqual([bus.status().state, bus.status().fault], ['closed', '/dev/x is not there']);
  await assert.rejects(bus.read('probe'), { code: 'bus-open', message: '/dev/x is not there' });
  ports.refuse = undefined;
  await clock.advance(10_000);
  await clock.advance(200);
  ports.say('level=3\n');
  assert.equal(told().length, 1);
  assert.equal(bus.status().fault, undefined);
  // Heard again: the next loss starts with a short wait.
  const tries = ports.openedAt.length;
  ports.unplug();
  assert.match(bus.status().fault ?? '', /unplugged/);
  await clock.advance(100);
  assert.equal(ports.openedAt.length, tries + 1);
  await bus.stop();
});

test('a port that opens and dies at once is not opened in a hurry', async () => {
  const { clock, ports, bus } = setUp();
  bus.start();
  await clock.advance(0);
  for (let i = 0; i < 6; i++) {
    ports.unplug();
    await clock.advance(100 * 2 ** i - 1);
    assert.equal(ports.openedAt.length, i + 1);
    await clock.advance(1);
    assert.equal(ports.openedAt.length, i + 2);
  }
  await bus.stop();
});

test('what came before an unplugging is not glued to what comes after', async () => {
  const { clock, ports, bus, told, device } = setUp();
  bus.start();
  await clock.advance(500);
  ports.say('level=1');
  ports.unplug();
  await clock.advance(100);
  ports.say('5\nlevel=7\n'); // within 100 ms of opening: `5` may be the rest of anything
  assert.deepEqual(told(), ['level disconnected @500', 'level 7 @600']);
  assert.equal(device().counters.skippedBytes, 'level=1'.length + '5\n'.length);
  await bus.stop();
});

test('an adapter that vanishes without a word is noticed by its path', async () => {
  const { clock, ports, bus } = setUp();
  bus.start();
  await clock.advance(1000);
  ports.moved = true;
  await clock.advance(2000);
  assert.equal(ports.closes, 1);
  ports.moved = false;
  await clock.advance(5000);
  assert.equal(bus.status().state, 'open');
  await bus.stop();
});

test('silence gives one bad sample, and words about what to look at', async () => {
  const { clock, ports, bus, told, device } = setUp({ ...LEVELS, silentAfter: '10s' });
  bus.start();
  await clock.advance(25_000);
  assert.deepEqual(told(), ['level timeout @10000']);
  assert.equal(device().state, 'silent');
  assert.match(device().fault ?? '', /nothing arrives: check power/);
  ports.say('\xff\xfe\x80garbage');
  assert.match(device().fault ?? '', /no frame: check baudRate/);
  ports.say('\nhello\n');
  assert.match(device().fault ?? '', /`decode` does not fit/);
  ports.say('other=1\n');
  assert.match(device().fault ?? '', /check `from`/);
  ports.say('level=4\n');
  assert.deepEqual([device().state, device().fault], ['answering', undefined]);
  await clock.advance(9999);
  assert.equal(told().length, 2);
  await clock.advance(1);
  assert.deepEqual(told(), ['level timeout @10000', 'level 4 @25000', 'level timeout @35000']);
  assert.equal(device().counters.timeouts, 2);
  ports.refuse = 'gone';
  ports.say('level=5\n');
  ports.unplug();
  assert.equal(told().at(-1), 'level disconnected @35000');
  await bus.stop();
});

test('no value stays good when the port is gone; after its return silence is told anew', async () => {
  const { clock, ports, bus, told, device } = setUp({ ...LEVELS, silentAfter: '10s' });
  bus.start();
  await clock.advance(1000);
  ports.say('level=1\n');
  ports.refuse = 'gone';
  ports.unplug();
  assert.deepEqual(told(), ['level 1 @1000', 'level disconnected @1000']);
  assert.deepEqual([bus.status().state, device().state], ['closed', 'silent']);
  await clock.advance(60_000);
  assert.equal(told().length, 2, 'once');
  ports.refuse = undefined;
  await clock.advance(20_000);
  assert.equal(bus.status().state, 'open');
  assert.match(told().join(), /level 1 @1000,level disconnected @1000,level timeout @\d+$/);
  assert.equal(device().counters.timeouts, 1);
  ports.say('level=2\n');
  assert.deepEqual([told().at(-1), device().state], ['level 2 @81000', 'answering']);
  ports.unplug();
  await clock.advance(1000);
  ports.unplug();
  assert.equal(told().filter((line) => line.includes('disconnected')).length, 2, 'an adapter that comes and goes');
  await bus.stop();
});

test('each NMEA sentence has its own record and its own silence', async () => {
  const { clock, ports, bus, told, samples, device } = setUp(
    { frame: { type: 'line' }, decode: { type: 'nmea' }, silentAfter: '5s' },
    { lat: { from: 'GGA.latitude' }, speed: { from: 'RMC.speed' } },
  );
  assert.deepEqual(
    bus.shapes.map((shape) => shape.points.map((point) => point.name)),
    [['lat'], ['speed']],
  );
  const gga = '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n';
  const rmc = '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n';
  bus.start();
  await clock.advance(1000);
  ports.say(gga + rmc);
  await clock.advance(4000);
  ports.say(gga);
  await clock.advance(1000);
  assert.deepEqual(told(), ['lat 48.1173 @1000', 'speed 22.4 @1000', 'lat 48.1173 @5000', 'speed timeout @6000']);
  assert.equal(device().state, 'answering');
  assert.ok(samples.every((sample) => bus.shapes.includes(sample.shape)));
  await bus.stop();
});

test("interval: at most one record an interval, at the talker's own pace, none of them late", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 20, max: 3000 }),
      fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 40, maxLength: 40 }),
      async (pace, jitter) => {
        const { clock, ports, bus, samples } = setUp({ ...LEVELS, interval: '1s' });
        bus.start();
        await clock.advance(1000);
        let now = 1000;
        for (const [i, early] of jitter.entries()) {
          const due = 1000 + i * pace + early;
          await clock.advance(Math.max(0, due - now));
          now = clock.monotonic();
          ports.say(`level=${i}\n`);
          // The newest bytes are kept, and given out at once.
          const last = samples.at(-1);
          assert.ok(last && last.at <= now && now - last.at <= Math.max(1000, pace) + 20);
        }
        const took = now - 1000;
        assert.ok(samples.length <= took / 1000 + 2, `${samples.length} records in ${took} ms`);
        for (const [i, sample] of samples.slice(1).entries()) assert.ok(sample.at - (samples[i] as Sample).at >= 790);
        // A talker slower than the interval loses nothing.
        if (pace >= 1000) assert.equal(samples.length, jitter.length);
        await bus.stop();
      },
    ),
    { numRuns: 40 },
  );
});

test('a read by hand gets the next frame, whatever the interval keeps', async () => {
  const { clock, ports, bus, told } = setUp({ ...LEVELS, interval: '1h' });
  bus.start();
  await clock.advance(1000);
  ports.say('level=1\n');
  const reads = [bus.read('probe'), bus.read('probe')];
  ports.say('level=2\nlevel=3\n');
  for (const samples of await Promise.all(reads))
    assert.deepEqual(
      samples.map((sample) => sample.values[0]),
      [2],
    );
  assert.equal(told().length, 1);
  const late = assert.rejects(bus.read('probe'), { code: 'timeout', message: /no frame within 5s: nothing arrives/ });
  await clock.advance(5000);
  await late;
  const cut = assert.rejects(bus.read('probe'), { code: 'bus-closed', message: /unplugged/ });
  ports.unplug();
  await cut;
  await assert.rejects(bus.read('other'), { code: 'not-found' });
  await bus.stop();
});

test('a read of several sentences waits for all, and gives those that came', async () => {
  const { clock, ports, bus } = setUp(
    { frame: { type: 'line' }, decode: { type: 'nmea' } },
    { lat: { from: 'GGA.latitude' }, speed: { from: 'RMC.speed' } },
  );
  bus.start();
  await clock.advance(1000);
  const read = bus.read('probe');
  ports.say('$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n');
  await clock.advance(5000);
  assert.deepEqual(
    (await read).map((sample) => sample.shape.points[0]?.name),
    ['speed'],
  );
  await bus.stop();
});

test('a port that another program has open too is told once', async () => {
  const clock = new ManualClock();
  const ports = new FakePorts(clock);
  ports.alsoOpenIn = '/dev/x is open in minicom (pid 812) too';
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, words) => void warnings.push(words), child: () => logger };
  const bus = serial.create(
    { name: 'line', protocol: 'serial', settings: serial.bus.parse({ port: '/dev/x' }) },
    [deviceOf(LEVELS, { level: {} })],
    { clock, logger, emit() {}, open: ports.open },
  );
  bus.start();
  await clock.advance(10_000);
  assert.deepEqual(warnings, ['/dev/x is open in minicom (pid 812) too']);
  await bus.stop();
});

test('after stop nothing is emitted, and a port that opens late is closed again', async () => {
  const clock = new ManualClock();
  const samples: Sample[] = [];
  const { promise, resolve } = Promise.withResolvers<OpenLine>();
  let events: LineEvents | undefined;
  let closes = 0;
  const bus = serial.create(
    { name: 'line', protocol: 'serial', settings: serial.bus.parse({ port: '/dev/x' }) },
    [deviceOf(LEVELS, { level: {} })],
    {
      clock,
      logger: silentLogger,
      emit: (sample) => samples.push(sample),
      open(_, given) {
        events = given;
        return promise;
      },
    },
  );
  bus.start();
  const stopped = bus.stop();
  await clock.advance(3000);
  await stopped;
  const still = { write() {}, moved: async () => false, alsoOpenIn: async () => undefined };
  resolve({ ...still, close: async () => void closes++ });
  await clock.advance(60_000);
  events?.data(new TextEncoder().encode('\nlevel=1\n'));
  assert.deepEqual([closes, samples.length, bus.status().state], [1, 0, 'closed']);
});

test('faults between keys are told with what to write instead', () => {
  const faults = (device: object, points: Record<string, object>) =>
    serial.checkDevice(deviceOf(device, points)).map((fault) => `${fault.path.join('.')}: ${fault.message}`);
  const line = { type: 'line' };
  assert.deepEqual(faults(LEVELS, { a: {}, b: { type: 'int64', scale: 2 } }), []);
  assert.match(faults(LEVELS, { a: { type: 'bool', scale: 2 } }).join(), /points\.a\.scale: `scale` is for numbers/);
  assert.match(
    faults({ frame: line, decode: { type: 'nmea' } }, { a: { from: 'GGA.lat' } }).join(),
    /GGA has no field lat: it has time, latitude/,
  );
  assert.match(faults({ frame: line, decode: { type: 'nmea' } }, { a: {} }).join(), /SENTENCE\.field/);
  assert.match(faults({ frame: line, decode: { type: 'csv' } }, { a: {} }).join(), /the column is missing/);
  assert.match(faults({ frame: line, decode: { type: 'csv', columns: ['x'] } }, { a: {} }).join(), /has x/);
  assert.match(faults({ frame: line, decode: { type: 'regex', pattern: '(?<x>.)' } }, { a: {} }).join(), /no group a/);
  assert.match(
    faults({ frame: line, decode: { type: 'binary', fields: { x: { offset: 0, type: 'uint8' } } } }, { a: {} }).join(),
    /it has x/,
  );
  const nmea = { frame: line, decode: { type: 'nmea' }, request: { text: '?' } };
  assert.match(faults(nmea, { a: { from: 'GGA.hdop' } }).join(), /request: NMEA receivers talk by themselves/);
  const short = { type: 'length', length: 4, gap: '20ms' };
  const field = { offset: 3, type: 'uint16' };
  assert.match(
    faults({ frame: short, decode: { type: 'binary', fields: { a: field } } }, { a: {} }).join(),
    /fields\.a\.offset: the field ends after/,
  );
});

test('the schema refuses what cannot work', () => {
  const refusal = (device: object) =>
    serial.device
      .safeParse(device)
      .error?.issues.map((issue) => issue.message)
      .join() ?? 'accepted';
  const json = { type: 'json' };
  assert.match(refusal({ frame: { type: 'length', length: 4 }, decode: json }), /need `gap`/);
  assert.match(refusal({ frame: { type: 'bytes', start: 55, length: 4 }, decode: json }), /in quotes/);
  assert.match(refusal({ frame: { type: 'bytes', start: 'AA C', length: 4 }, decode: json }), /hexadecimal/);
  assert.match(refusal({ frame: { type: 'line' }, decode: { type: 'regex', pattern: '(x)' } }), /names no group/);
  assert.match(refusal({ frame: { type: 'line' }, decode: { type: 'regex', pattern: '(?<a>x)(?=y)' } }), /look-around/);
  const tooShort = { type: 'bytes', start: 'AA', stop: 'AB', length: 3, checksum: { type: 'sum16be' } };
  assert.match(refusal({ frame: tooShort, decode: json }), /whole frame/);
  const asked = (request: object) => refusal({ frame: { type: 'line' }, decode: json, request });
  assert.match(asked({}), /either `bytes`/);
  assert.match(asked({ bytes: 'AA', text: 'x' }), /either `bytes`/);
  assert.match(asked({ bytes: 'A' }), /hexadecimal/);
  assert.equal(asked({ text: 'SI\r\n' }), 'accepted');
  assert.equal(refusal({ frame: { type: 'line' }, decode: json }), 'accepted');
  assert.throws(
    () =>
      serial.create({ name: 'line', protocol: 'serial', settings: {} }, [], {
        clock: new ManualClock(),
        logger: silentLogger,
        emit() {},
      }),
    /exactly one device/,
  );
});

test('the example at the head of the schema is valid', () => {
  const source = readFileSync(path.join(import.meta.dirname, '../../../src/drivers/serial/schema.ts'), 'utf8');
  const yaml = /```yaml\n(.*?)```/s.exec(source)?.[1]?.replaceAll(/^ \* ?/gm, '') ?? '';
  const { buses, devices } = parse(yaml) as { buses: Record<string, object>; devices: Record<string, Record<string, unknown>> };
  for (const { protocol, ...bus } of Object.values(buses) as { protocol?: string }[]) {
    assert.equal(protocol, 'serial');
    serial.bus.parse(bus);
  }
  assert.deepEqual(Object.keys(devices), ['dust', 'co2', 'scale', 'weather', 'node', 'ups', 'gps']);
  for (const { bus, points, ...device } of Object.values(devices)) {
    assert.equal(typeof bus, 'string');
    assert.deepEqual(serial.checkDevice(deviceOf(device, points as Record<string, object>)), []);
  }
});

test('a line tap shows stretches up to a silence, both ways in order, bounded, none unheard', async () => {
  const clock = new ManualClock();
  const tap = new LineTap(clock);
  const seen: string[] = [];
  let ended = 0;
  tap.came(Uint8Array.of(9));
  const stop = tap.add(
    (way, bytes, at) => seen.push(`${way} ${toHex(bytes)} @${at}`),
    () => ended++,
  );
  tap.came(Uint8Array.of(1));
  await clock.advance(20);
  tap.came(Uint8Array.of(2));
  await clock.advance(29);
  assert.deepEqual(seen, []);
  await clock.advance(1);
  tap.came(Uint8Array.of(3));
  tap.wrote(Uint8Array.of(4, 5));
  assert.deepEqual(seen, ['in 01 02 @20', 'in 03 @50', 'out 04 05 @50']);
  tap.came(new Uint8Array(5000));
  assert.equal(seen.length, 4, 'what never falls silent is told all the same');
  tap.came(Uint8Array.of(6));
  stop();
  assert.match(seen.at(-1) ?? '', /^in 06/);
  const other: string[] = [];
  tap.add(
    (way) => other.push(way),
    () => ended++,
  );
  tap.came(Uint8Array.of(7));
  tap.end();
  assert.deepEqual([other, ended, seen.length], [['in'], 1, 5]);
});
