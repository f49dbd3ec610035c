/** The list at the end of a line to a client: as many entries as a line may have bytes. A text of a reading may be mostly escapes. */
import { LONGEST_OUT } from './limits.ts';

/** For the other parts of the line. */
const SPARE = 1024;

export class LineTexts {
  #texts: string[] = [];
  #left = LONGEST_OUT - SPARE;

  get size(): number {
    return this.#texts.length;
  }

  /** The first one always has its place. @returns false: the line is full, and the entry is not in it */
  add(entry: unknown): boolean {
    const text = JSON.stringify(entry);
    const bytes = Buffer.byteLength(text) + 1;
    if (bytes > this.#left && this.#texts.length > 0) return false;
    this.#left -= bytes;
    this.#texts.push(text);
    return true;
  }

  /** JSON of the list, which is empty after that. */
  take(): string {
    const text = `[${this.#texts.join(',')}]`;
    this.#texts = [];
    this.#left = LONGEST_OUT - SPARE;
    return text;
  }
}
