/** A sentence that was in a file, and may be damaged, or of another version. */
import { LANGUAGES } from './languages.ts';
import { phrase, type Sentence } from './sentence.ts';
import { SENTENCES, type SentenceKey } from './sentences.ts';

/** Bounds of a sentence that comes from a file: letters of all its texts, texts, and levels. */
const MOST_LETTERS = 4000;
const MOST_TEXTS = 400;
const MOST_LEVELS = 20;

/** What it does not know is empty, and what is too long is cut. Never throws. */
export function readSentence(data: unknown): Sentence {
  const left = { letters: MOST_LETTERS, texts: MOST_TEXTS };
  return read(data, left, MOST_LEVELS);
}

function read(data: unknown, left: { letters: number; texts: number }, levels: number): Sentence {
  if (left.texts-- <= 0 || levels <= 0) return '';
  if (typeof data === 'string') {
    const text = data.slice(0, left.letters);
    left.letters -= text.length;
    return text;
  }
  if (typeof data !== 'object' || data === null) return '';
  const given = data as Readonly<Record<string, unknown>>;
  const of = (part: unknown): Sentence => read(part, left, levels - 1);
  const { say } = given;
  if (typeof say === 'string') {
    if (!Object.hasOwn(SENTENCES, say)) return '';
    return phrase(
      say as SentenceKey,
      placesOf(say as SentenceKey, (place) => of(given[place])),
    );
  }
  if (Array.isArray(given.parts)) return { parts: given.parts.slice(0, MOST_TEXTS).map(of) };
  if (typeof given.ms === 'number') return Number.isFinite(given.ms) && given.ms >= 0 ? { ms: given.ms } : '';
  const texts = LANGUAGES.flatMap((language) => {
    const text = given[language];
    return typeof text === 'string' ? [[language, String(of(text))] as const] : [];
  });
  return texts.length === 0 ? '' : Object.fromEntries(texts);
}

function placesOf(say: SentenceKey, value: (place: string) => Sentence): Record<string, Sentence> {
  return Object.fromEntries([...SENTENCES[say].en.matchAll(/\{(\w+)\}/g)].map(([, place = '']) => [place, value(place)]));
}
