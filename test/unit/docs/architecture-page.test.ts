/** docs/architecture.md leads to places that exist: each file, folder, class and function that it names is looked for. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const PAGE = read('docs/architecture.md');
const sources = globSync('src/**/*.ts', { cwd: root });
const codeOf = (line: string) => [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
const words = codeOf(PAGE.replace(/^```.*?^```/gms, ''));
const isPath = (word: string) =>
  /^[\w<>./-]+$/.test(word) && (/^(src|test|docs|scripts|hardware-profiles)\b/.test(word) || word.endsWith('.ts'));

/** A whole path; a bare file name stands for one anywhere in `src`. */
function exists(word: string): boolean {
  if (!word.includes('/') && word.endsWith('.ts')) return sources.some((file) => path.basename(file) === word);
  return word.includes('<') ? globSync(word.replace(/<\w+>/g, '*'), { cwd: root }).length > 0 : existsSync(path.join(root, word));
}

/** A class, an interface, a type, a function or a constant with one of these names; `Class.method` is looked for in that class. */
function isDefined(text: string, name: string): boolean {
  const [owner = '', member] = name.split('.');
  const defined = new RegExp(`\\b(?:class|interface|type|function|const) ${owner}\\b`).test(text);
  return defined && (member === undefined || new RegExp(`^ +(?:readonly |async |get )*\\*?${member}\\b[(<:? ]`, 'm').test(text));
}

test('each file and folder that docs/architecture.md names exists', () => {
  const paths = words.filter(isPath);
  assert.ok(paths.length > 60, `${paths.length} paths`);
  assert.deepEqual(
    paths.filter((word) => !exists(word)),
    [],
  );
});

test('each class and function that docs/architecture.md names is defined', () => {
  const texts = sources.map(read);
  const names = words.filter((word) => /^[A-Z]\w+(\.[a-z]\w*)?$/.test(word) && word !== 'EventEmitter');
  const inside = words.filter((word) => /^[a-z]+[A-Z]\w*$/.test(word));
  assert.ok(names.length > 25, `${names.length} names`);
  assert.deepEqual(
    names.filter((name) => !texts.some((text) => isDefined(text, name))),
    [],
  );
  assert.deepEqual(
    inside.filter((name) => !texts.some((text) => new RegExp(`\\b${name}\\b[(<:? ]`).test(text))),
    [],
  );
});

/** The files of every row whose question has these words, and those that its last cell names. */
function filesFor(question: RegExp): string[] {
  const rows = [...PAGE.matchAll(/^\| ([^|]+) \| `(src\/[^`|]+\.ts)` \| ([^|]+) \|$/gm)].filter(([, asked = '']) =>
    question.test(asked),
  );
  const beside = (file: string, cell: string) =>
    codeOf(cell)
      .filter((word) => word.endsWith('.ts'))
      .map((word) => (word.includes('/') ? word : path.join(path.dirname(file), word)));
  return rows.flatMap(([, , file = '', cell = '']) => [file, ...beside(file, cell)]);
}

/** What a newcomer looks for first: the row of the page leads to the file in which it happens, and no such file is missing. */
for (const [question, asked, deed, within] of [
  ['where a lane is decided', /\blane decided/, /this\.#fixed = /, /^src\/store\/delivery\//],
  [
    'where a payload gets its topic',
    /\btopic chosen/,
    /(?:topic: |const topic = )[^\n]*(?:\$\{root|\.root\}|channel\()/,
    /^src\/forwarders\/(?:mqtt\/dialects\/json|broker)\//,
  ],
  [
    'where a write is refused',
    /\bwrite refused|\border of writes/,
    /SluiceError\(\s*'write-refused'/,
    /^src\/(?:drivers|control|codecs)\//,
  ],
] as const)
  test(`docs/architecture.md leads to ${question}`, () => {
    const named = filesFor(asked);
    const doers = sources.filter((file) => within.test(file) && deed.test(read(file)));
    assert.ok(doers.length > 0, 'the deed is found in the sources');
    assert.deepEqual(
      doers.filter((file) => !named.includes(file)),
      [],
      'each file that does it is named',
    );
    assert.deepEqual(
      named.filter((file) => !existsSync(path.join(root, file))),
      [],
    );
  });

test('each row of "Where is …?" names a file, and what that file defines', () => {
  const rows = [...PAGE.matchAll(/^\| [^|]+ \| `(src\/[^`|]+\.ts)` \| ([^|]+) \|$/gm)];
  assert.ok(rows.length >= 15, `${rows.length} rows`);
  for (const [row, file = '', cell = ''] of rows) {
    const [first = ''] = codeOf(cell);
    assert.ok(isDefined(read(file), first), `${file} does not define ${first}: ${row}`);
  }
});
