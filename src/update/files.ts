/** Small files of an update, as they may be after a power cut. */
import { readFileSync, statSync } from 'node:fs';

/** undefined: there is no such file, or it is no file, or it is longer than `most`. */
export function readBounded(file: string, most: number): Buffer | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size <= most ? readFileSync(file) : undefined;
}

/** JSON of a file of ours; undefined where it is missing or damaged. */
export function readJson(file: string, most: number): unknown {
  try {
    return JSON.parse(readBounded(file, most)?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
}
