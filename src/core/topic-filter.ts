/** Topic filters of MQTT 3.1.1, section 4.7. Pure. */

const [SLASH, PLUS, HASH] = [0x2f, 0x2b, 0x23];

/**
 * Does `filter` match `topic`? Wildcards at the start do not match topics that begin with `$`. Each message of a client is compared with
 * each filter of each session, so nothing is allocated here.
 */
export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  let i = 0;
  /** Behind the end of the topic when no level is left. */
  let j = 0;
  for (;;) {
    const first = filter.charCodeAt(i);
    const isOne = (first === PLUS || first === HASH) && (i + 1 >= filter.length || filter.charCodeAt(i + 1) === SLASH);
    // `a/#` matches `a` itself as well.
    if (isOne && first === HASH) return true;
    if (j > topic.length) return false;
    if (isOne) {
      i++;
      while (j < topic.length && topic.charCodeAt(j) !== SLASH) j++;
    } else
      for (; ; i++, j++) {
        const wanted = i < filter.length ? filter.charCodeAt(i) : SLASH;
        if (wanted !== (j < topic.length ? topic.charCodeAt(j) : SLASH)) return false;
        if (wanted === SLASH) break;
      }
    if (i >= filter.length) return j >= topic.length;
    i++;
    j++;
  }
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

interface Level {
  readonly below: Map<string, Level>;
  /** How often the filter that ends here was added. */
  count: number;
}

/** Filters of many clients. Asking takes time by the levels of a topic, not by the number of filters. */
export class FilterTree {
  readonly #root: Level = { below: new Map(), count: 0 };

  add(filter: string): void {
    let level = this.#root;
    for (const name of filter.split('/')) {
      let next = level.below.get(name);
      if (next === undefined) {
        next = { below: new Map(), count: 0 };
        level.below.set(name, next);
      }
      level = next;
    }
    level.count++;
  }

  remove(filter: string): void {
    const path: [Level, string][] = [];
    let level = this.#root;
    for (const name of filter.split('/')) {
      const next = level.below.get(name);
      if (next === undefined) return;
      path.push([level, name]);
      level = next;
    }
    if (level.count > 0) level.count--;
    for (const [above, name] of path.reverse()) {
      const one = above.below.get(name) as Level;
      if (one.count > 0 || one.below.size > 0) return;
      above.below.delete(name);
    }
  }

  /** Whether a filter matches a topic, which does not begin with `$`. */
  matches(topic: string): boolean {
    return anyMatches(this.#root, topic.split('/'), 0);
  }
}

function anyMatches(level: Level, names: readonly string[], at: number): boolean {
  // `a/#` matches `a` itself as well.
  if ((level.below.get('#')?.count ?? 0) > 0) return true;
  if (at === names.length) return level.count > 0;
  for (const name of [names[at] as string, '+']) {
    const next = level.below.get(name);
    if (next !== undefined && anyMatches(next, names, at + 1)) return true;
  }
  return false;
}

/** Whether some topic matches both filters. `a/#` has the topic `a` as well. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one.split('/'), other.split('/')];
  // A wildcard at the start has no `$` topic.
  if (one.startsWith('$') !== other.startsWith('$') && (/^[+#]/.test(one) || /^[+#]/.test(other))) return false;
  for (let i = 0; ; i++) {
    const [x, y] = [a[i], b[i]];
    if (x === '#' || y === '#') return true;
    if (x === undefined || y === undefined) return x === y;
    if (x !== '+' && y !== '+' && x !== y) return false;
  }
}
