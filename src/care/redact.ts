/**
 * Takes secrets and places out of texts that leave the gateway for support. Invariants:
 * - A secret is known by its own signs, and is found plain, in base64 wherever it begins, in base64url, in hexadecimal, with the escapes
 *   of URLs, of JSON and of YAML.
 * - A place is what the configuration names as one, a pair of coordinates, and a sentence of a GPS.
 * - What stands under a key that sounds like a secret is taken out whatever it is.
 */
import { SecretText } from '../core/secret.ts';

const GONE = '[redacted]';
const PLACE = '[place]';
/** Shorter words stand in too many texts; a password of such a length is a fault of its own. */
const SHORTEST = 4;
const MOST_SECRETS = 2000;
const SECRET_KEY = /passw|secret|token|credential|apikey|api_key|private|cookie|authorization|passphrase/i;
const PLACE_KEY = /^(?:lat|latitude|lon|lng|long|longitude|altitude|location|place|coordinates|address|site|village|town)$/i;
/** Four digits behind the point are some ten metres. */
const COORDINATES = /[-+]?\b\d{1,2}\.\d{3,}°?\s*[NSns]?\s*[,;/ ]\s*[-+]?\d{1,3}\.\d{3,}(?!\d)°?\s*[EWew]?/g;
const NMEA = /\$G[A-Z]{4},[^\s"']*/g;

/** The words of a site that must not leave it. */
export class Redactor {
  readonly #words: readonly (readonly [word: string, instead: string])[];

  constructor(secrets: Iterable<string>, places: Iterable<string>) {
    const words = new Map<string, string>();
    for (const [list, instead] of [
      [places, PLACE],
      [secrets, GONE],
    ] as const)
      for (const text of list)
        for (const form of formsOf(text.trim())) if (words.size < MOST_SECRETS * 12) words.set(form, instead);
    // Longer ones first: a secret may be a part of another one.
    this.#words = [...words].sort(([a], [b]) => b.length - a.length);
  }

  text(text: string): string {
    let result = text;
    for (const [word, instead] of this.#words) if (result.includes(word)) result = result.replaceAll(word, instead);
    return result.replaceAll(NMEA, PLACE).replaceAll(COORDINATES, PLACE);
  }

  /** Plain data, with everything under keys that name a secret or a place taken out. */
  data(value: unknown, depth = 0): unknown {
    if (depth > 40) return GONE;
    if (value instanceof SecretText) return GONE;
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.data(item, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        // Where a secret is kept is no secret: {file: …}, {env: …}.
        const reference = typeof item === 'object' && item !== null && ('file' in item || 'env' in item);
        if (SECRET_KEY.test(key) && !reference && typeof item !== 'boolean') return [key, GONE];
        if (PLACE_KEY.test(key) && typeof item !== 'object') return [key, PLACE];
        return [this.text(key), this.data(item, depth + 1)];
      }),
    );
  }
}

function formsOf(text: string): string[] {
  if (text.length < SHORTEST) return [];
  const bytes = Buffer.from(text, 'utf8');
  const json = JSON.stringify(text).slice(1, -1);
  return [
    ...[text, json, encodeURIComponent(text), encodeURI(text), encodeURIComponent(text).replaceAll('%20', '+')],
    ...[bytes.toString('hex'), bytes.toString('hex').toUpperCase()],
    ...[0, 1, 2].flatMap((before) => inside64(bytes, before)),
  ].filter((form) => form.length >= SHORTEST);
}

/** The signs of base64 that depend on the text alone, when so many bytes stand before it. */
function inside64(bytes: Buffer, before: number): string[] {
  const whole = Buffer.concat([Buffer.alloc(before), bytes]);
  const from = before === 0 ? 0 : before + 1;
  const signs = whole.toString('base64').replace(/=+$/, '');
  // A sign has six bits: the last one may hold bits of what follows.
  const end = whole.length % 3 === 0 ? signs.length : signs.length - 1;
  const part = signs.slice(from, end);
  return part.length < 6 ? [] : [part, part.replaceAll('+', '-').replaceAll('/', '_')];
}

/** Secrets and places in a configuration as plain data, in order. */
export function wordsIn(value: unknown): { secrets: string[]; places: string[] } {
  const secrets: string[] = [];
  const places: string[] = [];
  const walk = (item: unknown, key: string, depth: number): void => {
    if (depth > 40 || secrets.length > MOST_SECRETS) return;
    if (item instanceof SecretText) secrets.push(item.reveal());
    else if (typeof item === 'string' || typeof item === 'number') {
      if (SECRET_KEY.test(key)) secrets.push(String(item));
      else if (PLACE_KEY.test(key)) places.push(String(item));
    } else if (typeof item === 'object' && item !== null)
      for (const [k, v] of Object.entries(item)) walk(v, Array.isArray(item) ? key : k, depth + 1);
  };
  walk(value, '', 0);
  return { secrets, places };
}
