/** The palette is whole: each node has its texts in each language, its help, an example, and its page in the reference. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { forEditor, template } from '../../../../scripts/palette/dialog.ts';
import { referencePage } from '../../../../scripts/palette/page.ts';
import { catalogue, help, LANGUAGES } from '../../../../scripts/palette/words.ts';
import { defaultsOf, SHEETS } from '../../../../src/node-red/palette/sheets/all.ts';
import { COMMON, type Sheet, STATUSES, TYPES, UNITS, type Words } from '../../../../src/node-red/palette/sheets/sheet.ts';

const root = path.join(import.meta.dirname, '..', '..', '..', '..');
const palette = path.join(root, 'src', 'node-red', 'palette');

function isWords(value: object): value is Words {
  return 'en' in value && 'bn' in value;
}
/** Every text of a description, with where it stands. */
function wordsIn(value: unknown, where: string): [string, Words][] {
  if (typeof value !== 'object' || value === null) return [];
  if ('en' in value || 'bn' in value)
    return isWords(value) ? [[where, value]] : [[`${where} lacks a language`, { en: '', bn: '' }]];
  return Object.entries(value).flatMap(([key, one]) => wordsIn(one, `${where}.${key}`));
}

/** Texts that are the same in both: paths, names of points, what a message holds. */
const SAME = /^(<code>[^<]+<\/code>|[/\w.-]+)$/;

test('every text of the palette is in English and in Bangla', () => {
  const all = [
    ...SHEETS.flatMap((sheet) => wordsIn(sheet, sheet.file)),
    ...wordsIn({ COMMON, STATUSES, TYPES, UNITS }, 'common'),
  ];
  assert.ok(all.length > 200, `${all.length} texts`);
  const faults = all.flatMap(([where, { en, bn }]) => {
    if (en.trim() === '' || bn.trim() === '') return [`${where}: empty`];
    if (/[\u0980-\u09ff]/.test(en)) return [`${where}: Bangla in the English text`];
    return SAME.test(en) ? [] : /[\u0980-\u09ff]/.test(bn) ? [] : [`${where}: "${bn}" is not Bangla`];
  });
  assert.deepEqual(faults, []);
});

test('both languages of a text name the same places, codes and properties', () => {
  const codes = (text: string): string[] =>
    [...text.matchAll(/<code>([^<]*)<\/code>|__\w+__|msg\.\w+/g)].map(([one]) => one).sort();
  for (const [where, { en, bn }] of [...SHEETS.flatMap((sheet) => wordsIn(sheet, sheet.file)), ...wordsIn(COMMON, 'common')])
    assert.deepEqual(codes(bn), codes(en), where);
});

test('a status text has fewer than 20 characters in each language', () => {
  for (const words of Object.values(STATUSES))
    for (const language of LANGUAGES) assert.ok([...words[language]].length < 20, words[language]);
});

test('every status that the runtime sends has its words, and none is left over', () => {
  const sources = globSync('runtime/*.ts', { cwd: palette }).map((file) => readFileSync(path.join(palette, file), 'utf8'));
  const sent = sources.flatMap((text) =>
    [...text.matchAll(/shape: '(?:dot|ring)', text: '([^']+)'|broken\((?:bad.length > 0 \? '([^']+)' : )?'([^']+)'\)/g)].flatMap(
      ([, a, b, c]) => [a, b, c].filter((one) => one !== undefined),
    ),
  );
  assert.deepEqual([...new Set(sent)].sort(), Object.keys(STATUSES).sort());
});

test('every text that a dialog or its script asks for is in the catalogue', () => {
  const editor = globSync('editor/*.ts', { cwd: palette }).map((file) => readFileSync(path.join(palette, file), 'utf8'));
  const asked = editor.flatMap((text) => [...text.matchAll(/'([cteupo]\.\w+)'/g)].map(([, key = '']) => key));
  assert.ok(asked.length > 5);
  for (const sheet of SHEETS) {
    for (const language of LANGUAGES) {
      const words: unknown = catalogue(sheet, language);
      const find = (key: string): unknown =>
        key.split('.').reduce((at: unknown, part) => (at as Record<string, unknown> | undefined)?.[part], words);
      // Several keys of one element stand behind each other: `c.unit;[aria-label]c.unit`.
      const inDialog = [...template(sheet).matchAll(/data-i18n="([^"]+)"/g)].flatMap(([, keys = '']) =>
        keys.split(';').map((key) => key.replace(/^\[[\w-]+\]/, '')),
      );
      assert.ok(inDialog.length > 0);
      for (const key of [...inDialog, ...asked, 'label'])
        assert.equal(typeof find(key), 'string', `${sheet.file} ${language} ${key}`);
    }
  }
});

test('the dialog has a field for each property, and the defaults are those of the description', () => {
  for (const sheet of SHEETS) {
    const page = template(sheet);
    const prefix = sheet.config === true ? 'node-config-input' : 'node-input';
    for (const key of ['name', ...(sheet.config === true ? [] : ['gateway']), ...sheet.properties.map(({ key }) => key)])
      assert.ok(new RegExp(`id="${prefix}-${key}(-list|-0)?"`).test(page), `${sheet.file} ${key}`);
    for (const key of Object.keys(defaultsOf(sheet)).filter((one) => /(Type|Unit)$/.test(one)))
      assert.ok(page.includes(`id="${prefix}-${key}"`), `${sheet.file} ${key}`);
    const { defaults } = forEditor(sheet) as { defaults: object };
    assert.deepEqual(defaults, defaultsOf(sheet));
    assert.ok(!('token' in defaults), 'a credential is no property');
  }
});

test('the help of a node names each property and each part of its messages', () => {
  for (const sheet of SHEETS) {
    for (const language of LANGUAGES) {
      const text = help(sheet, language);
      assert.ok(text.includes(`data-help-name="${sheet.type}"`));
      for (const { label } of sheet.properties)
        assert.ok(text.includes(`<dt>${label[language]}</dt>`), `${sheet.file} ${label.en}`);
      for (const { key } of [...sheet.takes, ...sheet.sends]) assert.ok(text.includes(`>${key} <span`), `${sheet.file} ${key}`);
      const open = [...text.matchAll(/<(\w+)[ >]/g)].map(([, tag]) => tag).sort();
      assert.deepEqual([...text.matchAll(/<\/(\w+)>/g)].map(([, tag]) => tag).sort(), open, sheet.file);
    }
  }
});

interface ExampleNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly [key: string]: unknown;
}

test('every node is in an example, with all of its properties', () => {
  const files = globSync('examples/*.json', { cwd: palette });
  const seen = new Set<string>();
  const ids: string[] = [];
  for (const file of files) {
    const nodes = JSON.parse(readFileSync(path.join(palette, file), 'utf8')) as ExampleNode[];
    const here = new Set(nodes.map(({ id }) => id));
    ids.push(...here);
    for (const node of nodes) {
      for (const to of node.wires?.flat() ?? []) assert.ok(here.has(to), `${file}: ${node.id} leads to ${to}`);
      const sheet: Sheet | undefined = SHEETS.find(({ type }) => type === node.type);
      if (sheet === undefined) continue;
      seen.add(sheet.file);
      for (const key of Object.keys(defaultsOf(sheet))) assert.ok(key in node, `${file}: ${node.id} lacks ${key}`);
      assert.ok(!('credentials' in node), file);
    }
  }
  assert.deepEqual([...seen].sort(), SHEETS.map(({ file }) => file).sort());
  assert.equal(new Set(ids).size, ids.length, 'an id is in two examples');
});

test('the page of the reference is up to date', () => {
  assert.equal(
    readFileSync(path.join(root, 'docs', 'reference', 'palette.md'), 'utf8'),
    referencePage(),
    'run node scripts/generate-docs.ts',
  );
});
