/** The languages in which the gateway speaks to people. */
export const LANGUAGES = ['en', 'bn'] as const;
export type Language = (typeof LANGUAGES)[number];

/** One text in several languages, or the same in all of them. */
export type Texts = string | Readonly<Partial<Record<Language, string>>>;

/** A message in the languages in which its words are others than those that stand beside it. */
export type Messages = { readonly [L in Language]?: string | undefined };

/** The text in a language; where there is none, in the first language that has one. */
export function textIn(texts: Texts, language: Language): string {
  if (typeof texts === 'string') return texts;
  return texts[language] ?? LANGUAGES.map((other) => texts[other]).find((text) => text !== undefined) ?? '';
}
