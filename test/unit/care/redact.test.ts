/** No form of a secret and no place passes the redactor, and what is neither stays as it was. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { Redactor, wordsIn } from '../../../src/care/redact.ts';
import { makeSupport } from '../../../src/care/support.ts';
import { SecretText } from '../../../src/core/secret.ts';
import { scratch } from '../../harness/scratch.ts';

const SECRET = 'P/a+s s"wört\\1&é';
const TITLE = 'Rampur village pump';

/** The forms in which a text may stand, inside others. */
function forms(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  return [secret, json, encodeURIComponent(secret), Buffer.from(secret).toString('hex')];
}

test('a secret is found in every form, wherever it begins', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 8, maxLength: 40 }).filter((s) => s.trim() === s && s.isWellFormed()),
      fc.uint8Array({ maxLength: 5 }),
      fc.uint8Array({ maxLength: 5 }),
      (secret, before, behind) => {
        const redactor = new Redactor([secret], []);
        for (const form of forms(secret)) assert.ok(!redactor.text(`x=${form};`).includes(form));
        for (const encoding of ['base64', 'base64url'] as const) {
          const text = Buffer.concat([before, Buffer.from(secret), behind]).toString(encoding);
          const left = redactor.text(text).split('[redacted]');
          // What is left of it on both sides is less than the secret.
          for (const part of left) assert.ok(!Buffer.from(part, encoding).includes(Buffer.from(secret)), text);
          assert.ok(left.length > 1, `${encoding} ${text}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('keys that sound like a secret or a place go, references and other values stay', () => {
  const redactor = new Redactor([], []);
  const data = {
    ...{ password: 'a', apiKey: 'b', nested: { authToken: 1, list: [{ passphrase: 'x' }] }, latitude: 23.7, site: 'here' },
    ...{ reference: { password: { file: 'secret.txt' } }, tls: { key: 'cloud.key' }, host: 'broker.example', interval: '1s' },
    again: new SecretText('abc'),
  };
  assert.deepEqual(redactor.data(data), {
    ...{ password: '[redacted]', apiKey: '[redacted]' },
    nested: { authToken: '[redacted]', list: [{ passphrase: '[redacted]' }] },
    ...{ latitude: '[place]', site: '[place]', reference: { password: { file: 'secret.txt' } } },
    ...{ tls: { key: 'cloud.key' }, host: 'broker.example', interval: '1s', again: '[redacted]' },
  });
  assert.deepEqual(wordsIn(data), { secrets: ['a', 'b', '1', 'x', 'abc'], places: ['23.7', 'here'] });
});

test('coordinates and sentences of a GPS go, other numbers stay', () => {
  const redactor = new Redactor([], []);
  for (const place of ['23.8103, 90.4125', '-1.286389 36.817223', '23.8103N 90.4125E', '$GPGGA,123519,4807.038,N,01131.000,E'])
    assert.ok(!/\d{3}/.test(redactor.text(`at ${place} it is`)), redactor.text(place));
  for (const text of ['192.168.1.20:502', 'took 12.345 ms', '4.2 °C', '2026-12-01T10:00:00.123Z', 'b17 up to 10421'])
    assert.equal(redactor.text(text), text);
});

test('a planted secret and a place are nowhere in a bundle, whatever brings them', async (t) => {
  const base64 = Buffer.from(`user:${SECRET}`).toString('base64');
  const { bytes, files } = await makeSupport({
    ...{ gateway: 'g1', titles: [TITLE], stateDir: scratch(t, 'support'), made: 1_795_000_000_000 },
    configs: [{ forwarders: { cloud: { password: SECRET } } }],
    secrets: [],
    parts: [
      {
        name: 'a.json',
        about: 'data',
        make: async () => ({ password: SECRET, words: `it is ${SECRET}`, [SECRET]: 1, title: TITLE }),
      },
      {
        name: 'b.txt',
        about: 'text',
        make: async () => `Authorization: Basic ${base64}\n${encodeURIComponent(SECRET)}\n${TITLE} 23.8103, 90.4125`,
      },
      { name: 'c.txt', about: 'broken', make: () => Promise.reject(new Error(`no ${SECRET}`)) },
      { name: 'd.txt', about: 'long', make: async () => `${'x'.repeat(5 * 1024 * 1024)} the end` },
    ],
  });
  const tar = gunzipSync(bytes).toString('latin1');
  for (const form of [
    ...forms(SECRET).map((text) => Buffer.from(text).toString('latin1')),
    base64,
    TITLE,
    encodeURIComponent(TITLE),
    '23.8103',
  ])
    assert.ok(!tar.includes(form), form);
  assert.deepEqual(
    files.map(({ name }) => name),
    ['CONTENTS.txt', 'a.json', 'b.txt', 'd.txt'].map((name) => `sluice-support/${name}`),
  );
  assert.match(tar, /c\.txt: left out: no \[redacted\]/);
  assert.ok(tar.includes('the end') && tar.length < 2.2 * 1024 * 1024, 'a part is bounded, and keeps its newest lines');
});
