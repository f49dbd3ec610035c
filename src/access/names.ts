/**
 * What a name, a password, a role and a topic filter may be. Faults never repeat what was given: people type passwords into the
 * wrong field.
 */
import type { Role } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { PEOPLE_ROLES } from './roles.ts';

export const LONGEST_NAME = 64;
const NAME = /^[a-z0-9][a-z0-9_.@-]{0,63}$/;
/** Characters; the longest counts in bytes of UTF-8. */
const SHORTEST_PASSWORD = 10;
export const LONGEST_PASSWORD = 256;
const FEWEST_DIFFERENT = 5;
/** Topic filters of a credential, for each direction, and bytes of one. */
export const MOST_FILTERS = 16;
export const LONGEST_FILTER = 128;
/** SHA-256, hex. */
const FINGERPRINT = /^[0-9a-f]{64}$/;
/** Passwords of devices and tokens begin so (secrets.ts); a person's never does, or its check would need no slow hash. */
const MACHINE = /^sl[dt]_/;

const invalid = (message: string): SluiceError => new SluiceError('request-invalid', message);

export const isName = (name: string): boolean => NAME.test(name);

export function checkName(name: string): void {
  if (isName(name)) return;
  throw invalid(
    `a name has 1 to ${LONGEST_NAME} characters: small letters, digits and _ . @ -, and begins with a letter or digit: for example anna or anna@clinic.org`,
  );
}

export const isRole = (role: unknown): role is Role => PEOPLE_ROLES.includes(role as Role);

export function checkRole(role: unknown): asserts role is Role {
  if (!isRole(role)) throw invalid(`a role is one of: ${PEOPLE_ROLES.join(', ')}`);
}

/** @returns as it is hashed: the same text, however a keyboard composes its letters (NFC, RFC 8265) */
export function normalPassword(password: string): string {
  return password.normalize('NFC');
}

/** Whether somebody may choose it. @throws SluiceError request-invalid, which says nothing of the password */
export function checkPassword(password: string, name: string): void {
  const normal = normalPassword(password);
  const letters = [...normal];
  if (letters.length < SHORTEST_PASSWORD) throw invalid(`a password has at least ${SHORTEST_PASSWORD} characters`);
  if (Buffer.byteLength(normal) > LONGEST_PASSWORD) throw invalid(`a password has at most ${LONGEST_PASSWORD} bytes`);
  if (/\p{Cc}|\p{Cs}/u.test(normal)) throw invalid('a password has no control characters');
  if (MACHINE.test(normal))
    throw invalid('a password of a person does not begin with sld_ or slt_: these are for devices and programs');
  if (new Set(letters).size < FEWEST_DIFFERENT) throw invalid(`a password has at least ${FEWEST_DIFFERENT} different characters`);
  const small = normal.toLowerCase();
  if (small.replaceAll(name, '').length < SHORTEST_PASSWORD / 2 || small.replaceAll('sluice', '').length < SHORTEST_PASSWORD / 2)
    throw invalid('a password is more than the name of the user or of the gateway');
}

export const isFingerprint = (text: string): boolean => FINGERPRINT.test(text);

/** SHA-256 of a certificate as programs print it (`AB:CD:…`, with or without colons). */
export function fingerprintOf(text: string): string {
  const hex = text
    .replace(/^sha256[ =:]+(?:fingerprint=)?/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (!isFingerprint(hex))
    throw invalid(
      'a certificate is named by its SHA-256: 64 hexadecimal digits, as "openssl x509 -noout -fingerprint -sha256" prints it',
    );
  return hex;
}

/** What is wrong with a topic filter, in words; undefined: nothing. Filters that MQTT 3.1.1 refuses (4.7.1), and `$` topics. */
export function filterFault(filter: string): string | undefined {
  if (filter === '') return 'a topic is empty';
  if (Buffer.byteLength(filter) > LONGEST_FILTER) return `a topic has at most ${LONGEST_FILTER} bytes`;
  if (/\p{Cc}|\p{Cs}|\p{Cn}/u.test(filter)) return 'a topic has no control characters';
  if (filter.startsWith('$')) return 'topics that begin with $ belong to the broker';
  const levels = filter.split('/');
  if (levels.some((level, i) => level.includes('#') && (level !== '#' || i < levels.length - 1)))
    return '# stands alone, and last: zigbee2mqtt/#';
  if (levels.some((level) => level.includes('+') && level !== '+')) return '+ stands for a whole level: tele/+/STATE';
  return undefined;
}

/** As `filterFault`, and nobody but the gateway publishes below `sluice/`. */
export function publishFault(filter: string): string | undefined {
  const fault = filterFault(filter);
  if (fault !== undefined) return fault;
  const [first] = filter.split('/');
  if (first === 'sluice') return 'nobody but the gateway publishes below sluice/; a command needs a role';
  if (first === '#' || first === '+') return 'a topic to publish to begins with a prefix of its own: zigbee2mqtt/#';
  return undefined;
}

export function checkFilters(filters: readonly string[], direction: 'publish' | 'subscribe'): void {
  if (filters.length > MOST_FILTERS) throw invalid(`${direction}: at most ${MOST_FILTERS} topics`);
  for (const filter of filters) {
    const fault = direction === 'publish' ? publishFault(filter) : filterFault(filter);
    if (fault !== undefined) throw invalid(`${direction}: ${fault}`);
  }
}
