/** Stack traces of the built program, which is bundled and has short names, with the places of the sources. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';

/**
 * Maps are read here, when something failed, and not by Node from the start, which would keep them in memory.
 * @returns the same text where there is no map, as when the program runs from its sources
 */
export function readableStack(stack: string): string {
  const maps = new Map<string, SourceMap | undefined>();
  return stack.replace(/(?:file:\/\/)?(\/[^():]+\.js):(\d+):(\d+)/g, (place, file: string, line: string, column: string) => {
    if (!maps.has(file)) maps.set(file, mapOf(file));
    const origin = maps.get(file)?.findOrigin(Number(line), Number(column));
    if (origin === undefined || !('fileName' in origin)) return place;
    return `${origin.fileName.replace(/^(\.\.\/)+/, '')}:${origin.lineNumber}:${origin.columnNumber}`;
  });
}

function mapOf(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')));
  } catch {
    return undefined;
  }
}
