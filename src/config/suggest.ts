import { sameMeaning } from './foreign-words.ts';

/** Optimal string alignment distance (insert, delete, replace, swap of neighbours), without regard to case. */
export function distance(a: string, b: string): number {
  const s = a.toLowerCase();
  const t = b.toLowerCase();
  let before: number[] = [];
  let last = Array.from({ length: t.length + 1 }, (_, j) => j);
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    for (let j = 1; j <= t.length; j++) {
      const same = s[i - 1] === t[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[t.length]!;
}

/** The one of `known` that was probably meant, or undefined. Words over 64 letters are not looked at (time is quadratic). */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    if (candidate.length > 64 || Math.abs(candidate.length - word.length) > 3) continue;
    const d = distance(word, candidate);
    if (d < bestDistance && d <= Math.max(1, Math.floor(Math.min(word.length, candidate.length) / 3))) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** `baud_rate`, `Holding` and `data-bits` are the words themselves. */
function spelled(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.slice(0, 64).toLowerCase().replaceAll(/[-_ ]/g, '');
  return known.find((candidate) => plain(candidate) === plain(word));
}

/** The one of `known` that was probably meant: misspelt, or in the word of another program. */
export function meantWord(word: string, known: readonly string[]): string | undefined {
  return spelled(word, known) ?? sameMeaning(word, known) ?? nearest(word, known);
}

/** `; did you mean "baudRate"?`, or the whole list where that is short, or nothing. */
export function hint(word: string, known: Iterable<string>, listed = 12): string {
  // Empty: a key of nothing, which has a fault of its own.
  const all = [...known].filter((name) => name !== '');
  const best = meantWord(word, all);
  if (best !== undefined) return `; did you mean "${best}"?`;
  if (all.length === 0 || all.length > listed) return '';
  return `; write one of: ${all.join(', ')}`;
}
