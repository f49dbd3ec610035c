/** What a receiver says, sentence by sentence: which readings it gives, and which of them are bad. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NMEA_FIELDS, NmeaDecoder } from '../../../src/codecs/serial/nmea.ts';
import { Talker } from '../../../src/codecs/serial/talker.ts';
import { INVALID, UNPARSABLE } from '../../../src/codecs/serial/types.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
/** The checksum is made here and not by what is tested. */
const sentence = (body: string) => {
  let sum = 0;
  for (const byte of bytes(body)) sum ^= byte;
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`;
};
const decoder = new NmeaDecoder(NMEA_FIELDS.keys());
const said = (body: string) => decoder.decode(bytes(sentence(body)));
/** Fields of a sentence, by name; a symbol is told by its name. */
function fields(body: string, ...names: string[]): unknown[] {
  const decoded = said(body);
  assert.equal(decoded.kind, 'fields', body);
  if (decoded.kind !== 'fields') return [];
  return names.map((name) => {
    const field = decoded.get(`${decoded.group}.${name}`);
    return field === INVALID ? 'invalid' : field === UNPARSABLE ? 'unparsable' : field;
  });
}
const rmc = (time: string, date: string) => fields(`GPRMC,${time},A,,,,,,,${date},,,A`, 'dateTime', 'time');
const zda = (time: string, day: string, month: string, year = '2027') =>
  fields(`GPZDA,${time},${day},${month},${year},00,00`, 'dateTime')[0];

test('a date or a time of day that does not exist is bad', () => {
  for (const date of ['310227', '290227', '300227', '310427', '011327', '010027', '000327', '320127'])
    assert.deepEqual(rmc('101530', date), ['invalid', '10:15:30'], date);
  for (const time of ['250000', '240000', '106030', '101561', '101560', '125960', '995999'])
    assert.deepEqual(rmc(time, '010327'), ['invalid', 'invalid'], time);
  for (const [day, month] of [
    ['31', '02'],
    ['29', '02'],
    ['00', '03'],
    ['01', '13'],
    ['01', '00'],
  ] as const)
    assert.equal(zda('101530', day, month), 'invalid', `${day} ${month}`);
  assert.equal(zda('250000', '01', '03'), 'invalid');
  for (const body of ['GPGGA,256000.00,4807.038,N,01131.000,E,1,08,0.9,,M,,M,,', 'GPGNS,126000,,,,,AN,8,1.0,1,1,,'])
    assert.deepEqual(fields(body, 'time'), ['invalid']);
  assert.deepEqual(fields('GPGLL,4807.038,N,01131.000,E,240000,A,A', 'time'), ['invalid']);
});

test('a date or a time of day without its form is unparsable', () => {
  assert.deepEqual(rmc('10153', '010327'), ['unparsable', 'unparsable']);
  assert.deepEqual(rmc('101530', '1327'), ['unparsable', '10:15:30']);
  assert.equal(zda('101530', '1', '03'), 'unparsable');
  assert.equal(zda('101530', '01', '03', '27'), 'unparsable');
});

test('a leap second is on the day that it ends', () => {
  assert.deepEqual(rmc('235960', '311216'), ['2016-12-31T23:59:60Z', '23:59:60']);
  assert.deepEqual(rmc('235960.50', '300615'), ['2015-06-30T23:59:60.50Z', '23:59:60.50']);
  assert.equal(zda('235960.00', '31', '12', '2016'), '2016-12-31T23:59:60.00Z');
  // There is none in the middle of a month.
  assert.deepEqual(rmc('235960', '301216'), ['invalid', '23:59:60']);
  assert.equal(zda('235960', '15', '06', '2015'), 'invalid');
});

test('two digits of a year are those of the life of GPS, which began in 1980', () => {
  assert.equal(rmc('101530', '250887')[0], '1987-08-25T10:15:30Z');
  assert.equal(rmc('101530', '060180')[0], '1980-01-06T10:15:30Z');
  assert.equal(rmc('101530', '311279')[0], '2079-12-31T10:15:30Z');
  assert.equal(rmc('101530', '290228')[0], '2028-02-29T10:15:30Z');
});

test('numbers need no decimals, and a position needs minutes that an hour has', () => {
  const gga = (latitude: string, longitude: string, hdop = '0.9') =>
    fields(`GPGGA,101530,${latitude},N,${longitude},E,1,8,${hdop},545,M,47,M,,`, 'latitude', 'longitude', 'hdop', 'altitude');
  assert.deepEqual(gga('4807', '01131'), [48.11666667, 11.51666667, 0.9, 545]);
  assert.deepEqual(gga('4807.', '01131.', '1.'), [48.11666667, 11.51666667, 1, 545]);
  assert.deepEqual(gga('4807.038', '01131.000', '.9'), [48.1173, 11.51666667, 0.9, 545]);
  assert.deepEqual(gga('4875.000', '01175.000'), ['invalid', 'invalid', 0.9, 545]);
  assert.deepEqual(gga('4860', '01160'), ['invalid', 'invalid', 0.9, 545]);
  assert.deepEqual(gga('9000.001', '18000.001'), ['invalid', 'invalid', 0.9, 545]);
  assert.deepEqual(gga('9000.000', '18000.000'), [90, 180, 0.9, 545]);
  assert.deepEqual(gga('48', '11', 'x'), ['unparsable', 'unparsable', 'unparsable', 545]);
  assert.deepEqual(fields('GPGLL,4807,S,01131,W,101530,A,A', 'latitude', 'longitude'), [-48.11666667, -11.51666667]);
  assert.deepEqual(fields('GPHDT,274,T', 'heading'), [274]);
});

test('VTG with letters, without them and without a course', () => {
  const names = ['track', 'trackMagnetic', 'speed', 'speedKmh'];
  assert.deepEqual(fields('GPVTG,054.7,T,034.4,M,005.5,N,010.2,K,A', ...names), [54.7, 34.4, 5.5, 10.2]);
  assert.deepEqual(fields('GPVTG,054.7,T,034.4,M,005.5,N,010.2,K', ...names), [54.7, 34.4, 5.5, 10.2]);
  // NMEA before 2.0 (Garmin, Trimble): four numbers.
  assert.deepEqual(fields('GPVTG,054.7,034.4,005.5,010.2', ...names), [54.7, 34.4, 5.5, 10.2]);
  assert.deepEqual(fields('GPVTG,054.7,,005.5,010.2', ...names), [54.7, undefined, 5.5, 10.2]);
  assert.deepEqual(fields('GPVTG,054.7,,034.4,,005.5,,010.2,,A', ...names), [54.7, 34.4, 5.5, 10.2]);
  assert.deepEqual(fields('GNVTG,,,,,,,,,N', ...names), [undefined, undefined, undefined, undefined]);
  assert.deepEqual(fields('GPVTG,,T,,M,0.0,N,0.0,K,A', ...names), [undefined, undefined, 0, 0]);
});

test('what the others say is read as before', () => {
  assert.deepEqual(fields('GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1', 'fix', 'satellites', 'pdop', 'hdop', 'vdop'), [
    '3D',
    5,
    2.5,
    1.3,
    2.1,
  ]);
  assert.deepEqual(fields('GPGSV,2,1,08,01,40,083,46', 'satellites'), [8]);
  assert.deepEqual(fields('HCHDG,98.3,0.0,E,12.6,W', 'heading', 'deviation', 'variation'), [98.3, 0, -12.6]);
  const wind = ['angle', 'reference', 'speed', 'speedUnit', 'valid'];
  assert.deepEqual(fields('WIMWV,214.8,R,0.1,K,A', ...wind), [214.8, 'relative', 0.1, 'K', true]);
  assert.deepEqual(fields('WIMWV,214.8,T,0.1,M,V', ...wind), ['invalid', 'true', 'invalid', 'M', false]);
  assert.deepEqual(fields('WIMWV,214.8,X,0.1,Q,A', ...wind), [214.8, 'unparsable', 0.1, 'unparsable', true]);
  assert.deepEqual(fields('SDDBT,7.8,f,2.4,M,1.3,F', 'depthFeet', 'depth', 'depthFathoms'), [7.8, 2.4, 1.3]);
  assert.deepEqual(fields('GNGNS,101530,4807.038,N,01131.000,E,AN,11,0.8,545.4,46.9,,', 'mode', 'satellites', 'altitude'), [
    ...['AN', 11, 545.4],
  ]);
  assert.deepEqual(fields('GPRMC,101530,A,4807.038,N,01131.000,E,0.1,84.4,010327,003.1,W,A', 'speed', 'variation'), [0.1, -3.1]);
});

test('sentences of makers are no damage, with a checksum or without; a damaged one is', () => {
  const points = new Map([['track', { type: 'float64', from: 'VTG.track' } as const]]);
  const talker = new Talker({ device: 'x', frame: { type: 'line', maxLength: 4096 }, decode: { type: 'nmea' }, points });
  const lines = [
    sentence('PUBX,00,101530.00,4717.11,N,00833.91,E,546.589,G3,2.1,2.0,0.007,77.52,0.007,,0.92,1.19,0.77,9,0,0'),
    sentence('PMTK001,314,3'),
    '$PMTK010,001',
    '$PGRMT,GPS 16-HVS,VER 3.60,P,P,R,R,P,,30,R',
    `$PSRF${'x'.repeat(300)}`,
    sentence('GPTXT,01,01,02,ANTSTATUS=OK'),
    sentence('GPVTG,054.7,034.4,005.5,010.2'),
    '$PMTK001,314,3*00',
    '$GPVTG,054.7,034.4,005.5,010.2',
  ];
  for (const line of lines) talker.push(bytes(`${line}\r\n`), 0);
  const { frames, otherFrames, badFrames, crcErrors, skippedBytes } = talker.counters;
  assert.deepEqual(
    { frames, otherFrames, badFrames, crcErrors, skippedBytes },
    {
      ...{ frames: 1, otherFrames: 6, badFrames: 1, crcErrors: 1, skippedBytes: 0 },
    },
  );
});

test('no time or date is good that a calendar does not have', () => {
  const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));
  fc.assert(
    fc.property(two(30), two(70), two(70), two(35), two(15), two(99), (h, m, s, day, month, year) => {
      const [dateTime] = rmc(`${h}${m}${s}`, `${day}${month}${year}`);
      const full = `${Number(year) < 80 ? 20 : 19}${year}`;
      const last = new Date(Date.UTC(Number(full), Number(month), 0)).getUTCDate();
      const leap = s === '60' && h === '23' && m === '59' && Number(day) === last;
      const real =
        Number(h) < 24 &&
        Number(m) < 60 &&
        (Number(s) < 60 || leap) &&
        Number(month) >= 1 &&
        Number(month) <= 12 &&
        Number(day) >= 1 &&
        Number(day) <= last;
      assert.equal(dateTime, real ? `${full}-${month}-${day}T${h}:${m}:${s}Z` : 'invalid');
    }),
    { numRuns: 3000 },
  );
});
