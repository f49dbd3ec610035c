/** The meaning of SQLite's errors, for threads that do not load it. */

/** The file is no database, its pages contradict each other, or the disk did not give one: see check-file.ts. */
export function isDamage(thrown: unknown): boolean {
  const code = codeOf(thrown);
  // A disk that fails says so in another way: this file has an end where a page should be.
  return code === 'SQLITE_NOTADB' || code === 'SQLITE_IOERR_SHORT_READ' || code?.startsWith('SQLITE_CORRUPT') === true;
}
/**
 * Content that SQLite cannot understand in a file that looks like ours: words of a schema, a column, a row that contradicts
 * another one. No further try helps, and nothing outside the file is wrong.
 */
export function isNonsense(thrown: unknown): boolean {
  const code = codeOf(thrown) ?? '';
  return NONSENSE.includes(code) || code.startsWith('SQLITE_CONSTRAINT');
}
const NONSENSE = [
  'SQLITE_ERROR',
  'SQLITE_MISMATCH',
  'SQLITE_TOOBIG',
  'SQLITE_FORMAT',
  'SQLITE_SCHEMA',
  'SQLITE_RANGE',
  'SQLITE_NOTFOUND',
];

/** The disk did not give or take something, as far as is known; a moment later it may. @returns the code that says so */
export function diskFault(thrown: unknown): string | undefined {
  for (let error = thrown; error !== undefined; error = error instanceof Error ? error.cause : undefined) {
    const code = codeOf(error);
    if (code === 'EIO' || code?.startsWith('SQLITE_IOERR') === true || isDamage(error)) return code;
  }
  return undefined;
}
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
export function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : undefined;
}

/** The finding of `integrity_check(1)` or `quick_check(1)` in one line; undefined: nothing. */
export function checkFault(found: string): string | undefined {
  return found === 'ok' ? undefined : found.replace(/^\*\*\* in database \w+ \*\*\*\s*/, '').replaceAll('\n', '; ');
}
