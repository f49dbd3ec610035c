/**
 * YAML text to plain data that knows where each value stands.
 *
 * - No input throws: whatever is wrong with the text becomes faults.
 * - Everything is bounded: bytes (checked before reading), nesting, and the number of values after anchors are expanded.
 * - Keys are text, each once per map; `<<` merges other maps under the written keys.
 */
import type { Node, Pair, Range, YAMLMap } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Fault, Path } from './fault.ts';
import { pathText, shownText } from './fault.ts';
import { readSmallFile } from './small-file.ts';
import { yamlFaults } from './yaml-faults.ts';
import { offsetInside } from './yaml-text.ts';
import { isSecret, NO_ANCHOR, shownValue } from './yaml-words.ts';

export const MAX_FILE_BYTES = 1024 * 1024;
/**
 * What may cost the parser memory: signs that make a node or a token, about 1 kB each. With this bound the worst text fits
 * into the heap that a running gateway has left (60 of 96 MB); without it a reload of 130 kB could end the process.
 */
const MAX_SIGNS = 40_000;
const SIGN = /[,[\]{}?#&*!\n]|:\s|-\s/g;
const MAX_DEPTH = 40;
const MAX_VALUES = 100_000;

export interface Position {
  readonly line: number;
  readonly column: number;
}

export class YamlSource {
  readonly file: string;
  /** Plain data; undefined when the text could not be read as YAML. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  readonly #text: string;
  readonly #root: Node | null;
  readonly #lines: LineCounter;
  readonly #targets: WeakMap<object, Node>;

  constructor(
    file: string,
    read: {
      value: unknown;
      faults: Fault[];
      text?: string;
      root: Node | null;
      lines: LineCounter;
      targets: WeakMap<object, Node>;
    },
  ) {
    this.file = file;
    this.value = read.value;
    this.faults = read.faults;
    this.#text = read.text ?? '';
    this.#root = read.root;
    this.#lines = read.lines;
    this.#targets = read.targets;
  }

  /** The text, where it could be read. */
  get text(): string {
    return this.#text;
  }

  /** Where the value at `path` stands (or its key, with `key`); the nearest thing around it when it is not there. */
  position(path: Path, want: 'value' | 'key' = 'value'): Position {
    return toPosition(this.#lines, this.#find(path, want).at?.[0] ?? 0);
  }

  /** A single value as it is written, without quotes (`0x10`, `007`); undefined for anything else. */
  written(path: Path): string | undefined {
    const { node } = this.#find(path, 'value');
    return isScalar(node) ? (node.source ?? String(node.value)) : undefined;
  }

  /** Where a single value lies in the text, with its quotes: from, to, in letters. The mark at the front of a file counts none. */
  range(path: Path): readonly [from: number, to: number] | undefined {
    const { node } = this.#find(path, 'value');
    return isScalar(node) && node.range ? [node.range[0], node.range[1]] : undefined;
  }

  /** Where a letter of the text at `path` stands. @param offset letters of the text before it */
  positionInside(path: Path, offset: number): Position {
    const { node, at } = this.#find(path, 'value');
    const text = isScalar(node) ? node.value : undefined;
    const start = node?.range?.[0] ?? at?.[0] ?? 0;
    if (typeof text !== 'string') return toPosition(this.#lines, start);
    return toPosition(this.#lines, offsetInside(this.#text, start, node?.range?.[1] ?? start, text, offset));
  }

  #find(path: Path, want: 'value' | 'key'): { at: Range | null | undefined; node: Node | null } {
    let node: Node | null = this.#root;
    let at: Range | null | undefined = node?.range;
    for (const [depth, step] of path.entries()) {
      node = resolveAlias(node, this.#targets);
      if (isMap(node)) {
        const pair = findPair(node, String(step), this.#targets);
        if (pair === undefined) return { at, node: null };
        const isLast = depth === path.length - 1;
        const value = pair.value as Node | null;
        const empty = value === null || (isScalar(value) && value.value === null && value.range?.[0] === value.range?.[1]);
        at = (isLast && want === 'key') || empty || isMap(value) || isSeq(value) ? (pair.key as Node).range : value.range;
        node = value;
      } else if (isSeq(node)) {
        const item = node.items[Number(step)] as Node | undefined;
        if (item === undefined) return { at, node: null };
        at = item.range ?? at;
        node = item;
      } else return { at, node: null };
    }
    return { at, node: resolveAlias(node, this.#targets) };
  }

  faultInside(path: Path, message: string, offset: number): Fault {
    return { file: this.file, ...this.positionInside(path, offset), path: pathText(path), message: shownText(message) };
  }

  fault(path: Path, message: string, want: 'value' | 'key' = 'value'): Fault {
    return { file: this.file, ...this.position(path, want), path: pathText(path), message: shownText(message) };
  }
}

/** What a person does who has no configuration yet. */
export const NO_CONFIG = '; `sluice init` writes a starter configuration';

/**
 * Reads a file; never throws. Size is checked before a byte is read.
 * @param advice where the file is not there, or has nothing in it
 */
export function readYamlFile(file: string, advice = ''): YamlSource {
  let bytes: Buffer;
  try {
    const read = readSmallFile(file, MAX_FILE_BYTES);
    if (read.kind === 'folder') return refused(file, 'this is a folder, not a file; name the YAML file itself');
    if (read.kind === 'other') return refused(file, 'this is not an ordinary file; name a YAML file');
    if (read.kind === 'large') {
      const mb = (read.size / 1024 ** 2).toFixed(1);
      return refused(file, `the file has ${mb} MB and was not read; at most 1 MB is allowed (is this the right file?)`);
    }
    bytes = read.bytes;
  } catch (error) {
    return refused(file, readWords(error, advice));
  }
  return parseYamlBytes(file, bytes, advice);
}

export function parseYamlBytes(file: string, bytes: Uint8Array, advice = ''): YamlSource {
  if (bytes.length > MAX_FILE_BYTES) return refused(file, 'the text is longer than 1 MB, which is the most that is allowed');
  const [a, b] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
    return refused(file, 'the file is saved as UTF-16; save it as UTF-8 ("Encoding: UTF-8" in the editor)');
  const nul = bytes.indexOf(0);
  if (nul !== -1) {
    const line = bytes.subarray(0, nul).filter((byte) => byte === 10).length + 1;
    return refused(file, 'there is a NUL byte here: the file is damaged or not a text file; write it again', line);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refused(file, 'the file is not UTF-8 text; save it as UTF-8', firstBadLine(bytes));
  }
  return parseYamlText(file, text, advice);
}

export function parseYamlText(file: string, text: string, advice = ''): YamlSource {
  const lines = new LineCounter();
  const targets = new WeakMap<object, Node>();
  const faults: Fault[] = [];
  const at = (offset: number, message: string) =>
    faults.push({ file, ...toPosition(lines, offset), path: '', message: shownText(message) });
  const clean = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (tooMany(clean))
    return refused(
      file,
      `the file holds more than ${MAX_SIGNS.toLocaleString('en')} keys, values and lines and was not read; is this the right file? Points that devices share belong in a profile`,
    );
  if (clean.includes('\0')) return refused(file, 'there is a NUL character in the text; remove it');
  try {
    const doc = parseDocument(clean, {
      lineCounter: lines,
      uniqueKeys: false,
      merge: true,
      // One meaning whatever the file says of itself: `%YAML 1.1` would make `no` false and 010 eight.
      schema: 'core',
      prettyErrors: false,
      keepSourceTokens: false,
    });
    for (const { offset, message } of yamlFaults(doc, clean)) at(offset, message);
    const root = doc.contents as Node | null;
    if (faults.length > 0) return new YamlSource(file, { value: undefined, faults, root, lines, targets });
    if (root === null || (isScalar(root) && root.value === null)) {
      if (/\r(?!\n)/.test(clean))
        return refused(file, 'each line ends with a CR alone, which begins no new line; save it with line ends LF');
      return refused(file, `the file is empty${advice}`);
    }
    const anchors = new Map<string, Node>();
    visit(doc, {
      Alias: (_, node) => {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
        else at(node.range?.[0] ?? 0, NO_ANCHOR);
      },
      Value: (_, node) => {
        if ('anchor' in node && node.anchor) anchors.set(node.anchor, node);
      },
    });
    const value = new Converter(at, (offset) => toPosition(lines, offset).line, targets).value(root, 0);
    return new YamlSource(file, { value: faults.length > 0 ? undefined : value, faults, text: clean, root, lines, targets });
  } catch (error) {
    const words =
      error instanceof TooMuch
        ? error.message
        : error instanceof RangeError
          ? 'the brackets or indents are nested too deeply to be read'
          : `this cannot be read as YAML: ${error instanceof Error ? error.message : String(error)}`;
    return refused(file, words);
  }
}

function tooMany(text: string): boolean {
  if (text.length <= MAX_SIGNS) return false;
  SIGN.lastIndex = 0;
  let count = 0;
  while (SIGN.test(text)) if (++count > MAX_SIGNS) return true;
  return false;
}

class TooMuch extends Error {}

class Converter {
  #count = 0;
  readonly #at: (offset: number, message: string) => void;
  readonly #line: (offset: number) => number;
  readonly #targets: WeakMap<object, Node>;

  constructor(at: (offset: number, message: string) => void, line: (offset: number) => number, targets: WeakMap<object, Node>) {
    this.#at = at;
    this.#line = line;
    this.#targets = targets;
  }

  /** @param key behind which it stands */
  value(written: Node | null, depth: number, key = ''): unknown {
    if (++this.#count > MAX_VALUES) throw new TooMuch('the file holds too many values (100,000 once anchors are expanded)');
    if (depth > MAX_DEPTH)
      throw new TooMuch(`the file is nested more than ${MAX_DEPTH} levels deep; is an anchor used inside itself?`);
    const node = resolveAlias(written, this.#targets);
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) return node.items.map((item) => this.value(item as Node | null, depth + 1, key));
    if (isScalar(node) && node.type === 'PLAIN' && /^[“”„‘’«]/.test(node.source ?? ''))
      this.#at(
        node.range?.[0] ?? 0,
        `these quotes come from a word processor; write the straight ones: "${shownValue(key, (node.source ?? '').slice(0, 60).replaceAll(/[“”„‘’«»"]/g, ''))}"`,
      );
    if (isScalar(node)) return typeof node.value === 'bigint' ? Number(node.value) : node.value;
    return null;
  }

  #map(map: YAMLMap, depth: number): Record<string, unknown> {
    // Without a prototype: `constructor` or `__proto__` as a key is nothing but a key.
    const result: Record<string, unknown> = Object.create(null);
    const first = new Map<string, number>();
    const merged: Record<string, unknown>[] = [];
    for (const pair of map.items) {
      const key = keyOf(pair);
      const offset = (pair.key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0;
      if (key === undefined) {
        this.#at(offset, 'a key must be a word; put text that begins with { or [ in quotes');
        continue;
      }
      // In braces, a secret whose colon is missing or glued: it would be shown as a key that nobody knows.
      const [, head] = isPlainAlone(pair) && isSecret(key) ? (/^([\w-]+)[^\w-]/.exec(key) ?? []) : [];
      if (head !== undefined) {
        this.#at(offset, `a colon and a space stand behind a key; write "${head}: …"`);
        continue;
      }
      const value = this.value(pair.value as Node | null, depth + 1, key);
      if (key === '<<') {
        for (const item of Array.isArray(value) ? value : [value]) {
          if (typeof item === 'object' && item !== null && !Array.isArray(item)) merged.push(item as Record<string, unknown>);
          else if (!isAlias(pair.value) || resolveAlias(pair.value, this.#targets) !== null)
            this.#at(offset, '`<<` takes the keys of other maps; write *name of an anchored map behind it');
        }
        continue;
      }
      if (first.has(key)) {
        const line = this.#line(first.get(key) ?? 0);
        this.#at(offset, `"${key}" is written twice in the same section, first in line ${line}; keep one of them`);
        continue;
      }
      first.set(key, offset);
      result[key] = value;
    }
    for (const item of merged) for (const [key, value] of Object.entries(item)) if (!(key in result)) result[key] = value;
    return result;
  }
}

/** A word without a value. */
function isPlainAlone({ key, value }: Pair): boolean {
  const isEmpty = value === null || (isScalar(value) && value.value === null && (value.source ?? '') === '');
  return isEmpty && isScalar(key) && key.type === 'PLAIN';
}

function keyOf(pair: Pair): string | undefined {
  const key = pair.key;
  // Numbers as keys keep the way they are written (`1.0:` is the key "1.0").
  return isScalar(key) ? (key.source ?? String(key.value)) : undefined;
}

/** Positions are asked for once a fault: a search through all keys for each would take minutes. */
const indexed = new WeakMap<YAMLMap, Map<string, Pair>>();
function pairsOf(map: YAMLMap): Map<string, Pair> {
  let index = indexed.get(map);
  if (index === undefined) {
    index = new Map();
    for (const pair of map.items) {
      const key = keyOf(pair);
      if (key !== undefined && !index.has(key)) index.set(key, pair);
    }
    indexed.set(map, index);
  }
  return index;
}

function findPair(map: YAMLMap, key: string, targets: WeakMap<object, Node>, depth = 0): Pair | undefined {
  const own = pairsOf(map).get(key);
  if (own !== undefined || depth > MAX_DEPTH) return own;
  for (const pair of map.items) {
    if (keyOf(pair) !== '<<') continue;
    const value = resolveAlias(pair.value as Node | null, targets);
    for (const item of isSeq(value) ? value.items : [value]) {
      const from = resolveAlias(item as Node | null, targets);
      const found = isMap(from) ? findPair(from, key, targets, depth + 1) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function resolveAlias(node: Node | null, targets: WeakMap<object, Node>): Node | null {
  let now = node;
  for (let i = 0; i < MAX_DEPTH && isAlias(now); i++) now = targets.get(now) ?? null;
  return isAlias(now) ? null : now;
}

function toPosition(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function refused(file: string, message: string, line = 1): YamlSource {
  const faults = [{ file, line, column: 1, path: '', message }];
  return new YamlSource(file, { value: undefined, faults, root: null, lines: new LineCounter(), targets: new WeakMap() });
}

function readWords(error: unknown, advice: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return `there is no such file${advice}`;
  if (code === 'EACCES') return 'this user may not read the file; check its owner and mode (ls -l)';
  return `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

function firstBadLine(bytes: Uint8Array): number {
  const strict = new TextDecoder('utf-8', { fatal: true });
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(10, start);
    try {
      strict.decode(bytes.subarray(start, end === -1 ? undefined : end));
    } catch {
      return line;
    }
    if (end === -1) return 1;
    start = end + 1;
  }
}
