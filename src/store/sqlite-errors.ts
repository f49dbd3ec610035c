/** What SQLite's errors mean, for threads that do not load it. */

/** The file is no database, or its pages contradict each other. */
export function isDamage(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return code === 'SQLITE_NOTADB' || code?.startsWith('SQLITE_CORRUPT') === true;
}
export function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : undefined;
}

/** What `integrity_check(1)` or `quick_check(1)` found, in one line; undefined: nothing. */
export function checkFault(found: string): string | undefined {
  return found === 'ok' ? undefined : found.replace(/^\*\*\* in database \w+ \*\*\*\s*/, '').replaceAll('\n', '; ');
}
