/** Long lists in slices: an old phone draws some dozens of rows, and more when they are asked for. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { CountKey } from '../words/words.ts';
import { useShell } from './shell.ts';

export interface Slice<T> {
  readonly shown: readonly T[];
  readonly left: number;
  more(): void;
}

export function useSlice<T>(items: readonly T[], size: number): Slice<T> {
  const [slices, setSlices] = useState(1);
  const shown = items.slice(0, slices * size);
  return { shown, left: items.length - shown.length, more: () => setSlices(slices + 1) };
}

/** @param words of the button; `{n}` is what it adds */
export function More<T>({ slice, size, words }: { slice: Slice<T>; size: number; words: CountKey }): JSX.Element | null {
  const shell = useShell();
  if (slice.left === 0) return null;
  return (
    <button type="button" class="more" onClick={slice.more}>
      {shell.words.count(words, Math.min(size, slice.left))}
    </button>
  );
}
