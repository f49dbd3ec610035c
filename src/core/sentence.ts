/**
 * A sentence as data: which one it is, and its values. It becomes words where the language of the reader is known. It is plain JSON, and it
 * is in the log, so a reader of tomorrow may know fewer or more sentences than the writer: what is not known is left out.
 */
import { LANGUAGES, type Language, type Messages, textIn } from './languages.ts';
import { SENTENCES, type SentenceKey } from './sentences.ts';
import { formatDuration } from './units.ts';

export type Sentence =
  /** Names, values with their units, and what people wrote: the same for every reader. */
  | string
  /** One text for each language. */
  | Readonly<Partial<Record<Language, string>>>
  /** Milliseconds. */
  | { readonly ms: number }
  /** One behind the other. */
  | { readonly parts: readonly Sentence[] }
  | Phrase;

/** A sentence of the catalogue. Its places stand beside `say`. */
export interface Phrase {
  readonly say: SentenceKey;
  readonly [place: string]: Sentence;
}

/** @param places numbers are written with all their digits */
export function phrase(say: SentenceKey, places: Readonly<Record<string, Sentence | number | bigint | boolean>> = {}): Phrase {
  const values: Record<string, Sentence> = {};
  for (const [place, value] of Object.entries(places)) values[place] = typeof value === 'object' ? value : String(value);
  return { ...values, say };
}

export function duration(ms: number): Sentence {
  return { ms };
}

/** `a and b and c`. The halves have halves, so that a long list has few levels. */
export function joined(say: 'and' | 'or', parts: readonly Sentence[]): Sentence {
  if (parts.length < 2) return parts[0] ?? '';
  const half = Math.ceil(parts.length / 2);
  return phrase(say, { a: joined(say, parts.slice(0, half)), b: joined(say, parts.slice(half)) });
}

/** In order: `a`, `a and b`, `a, b and c`. @param rest how many more there are */
export function listed(parts: readonly Sentence[], rest = 0): Sentence {
  const all = [...parts];
  const last = rest > 0 ? undefined : all.pop();
  const before = all.reduce<Sentence | undefined>((a, b) => (a === undefined ? b : phrase('comma', { a, b })), undefined);
  if (rest > 0) return phrase('more', { a: before ?? '', n: rest });
  return before === undefined ? (last ?? '') : phrase('and', { a: before, b: last ?? '' });
}

/** Without those that say the same as one before. */
export function different(sentences: readonly Sentence[]): readonly Sentence[] {
  return [...new Map(sentences.map((sentence) => [JSON.stringify(sentence), sentence])).values()];
}

export function wordsIn(sentence: Sentence, language: Language): string {
  if (typeof sentence === 'string') return sentence;
  if (isPhrase(sentence)) {
    const values = sentence;
    return SENTENCES[sentence.say][language].replace(/\{(\w+)\}/g, (_, place: string) => wordsIn(values[place] ?? '', language));
  }
  if ('parts' in sentence) return sentence.parts.map((part) => wordsIn(part, language)).join(' ');
  return 'ms' in sentence ? durationIn(sentence.ms, language) : textIn(sentence, language);
}

const UNITS_BN = { ms: 'মিলিসেকেন্ড', s: 'সেকেন্ড', m: 'মিনিট', h: 'ঘণ্টা', d: 'দিন' } as const;

/** `10m`, `10 মিনিট`. */
function durationIn(ms: number, language: Language): string {
  const text = formatDuration(ms);
  if (language === 'en') return text;
  return text.replace(/(ms|s|m|h|d)$/, (unit) => ` ${UNITS_BN[unit as keyof typeof UNITS_BN]}`);
}

const UNITS_EN = { ms: 'millisecond', s: 'second', m: 'minute', h: 'hour', d: 'day' } as const;

/** A duration as a configuration has it, inside a text that a person wrote: `10m` is `10 minutes` and `10 মিনিট`. */
export function longDuration(written: string, language: Language): string {
  const [, count = '', unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(written) ?? [];
  if (unit === undefined) return written;
  const of = unit as keyof typeof UNITS_EN;
  if (language === 'bn') return `${count} ${UNITS_BN[of]}`;
  return `${count} ${UNITS_EN[of]}${Number(count) === 1 ? '' : 's'}`;
}

/** The words in every language in which they differ from the message. undefined: in none. */
export function otherWords(sentence: Sentence, message: string): Messages | undefined {
  if (typeof sentence === 'string') return undefined;
  const others = LANGUAGES.map((language) => [language, wordsIn(sentence, language)] as const).filter(
    ([, words]) => words !== message,
  );
  return others.length === 0 ? undefined : Object.fromEntries(others);
}

/** Those that stand one behind the other. */
export function partsOf(sentence: Sentence): readonly Sentence[] {
  return typeof sentence === 'object' && !isPhrase(sentence) && 'parts' in sentence ? sentence.parts : [sentence];
}

function isPhrase(sentence: object): sentence is Phrase {
  return 'say' in sentence;
}
