/** The texts of one language, with numbers in the digits that the reader chose. Pure: no DOM. */
import { bn } from './bn.ts';
import { en, type WordKey } from './en.ts';

export type { WordKey } from './en.ts';
export const LANGUAGES = ['en', 'bn'] as const;
export type Language = (typeof LANGUAGES)[number];
/** Each language in its own words. */
export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { en: 'English', bn: 'বাংলা' };
export const CATALOGUES: Readonly<Record<Language, Readonly<Record<WordKey, string>>>> = { en, bn };

type Counted<K> = K extends `${infer Base}.other` ? Base : never;
/** Keys that stand for a `.one` and an `.other`. */
export type CountKey = Counted<WordKey>;
interface Message {
  readonly message: string;
  readonly messages?: { readonly [L in Language]?: string | undefined } | undefined;
}
type Values = Readonly<Record<string, string | number>>;

const BENGALI_ZERO = 0x09e6;

export class Words {
  readonly language: Language;
  readonly bengaliDigits: boolean;
  readonly #plural: Intl.PluralRules;

  /** @param bengaliDigits has an effect in Bangla only */
  constructor(language: Language, bengaliDigits: boolean) {
    this.language = language;
    this.bengaliDigits = bengaliDigits && language === 'bn';
    this.#plural = new Intl.PluralRules(language);
  }

  t(key: WordKey, values: Values = {}): string {
    return CATALOGUES[this.language][key].replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name];
      return typeof value === 'number' ? this.number(value) : (value ?? '');
    });
  }

  /** The words for a number of things; `{n}` is the number. */
  count(key: CountKey, n: number, values: Values = {}): string {
    const form = this.#plural.select(n) === 'one' ? 'one' : 'other';
    return this.t(`${key}.${form}` as WordKey, { ...values, n });
  }

  /** A message that the gateway has in several languages. */
  message({ message, messages }: Message): string {
    return messages?.[this.language] ?? message;
  }

  /** A whole number. Not in groups: these differ between countries, and a comma could be a decimal point. */
  number(n: number): string {
    return this.digits(String(n));
  }

  /** A text that the page made from numbers: never names or values that are texts. */
  digits(text: string): string {
    if (!this.bengaliDigits) return text;
    return text.replace(/[0-9]/g, (digit) => String.fromCharCode(BENGALI_ZERO + Number(digit)));
  }
}
