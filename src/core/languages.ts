/** The languages in which the gateway speaks to people. */
export const LANGUAGES = ['en', 'bn'] as const;
export type Language = (typeof LANGUAGES)[number];

/** One text in several languages, or the same in all of them. */
export type Texts = string | Readonly<Partial<Record<Language, string>>>;

/** The text in a language; where there is none, in the first language that has one. */
export function textIn(texts: Texts, language: Language): string {
  if (typeof texts === 'string') return texts;
  return texts[language] ?? LANGUAGES.map((other) => texts[other]).find((text) => text !== undefined) ?? '';
}
