/** Pages, comments of configurations and messages are plain technical English: scripts/check-language.ts has the rules. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  COMMENTS,
  EXCEPTIONS,
  excepted,
  formatLanguageFault,
  languageFaults,
  MESSAGES,
  needsException,
  PAGES,
  PICTURES,
} from '../../../scripts/check-language.ts';
import { faultsOf } from '../../../scripts/language/rules.ts';
import { commentSentences, messageSentences, pageSentences } from '../../../scripts/language/sentences.ts';

const check = (files: readonly string[]) =>
  languageFaults(files)
    .filter((fault) => !excepted(fault))
    .map(formatLanguageFault);

test('the pages keep the rules of language', () => {
  assert.deepEqual(check(PAGES), []);
  assert.ok(PAGES.length > 50, `${PAGES.length} pages`);
});

test('the texts of the drawings keep the rules of language', () => {
  assert.deepEqual(check(PICTURES), []);
  assert.equal(PICTURES.length, 8);
});

test('the comments of examples, units and the starter configuration keep the rules of language', () => {
  assert.deepEqual(check(COMMENTS), []);
  assert.ok(COMMENTS.length >= 5, `${COMMENTS.length} files`);
});

test('the messages of the code keep the rules of language', () => {
  assert.deepEqual(check(MESSAGES), []);
  assert.ok(MESSAGES.length > 200, `${MESSAGES.length} files`);
});

test('the comments of the code open with their subject', () => {
  const root = path.join(import.meta.dirname, '../../..');
  const files = ['src', 'test', 'bench', 'scripts'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => path.join(folder, name)),
  );
  assert.ok(files.length > 1000, `${files.length} files`);
  const found = files.flatMap((file) =>
    readFileSync(path.join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, i) => (/(?:\/\*\*|\/\/) Of /.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  );
  assert.deepEqual(found, [], 'write the subject first');
});

test('each exception is needed, and says why', () => {
  assert.deepEqual(
    EXCEPTIONS.filter((exception) => !needsException(exception)),
    [],
    'delete these lines of scripts/language/exceptions.yaml',
  );
  for (const { why } of EXCEPTIONS) assert.match(why, /\w+ \w+ \w+/);
});

test('a page has sentences in paragraphs, lists, headings and cells, and none in code', () => {
  const page = [
    '# Title of `it`',
    '',
    'First sentence',
    'ends here. The [second](x.md) is **short**.',
    '',
    '- An item. It has two sentences.',
    '',
    '| a cell | another. With two |',
    '',
    '```console',
    'Never is this read.',
    '```',
    '<!-- Never is this read. -->',
  ].join('\n');
  assert.deepEqual(
    pageSentences(page).map(({ line, text }) => `${line} ${text}`),
    [
      '1 Title of CODE',
      '3 First sentence ends here.',
      '3 The second is short.',
      '6 An item.',
      '6 It has two sentences.',
      '8 a cell',
      '8 another.',
      '8 With two',
    ],
  );
});

test('comments are read without the lines of configuration that are commented out', () => {
  const text = ['# One sentence', '# in two lines.', '# key: value', 'unit: 1   # behind a key', 'name: a#b'].join('\n');
  assert.deepEqual(
    commentSentences(text).map(({ line, text }) => `${line} ${text}`),
    ['1 One sentence in two lines.', '4 behind a key'],
  );
});

test('messages are literals of three words, without SQL, imports and lists of words', () => {
  const code = [
    "import x from 'a module of words';",
    "db.prepare('select a from b where c');",
    "const list = 'volt ampere watt'.split(' ');",
    'throw new Error(`$' + '{file} cannot be read; look at $' + '{other}`);',
    "const short = 'two words';",
  ].join('\n');
  assert.deepEqual(
    messageSentences('x.ts', code).map(({ line, text }) => `${line} ${text}`),
    ['4 CODE cannot be read;', '4 look at CODE'],
  );
});

const WRONG: Record<string, RegExp> = {
  'Over is it when it is believed again.': /subject first/,
  'Never is a number used twice.': /subject first/,
  'Only then does it leave.': /subject first/,
  'Of the readings the newest stay.': /subject first/,
  'What nobody has got is lost.': /name the thing/,
  'An event tells the number.': /reported/,
  'The slave does not answer.': /device/,
  'Whoever reads it knows.': /name the person/,
  'The tag has a value.': /point/,
  'The command shows shows every device.': /word once/,
};
for (const [sentence, why] of Object.entries(WRONG)) {
  test(`the rules refuse: ${sentence}`, () => {
    assert.match(faultsOf(sentence, 'page').join(), why);
  });
}

test('a sentence has at most 25 words', () => {
  assert.deepEqual(faultsOf(`${'one word '.repeat(12)}end.`, 'message'), []);
  assert.match(faultsOf(`${'one word '.repeat(12)}the end.`, 'message').join(), /26 words, at most 25/);
});
