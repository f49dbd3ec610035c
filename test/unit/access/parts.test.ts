/** Names, topics, passwords, secrets and the queue of slow hashes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { checkName, checkPassword, filterFault, fingerprintOf, publishFault } from '../../../src/access/names.ts';
import { COST, hashPassword, isPasswordHash, isPasswordOf, nobodysHash } from '../../../src/access/password.ts';
import {
  base32,
  claimCodeOf,
  isDeviceSecret,
  isSecretOf,
  newClaimCode,
  newDeviceSecret,
  newToken,
  sha256,
  tokenIdOf,
} from '../../../src/access/secrets.ts';
import { SlowHash } from '../../../src/access/slow-hash.ts';

const CHEAP = { logN: 10, p: 1 };
const zeros = (count: number): Uint8Array => new Uint8Array(count);
const ones = (count: number): Uint8Array => new Uint8Array(count).fill(255);

test('names are short, plain and printable', () => {
  for (const name of ['anna', 'a', '0', 'anna@clinic.org', 'node-red_2', 'x'.repeat(64)]) checkName(name);
  for (const name of ['', 'Anna', '-a', '.a', 'a b', 'a\n', 'a\u0000', 'é', 'a/b', '$SYS', 'x'.repeat(65), '\u001b[31m'])
    assert.throws(() => checkName(name), { code: 'request-invalid' }, JSON.stringify(name));
});

test('the refusal of a name or a password does not repeat it', () => {
  const planted = 'Planted-7f3a';
  for (const check of [() => checkName(planted), () => checkPassword(planted.slice(0, 9), 'anna'), () => fingerprintOf(planted)])
    assert.throws(check, (error: Error) => !error.message.includes('lanted'));
});

test('passwords are long, varied and typed by people', () => {
  for (const password of ['correct horse', 'ピース カフェ もり みず', '12345678901', 'anna likes rain'])
    checkPassword(password, 'anna');
  for (const password of [
    'short',
    'aaaaaaaaaaaa',
    'anna anna anna',
    'sluicesluice',
    'x'.repeat(300),
    `sld_${'0'.repeat(26)}`,
    'a\u0000bcdefghijkl',
  ])
    assert.throws(() => checkPassword(password, 'anna'), { code: 'request-invalid' }, password);
});

test('topics of a credential are filters of MQTT, and nobody publishes below sluice/', () => {
  for (const filter of ['zigbee2mqtt/#', 'tele/+/STATE', 'stat/plug-1/POWER', 'a//b', 'sluices/x']) {
    assert.equal(filterFault(filter), undefined, filter);
    assert.equal(publishFault(filter), undefined, filter);
  }
  for (const filter of ['#', '+/x', 'sluice/g1/value/#', '+', 'sluice', 'sluice/#']) {
    assert.equal(filterFault(filter), undefined, filter);
    assert.notEqual(publishFault(filter), undefined, filter);
  }
  for (const filter of ['', 'a/#/b', 'a#', 'a/+b', '$SYS/#', '$share/g/a', 'a\u0000', 'a\n', 'x'.repeat(129), '\ud800'])
    assert.notEqual(filterFault(filter), undefined, JSON.stringify(filter));
});

test('secrets have 128 random bits, and a shape that tells what they are', () => {
  assert.equal(newDeviceSecret(zeros), `sld_${'0'.repeat(26)}`);
  assert.equal(newToken('abcdefgh', ones), `slt_abcdefgh_${'z'.repeat(25)}w`);
  assert.equal(tokenIdOf(newToken('abcdefgh', ones)), 'abcdefgh');
  assert.ok(isDeviceSecret(newDeviceSecret(ones)));
  for (const text of ['', 'sld_', `sld_${'0'.repeat(27)}`, `sld_${'I'.repeat(26)}`, `SLD_${'0'.repeat(26)}`])
    assert.ok(!isDeviceSecret(text), text);
  assert.ok(isSecretOf('x', sha256('x')) && !isSecretOf('y', sha256('x')));
});

test('base 32 keeps every bit: different bytes are different texts', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
      const text = base32(bytes);
      assert.match(text, /^[0-9A-HJKMNP-TV-Z]+$/);
      const bits = [...text]
        .map((letter) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(letter).toString(2).padStart(5, '0'))
        .join('');
      const whole = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
      assert.equal(bits.slice(0, whole.length), whole);
      assert.match(bits.slice(whole.length), /^0{0,4}$/);
    }),
  );
});

test('a claim code can be typed as people read it', () => {
  assert.equal(newClaimCode(zeros), '0000-0000-0000');
  assert.equal(newClaimCode(ones), 'ZZZZ-ZZZZ-ZZZZ');
  for (const typed of ['7K3M-Q2XV-9TR0', '7k3mq2xv9tro', ' 7K3M Q2XV 9TRO ', '7k3m-q2xv-9tr0'])
    assert.equal(claimCodeOf(typed), '7K3M-Q2XV-9TR0');
  assert.equal(claimCodeOf('iLo0-1111-1111'), '1100-1111-1111');
  for (const typed of ['', '7K3M-Q2XV-9TR', '7K3M-Q2XV-9TRU', 'x'.repeat(1000), '7K3M-Q2XV-9TR00'])
    assert.equal(claimCodeOf(typed), undefined, typed);
});

test('a hash of a password proves the password, however its letters are composed', async () => {
  const hash = await hashPassword('un caf\u00e9 noir', CHEAP);
  assert.ok(isPasswordHash(hash));
  assert.deepEqual(
    [await isPasswordOf('un cafe\u0301 noir', hash), await isPasswordOf('un cafe noir', hash), await isPasswordOf('', hash)],
    [true, false, false],
  );
  assert.notEqual(await hashPassword('un café noir', CHEAP), hash, 'each has a salt of its own');
  assert.match(await hashPassword('the real cost'), new RegExp(`^scrypt\\$${COST.logN}\\$8\\$${COST.p}\\$`));
  assert.ok(isPasswordHash(nobodysHash()));
  assert.equal(await isPasswordOf('', nobodysHash(CHEAP)), false);
});

test('a file cannot choose how much memory a log-in takes', () => {
  const rest = `${'A'.repeat(22)}$${'A'.repeat(43)}`;
  assert.ok(isPasswordHash(`scrypt$15$8$3$${rest}`));
  for (const costs of ['20$8$1', '16$8$3', '15$8$9', '15$9$1', '9$8$1', '015$8$1'])
    assert.ok(!isPasswordHash(`scrypt$${costs}$${rest}`), costs);
});

test('one slow hash runs at a time, known callers first, and what waits is bounded', async () => {
  const hashes = new SlowHash();
  const order: string[] = [];
  let running = 0;
  const work = (name: string) => async () => {
    assert.equal(++running, 1);
    order.push(name);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return name;
  };
  const first = hashes.run(work('first'), false);
  const strangers = Array.from({ length: 12 }, (_, i) => hashes.run(work(`stranger ${i}`), false));
  const owner = hashes.run(work('owner'), true);
  const results = await Promise.allSettled([first, ...strangers, owner]);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 10);
  for (const result of results)
    if (result.status === 'rejected') assert.equal((result.reason as { code: string }).code, 'throttled');
  assert.deepEqual(order.slice(0, 3), ['first', 'owner', 'stranger 0']);
  await assert.rejects(
    hashes.run(() => Promise.reject(new Error('no memory')), true),
    /no memory/,
  );
  assert.equal(await hashes.run(work('after a failure'), false), 'after a failure');
});
