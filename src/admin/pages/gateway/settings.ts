/** What this browser remembers of its reader. Without storage (a private window) the settings hold for the visit. */
import { LANGUAGES, type Language } from '../words/words.ts';

export interface Settings {
  readonly language: Language;
  readonly bengaliDigits: boolean;
}

const KEY = 'sluice-page';

export function readSettings(): Settings {
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  const language = wanted.find((tag): tag is Language => (LANGUAGES as readonly string[]).includes(tag)) ?? 'en';
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Settings>;
    return {
      language: LANGUAGES.find((l) => l === kept.language) ?? language,
      bengaliDigits: kept.bengaliDigits === true,
    };
  } catch {
    return { language, bengaliDigits: false };
  }
}

export function keepSettings(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // The settings hold until the page is left.
  }
}
