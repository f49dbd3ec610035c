/** Where a letter of a text stands in the file: quotes, escapes, indents and folded lines lie between the two. */

/**
 * @param source the file @param start where the text begins, with its quote or its `|` @param end where it ends
 * @param text what the file says @param offset letters of the text before the one that is meant
 */
export function offsetInside(source: string, start: number, end: number, text: string, offset: number): number {
  const quote = source[start];
  let at = start;
  // `|` and `>`: the text begins in the next line.
  if (quote === '|' || quote === '>') at = source.indexOf('\n', start) + 1;
  else if (quote === '"' || quote === "'") at++;
  for (let i = 0; i < offset; i++) {
    at = next(source, at, end, text[i] ?? '');
    at += length(source, at, quote);
  }
  return Math.min(next(source, at, end, text[offset] ?? ''), end);
}

/** Where a letter of the text stands, at `at` or after white space that the text does not have. */
function next(source: string, at: number, end: number, letter: string): number {
  let place = at;
  if (letter === '' || /\s/.test(letter)) return at;
  while (place < end && source[place] !== letter && /\s/.test(source[place] ?? '')) place++;
  return place;
}

/** How many letters of the file a letter of the text takes. */
function length(source: string, at: number, quote: string | undefined): number {
  if (quote === "'" && source[at] === "'") return 2;
  if (quote !== '"' || source[at] !== '\\') return 1;
  return { x: 4, u: 6, U: 10 }[source[at + 1] ?? ''] ?? 2;
}
