/**
 * The shape of what a program shows: what a page and a run have in common, whatever the time, the values and the machine.
 * A shape is for comparing only.
 */

/** In this order. What is left out may be there or not. */
const MASKS: readonly (readonly [pattern: RegExp, by: string])[] = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal
  [/\u001b\[[\d;?]*[A-Za-z]|\r/g, ''],
  [/\b\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d UTC(?:[+-]\d\d:\d\d)?/g, '<time>'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>'],
  [/\b\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d/g, '<time with zone>'],
  [/\b\d\d:\d\d:\d\d(?:\.\d+)?/g, '<time>'],
  [/known for [^,]*? by .*/g, 'known for <duration> by <source>'],
  [/The time is known now: .*/g, 'The time is known now: <source>'],
  [/\b[0-9a-f]{10}\b/g, '<log>'],
  [/\b\d[\d.]*(?:ms|[smhd])(?: \d+(?:ms|[smhd]))*\b/g, '<duration>'],
  [/\b[\d.]+ ?(?:B|kB|MB|GB)\b/g, '<size>'],
  [/(?<![\w-]|\d\.)-?\d+(?:,\d{3}(?!\d))*(?:\.\d+)?(?![\w-])/g, '<n>'],
  // One or several of something.
  [/(<n> [a-z]+?)(?:ies|y|s)\b/g, '$1'],
  [/, busy <n> % of the time/g, ''],
  [/, (?:asked|tried) again in <duration>/g, ''],
  [/ \(<n> of the last <n> [a-z ]+\)/g, ''],
  [/[ \t]+/g, ' '],
  [/^ | $/g, ''],
];

export function shapeOf(line: string): string {
  return MASKS.reduce((text, [pattern, by]) => text.replace(pattern, by), line);
}

/** A line with at least four blanks in front belongs to the line above: a long line that was broken, or a field of it. */
export function joinLines(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (const line of lines) {
    if (/^ {4,}\S/.test(line) && joined.length > 0) joined.push(`${joined.pop()} ${line.trim()}`);
    else joined.push(line);
  }
  return joined;
}

const ANY = '…';

/** Whether a line of a page describes a line that a program wrote. */
export function fits(page: string, written: string): boolean {
  const parts = page.split(ANY).map((part) => shapeOf(part));
  if (parts.length === 1) return parts[0] === shapeOf(written);
  // A cut may fall into a number; what is left of it is compared as it stands.
  const pattern = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*');
  return new RegExp(`^${pattern}$`).test(shapeOf(written));
}

export type Match = { readonly is: 'whole'; readonly used: number } | { readonly is: 'so far' } | { readonly is: 'different' };

/**
 * Whether a program has written what a page shows, both joined.
 * @param known lines that may be repeated anywhere, for a program that goes on writing; undefined where every line counts
 * @returns `whole` with the number of written lines up to the last that is shown; `so far` when more may come
 */
export function match(page: readonly string[], written: readonly string[], known?: readonly string[]): Match {
  let at = 0;
  let open = false;
  for (const expected of page) {
    if (expected === ANY) {
      open = true;
      continue;
    }
    for (; ; at += 1) {
      const line = written[at];
      if (line === undefined) return { is: 'so far' };
      if (fits(expected, line)) break;
      // The last line may not be whole yet.
      const last = at === written.length - 1;
      if (!open && !(known !== undefined && (last || known.some((k) => k !== ANY && fits(k, line))))) return { is: 'different' };
    }
    at += 1;
    open = false;
  }
  if (known === undefined && !open && at < written.length) return { is: 'different' };
  return { is: 'whole', used: at };
}

/** Both sides in one column: `-` only the page shows it, `+` only the program wrote it. */
export function difference(page: readonly string[], written: readonly string[]): string {
  // The longest common part, from the back; pages and outputs are short.
  const common = Array.from({ length: page.length + 1 }, () => new Array<number>(written.length + 1).fill(0));
  const length = (i: number, j: number): number => common[i]?.[j] ?? 0;
  const same = (i: number, j: number): boolean => fits(page[i] ?? '', written[j] ?? '');
  for (let i = page.length - 1; i >= 0; i -= 1)
    for (let j = written.length - 1; j >= 0; j -= 1) {
      const row = common[i];
      if (row !== undefined) row[j] = same(i, j) ? 1 + length(i + 1, j + 1) : Math.max(length(i + 1, j), length(i, j + 1));
    }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < page.length || j < written.length) {
    if (i < page.length && j < written.length && same(i, j)) {
      lines.push(`  ${written[j]}`);
      i += 1;
      j += 1;
    } else if (i < page.length && (j === written.length || length(i + 1, j) >= length(i, j + 1))) {
      lines.push(`- ${page[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${written[j]}`);
      j += 1;
    }
  }
  return lines.join('\n');
}

/** What a page shows, with the values of a run. What stands for anything stays. */
export function renewed(page: readonly string[], written: readonly string[]): string[] {
  if (!page.some((line) => line.includes(ANY)) && match(joinLines(page), joinLines(written)).is === 'whole') return [...written];
  // Line by line: a line of the page gets the next one that fits.
  let at = 0;
  return page.map((line) => {
    const next = line.includes(ANY) ? -1 : written.findIndex((w, i) => i >= at && fits(line, w));
    if (next < 0) return line;
    at = next + 1;
    return written[next] ?? line;
  });
}
