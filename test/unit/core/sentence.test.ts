/** Sentences as data: one catalogue, words in the language of the reader, and nothing that a damaged file could break. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LANGUAGES } from '../../../src/core/languages.ts';
import { readSentence } from '../../../src/core/saved-sentence.ts';
import {
  duration,
  joined,
  listed,
  longDuration,
  otherWords,
  phrase,
  type Sentence,
  wordsIn,
} from '../../../src/core/sentence.ts';
import { SENTENCES, type SentenceKey } from '../../../src/core/sentences.ts';

const placesOf = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, place = '']) => place);
const keys = Object.keys(SENTENCES) as SentenceKey[];

test('each sentence has the same places in every language', () => {
  for (const key of keys)
    for (const language of LANGUAGES)
      assert.deepEqual(placesOf(SENTENCES[key][language]).sort(), placesOf(SENTENCES[key].en).sort(), `${key} ${language}`);
});

test('the Bangla of the catalogue has Bangla words and no English ones', () => {
  for (const key of keys) {
    const words = SENTENCES[key].bn.replaceAll(/\{\w+\}/g, '');
    assert.doesNotMatch(words, /[A-Za-z]/, key);
    if (/[A-Za-z]/.test(SENTENCES[key].en.replaceAll(/\{\w+\}/g, ''))) assert.match(words, /[\u0980-\u09ff]/, key);
  }
});

test('no sentence has a place with the name of a key of its own', () => {
  for (const key of keys)
    for (const place of placesOf(SENTENCES[key].en)) assert.ok(!['say', 'parts', 'ms'].includes(place), key);
});

const warm = phrase('held', {
  what: phrase('comma', { a: phrase('is', { point: 'fridge.temperature', value: '8.3 °C' }), b: phrase('above', { limit: 8 }) }),
  time: duration(36_000_000),
});

test('a sentence becomes words in the language of the reader', () => {
  assert.equal(wordsIn(warm, 'en'), 'fridge.temperature is 8.3 °C, above 8 for 10h');
  assert.equal(wordsIn(warm, 'bn'), 'fridge.temperature এখন 8.3 °C, 8-এর বেশি, 10 ঘণ্টা ধরে');
  assert.equal(wordsIn(duration(90_000), 'bn'), '90 সেকেন্ড');
  assert.equal(wordsIn({ en: 'Close the door' }, 'bn'), 'Close the door');
  assert.equal(wordsIn({ parts: [{ en: 'Close it', bn: 'বন্ধ করুন' }, 'x'] }, 'bn'), 'বন্ধ করুন x');
});

test('a duration inside the words of a person is written out', () => {
  const of = (written: string) => [longDuration(written, 'en'), longDuration(written, 'bn')];
  assert.deepEqual(of('1h'), ['1 hour', '1 ঘণ্টা']);
  assert.deepEqual(of('1.5h'), ['1.5 hours', '1.5 ঘণ্টা']);
  assert.deepEqual(of('60m'), ['60 minutes', '60 মিনিট']);
  assert.deepEqual(of('30d'), ['30 days', '30 দিন']);
  assert.deepEqual(of('250ms'), ['250 milliseconds', '250 মিলিসেকেন্ড']);
  assert.deepEqual(of('soon'), ['soon', 'soon']);
});

test('a value that looks like a place is no place', () => {
  assert.equal(wordsIn(phrase('is', { point: '{value} $& $1', value: '{point}' }), 'en'), '{value} $& $1 is {point}');
});

test('lists are written as people write them', () => {
  const of = (count: number, rest = 0) => wordsIn(listed(['a', 'b', 'c', 'd'].slice(0, count), rest), 'en');
  assert.deepEqual([of(0), of(1), of(2), of(4), of(4, 3)], ['', 'a', 'a and b', 'a, b, c and d', 'a, b, c, d and 3 more']);
  const bits = Array.from({ length: 64 }, (_, bit) => String(bit));
  assert.equal(wordsIn(readSentence(JSON.parse(JSON.stringify(joined('or', bits)))), 'en'), bits.join(' or '));
});

test('other languages are given where their words differ', () => {
  assert.equal(otherWords('fridge', 'fridge'), undefined);
  assert.equal(otherWords({ en: 'Fridge' }, 'Fridge'), undefined);
  assert.deepEqual(otherWords({ en: 'Door', bn: 'দরজা' }, 'Door'), { bn: 'দরজা' });
  assert.deepEqual(otherWords({ en: 'Door', bn: 'দরজা' }, 'দরজা'), { en: 'Door' });
});

const sentences = fc.letrec<{ sentence: Sentence }>((tie) => ({
  sentence: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.string({ maxLength: 12 }),
    fc.record({ ms: fc.integer({ min: 0, max: 1e9 }) }),
    fc.record({ en: fc.string({ maxLength: 9 }), bn: fc.string({ maxLength: 9 }) }),
    fc.record({ parts: fc.array(tie('sentence'), { maxLength: 3 }) }),
    fc
      .tuple(fc.constantFrom(...keys), fc.array(tie('sentence'), { minLength: 4, maxLength: 4 }))
      .map(([key, values]) =>
        phrase(key, Object.fromEntries(placesOf(SENTENCES[key].en).map((place, i) => [place, values[i] ?? '']))),
      ),
  ),
}));

test('a sentence that was in a file says the same', () => {
  fc.assert(
    fc.property(sentences.sentence, (sentence) => {
      const back = readSentence(JSON.parse(JSON.stringify(sentence)));
      for (const language of LANGUAGES) assert.equal(wordsIn(back, language), wordsIn(sentence, language));
    }),
    { numRuns: 300 },
  );
});

test('whatever a file has instead of a sentence gives short words', () => {
  const most = 60_000;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        sentences.sentence.map((s) => JSON.stringify(s).replace(/[a-z]/, 'z')),
      ),
      (json) => {
        for (const language of LANGUAGES) assert.ok(wordsIn(readSentence(JSON.parse(json)), language).length <= most);
      },
    ),
  );
  const deep = JSON.parse(`${'{"say":"comma","b":"x","a":'.repeat(3000)}"end"${'}'.repeat(3000)}`);
  for (const hostile of [
    ...['x'.repeat(1e6), deep, { parts: Array.from({ length: 1e5 }, () => 'long words') }, { parts: [{ parts: 'x' }] }],
    ...[
      { say: 'constructor' },
      { say: '__proto__' },
      { say: 'is', point: { ms: -1 } },
      { ms: Number.NaN },
      { en: 7 },
      null,
      [[]],
    ],
  ])
    for (const language of LANGUAGES) assert.ok(wordsIn(readSentence(hostile), language).length <= most);
  assert.equal(wordsIn(readSentence({ say: 'of another version', point: 'a.b' }), 'en'), '');
});
