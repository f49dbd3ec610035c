/** The files beside a configuration that it names: secrets, certificates, profiles. A word in it that is the name of a file there counts. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { isConfigName } from './entries.ts';

const MOST_FILES = 500;

/**
 * @param value the configuration as plain data; undefined names nothing
 * @param onOther a file that lies elsewhere
 * @returns names relative to the folder of the configuration, sorted
 */
export function filesBeside(configFile: string, value: unknown, onOther: (file: string) => void = () => {}): string[] {
  const own = path.resolve(configFile);
  const folder = path.dirname(own);
  const found = new Set<string>();
  walk(value, (text) => {
    if (text.length > 1000 || text.includes('\0')) return;
    const file = path.resolve(folder, text);
    if (file === own || !isFile(file)) return;
    const name = path.relative(folder, file);
    if (!isConfigName(name)) onOther(file);
    else if (found.size < MOST_FILES) found.add(name);
  });
  return [...found].sort();
}

/**
 * The values of a text that cannot be read as YAML, as well as they can be known: each word, and what stands behind a key or a dash.
 * More than there is does no harm, for only names of files count.
 */
export function* wordsOf(text: string): Generator<string> {
  for (const line of withoutComments(text).split(/[\r\n]+/)) {
    yield* line.split(/[\s"'`,;:{}[\]()]+/);
    yield line
      .replace(/^[^:]*:\s|^\s*-\s/, '')
      .trim()
      .replaceAll(/^["']|["']$/g, '');
  }
}

/** A sign # inside of quotes begins none; a word behind it is then lost, which a person sees in the list of what goes. */
export const withoutComments = (text: string): string => text.replaceAll(/(^|\s)#.*$/gm, '$1');

function walk(value: unknown, take: (text: string) => void): void {
  if (typeof value === 'string') take(value);
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) walk(item, take);
}

/** Asked without opening it: the words of a configuration name serial ports too. */
function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
