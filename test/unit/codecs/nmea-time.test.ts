import assert from 'node:assert/strict';
import test from 'node:test';
import { NmeaTime } from '../../../src/codecs/serial/nmea-time.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
/** A sentence with its checksum, which is made here and not by what is tested. */
const sentence = (body: string) => {
  let sum = 0;
  for (const byte of bytes(body)) sum ^= byte;
  return bytes(`$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`);
};
const rmc = (time: string, date: string, status = 'A', mode = ',,,A') =>
  sentence(`GPRMC,${time},${status},4807.038,N,01131.000,E,0.1,84.4,${date}${mode}`);
const at = (...parts: Parameters<typeof Date.UTC>) => Date.UTC(...parts);

test('RMC tells the time when it has a fix', () => {
  const time = new NmeaTime();
  assert.equal(time.push(rmc('101530.00', '010327')), at(2027, 2, 1, 10, 15, 30));
  assert.equal(time.push(rmc('235959.999', '311227')), at(2027, 11, 31, 23, 59, 59) + 999);
  assert.equal(time.push(rmc('101530', '290228')), at(2028, 1, 29, 10, 15, 30));
  // NMEA before 2.3 has no mode.
  assert.equal(time.push(rmc('101530', '010327', 'A', ',,')), at(2027, 2, 1, 10, 15, 30));
  assert.equal(time.push(rmc('101530', '010327', 'V')), undefined);
  // A leap second is the first of the next minute.
  assert.equal(time.push(rmc('235960', '311226')), at(2027, 0, 1));
});

test('a position that is guessed, typed in or simulated gives no time', () => {
  for (const mode of ['A', 'D', 'P', 'R', 'F'])
    assert.equal(new NmeaTime().push(rmc('101530', '010327', 'A', `,,,${mode}`)), at(2027, 2, 1, 10, 15, 30), mode);
  for (const mode of ['E', 'M', 'S', 'N'])
    assert.equal(new NmeaTime().push(rmc('101530', '010327', 'A', `,,,${mode}`)), undefined, mode);
});

test('ZDA counts while the newest other sentence had a fix', () => {
  const zda = sentence('GPZDA,101530.25,01,03,2027,00,00');
  const expected = at(2027, 2, 1, 10, 15, 30) + 250;
  const gga = (quality: number) => sentence(`GNGGA,101530.00,4807.038,N,01131.000,E,${quality},11,0.8,545.4,M,46.9,M,,`);
  const gll = (status: string) => sentence(`GNGLL,4807.038,N,01131.000,E,101530.00,${status},A`);
  const gns = (mode: string) => sentence(`GNGNS,101530.00,4807.038,N,01131.000,E,${mode},11,0.8,545.4,46.9,,`);
  const time = new NmeaTime();
  assert.equal(time.push(zda), undefined, 'nothing said so yet');
  for (const [yes, no] of [
    [gga(1), gga(0)],
    [gga(2), gga(6)],
    [gll('A'), gll('V')],
    [gns('AN'), gns('NN')],
    [rmc('101530', '010327'), rmc('101530', '010327', 'V')],
  ] as const) {
    time.push(yes);
    assert.equal(time.push(zda), expected);
    assert.equal(time.push(no), undefined);
    assert.equal(time.push(zda), undefined);
  }
});

test('what is damaged or no date is not believed', () => {
  const good = new TextDecoder().decode(rmc('101530.00', '010327'));
  for (const text of [
    good.replace('101530', '111530'),
    good.replace('$', ''),
    good.slice(0, -3),
    good.slice(0, 20),
    `${good}garbage`,
    '',
  ])
    assert.equal(new NmeaTime().push(bytes(text)), undefined, text);
  assert.ok(new NmeaTime().push(bytes(`${good}\r\n`)) !== undefined, 'line ends do not matter');
  for (const [time, date] of [
    ['101530', '310227'],
    ['101530', '290227'],
    ['101530', '011327'],
    ['101530', '000327'],
    ['101530', '010027'],
    ['101530', ''],
    ['', '010327'],
    ['241530', '010327'],
    ['106030', '010327'],
    ['101561', '010327'],
    ['1015', '010327'],
  ] as const)
    assert.equal(new NmeaTime().push(rmc(time, date)), undefined, `${time} ${date}`);
  for (const body of ['GPXXX,101530.00', 'GPRMC', 'PUBX,04,101530.00', 'GPTXT,01,01,02,hello'])
    assert.equal(new NmeaTime().push(sentence(body)), undefined, body);
});
