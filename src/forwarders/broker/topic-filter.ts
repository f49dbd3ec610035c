/** MQTT 3.1.1, section 4.7: does `filter` match `topic`? Wildcards at the start do not match topics that begin with `$`. */
export function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (let i = 0; i < wanted.length; i++) {
    const level = wanted[i];
    // `a/#` matches `a` itself as well.
    if (level === '#') return true;
    if (i >= levels.length) return false;
    if (level !== '+' && level !== levels[i]) return false;
  }
  return wanted.length === levels.length;
}

/** Well-formed: `#` alone at the end, `+` alone in its level, not empty, no NUL. */
export function isFilter(filter: string, maxLength: number, maxLevels: number): boolean {
  if (filter.length === 0 || filter.length > maxLength || filter.includes('\0')) return false;
  const levels = filter.split('/');
  if (levels.length > maxLevels) return false;
  return levels.every((level, i) =>
    level.includes('#') ? level === '#' && i === levels.length - 1 : !level.includes('+') || level === '+',
  );
}
