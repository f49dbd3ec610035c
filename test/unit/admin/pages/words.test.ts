/** Every text of the status page is in the catalogue, in each language. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import ts from 'typescript';
import { en } from '../../../../src/admin/pages/words/en.ts';
import { CATALOGUES, LANGUAGES, type WordKey, Words } from '../../../../src/admin/pages/words/words.ts';
import { ALARM_STATES, SEVERITIES } from '../../../../src/core/alarm.ts';
import { REASONS } from '../../../../src/core/reasons.ts';

const PAGES = path.join(import.meta.dirname, '../../../../src/admin/pages');
const SOURCES = globSync('**/*.{ts,tsx}', { cwd: PAGES, exclude: ['words/en.ts', 'words/bn.ts'] }).sort();
const KEYS = Object.keys(en) as WordKey[];

/** Attributes whose value a reader sees or hears. */
const READ_ATTRIBUTES = new Set(['title', 'alt', 'placeholder', 'label', 'aria-label', 'aria-description', 'aria-valuetext']);
const LETTERS = /\p{L}{2,}/u;
/** Two words and a space between them: no key, class list of one word, path or code looks like that. */
const SENTENCE = /\p{L}{2,} \p{L}{2,}/u;

/** Whether a text may become what an element shows: `{'text'}`, `{a ? 'text' : b}`, `{a && 'text'}`. */
function isDrawn(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isJsxExpression(parent)) return !ts.isJsxAttribute(parent.parent);
  if (ts.isConditionalExpression(parent)) return parent.condition !== node && isDrawn(parent);
  if (ts.isParenthesizedExpression(parent)) return isDrawn(parent);
  const chooses = [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken];
  return ts.isBinaryExpression(parent) && chooses.includes(parent.operatorToken.kind) && isDrawn(parent);
}

/** Texts that stand in the code, `line: text`. */
function strays(name: string, text: string): string[] {
  const file = ts.createSourceFile(
    name,
    text,
    ts.ScriptTarget.Latest,
    true,
    name.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  );
  const found: string[] = [];
  const note = (node: ts.Node, words: string): void => {
    found.push(`${name}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${words.trim()}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node) && LETTERS.test(node.text)) note(node, node.text);
    if (ts.isJsxAttribute(node)) {
      const attribute = node.name.getText();
      const value = node.initializer;
      if (READ_ATTRIBUTES.has(attribute) && value !== undefined && ts.isStringLiteral(value) && LETTERS.test(value.text))
        note(value, value.text);
      if (attribute === 'class') return;
    }
    if (ts.isStringLiteralLike(node) && (SENTENCE.test(node.text) || (isDrawn(node) && LETTERS.test(node.text))))
      note(node, node.text);
    if (ts.isTemplateExpression(node))
      for (const part of [node.head, ...node.templateSpans.map(({ literal }) => literal)])
        if (SENTENCE.test(part.text)) note(node, part.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

test('each language has every text, with the same places for values', () => {
  const faults: string[] = [];
  for (const language of LANGUAGES) {
    const catalogue = CATALOGUES[language];
    assert.deepEqual(Object.keys(catalogue).sort(), [...KEYS].sort(), language);
    for (const key of KEYS) {
      const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
      if (catalogue[key].trim() === '') faults.push(`${language} ${key} is empty`);
      if (String(places(catalogue[key])) !== String(places(en[key]))) faults.push(`${language} ${key} has other places`);
    }
  }
  assert.deepEqual(faults, []);
});

test('the Bangla texts are Bangla: other letters are in names only', () => {
  const NAMES = /\{\w+\}|Sluice|JavaScript|HTTPS?|MQTT|CSV|Node-RED|"sudo sluice claim"/g;
  const faults = KEYS.filter((key) => {
    const text = CATALOGUES.bn[key].replace(NAMES, '');
    return /[A-Za-z]/.test(text) || (text.trim() !== '' && !/[\u0980-\u09ff]/.test(text));
  });
  assert.deepEqual(faults, []);
});

test('a text with a number has a form for one and for others', () => {
  const faults = KEYS.filter((key) => /\.(one|other)$/.test(key)).filter(
    (key) => !Object.hasOwn(en, key.endsWith('.one') ? key.replace(/one$/, 'other') : key.replace(/other$/, 'one')),
  );
  assert.deepEqual(faults, []);
  const words = new Words('en', false);
  assert.deepEqual(
    [0, 1, 2].map((n) => words.count('overview.silent', n)),
    ['0 devices do not answer', '1 device does not answer', '2 devices do not answer'],
  );
});

test('every reason, alarm state and severity of the gateway has its words', () => {
  const wanted = [
    ...REASONS.map(({ name }) => `reason.${name}`),
    ...ALARM_STATES.map((state) => `alarms.state.${state}`),
    ...SEVERITIES.map((severity) => `alarms.severity.${severity}`),
  ];
  assert.deepEqual(
    wanted.filter((key) => !Object.hasOwn(en, key)),
    [],
  );
});

test('no text of the page stands in its code', () => {
  assert.ok(SOURCES.length > 20);
  assert.deepEqual(
    SOURCES.flatMap((name) => strays(name, readFileSync(path.join(PAGES, name), 'utf8'))),
    [],
  );
});

test('the search for texts in the code finds them in every place', () => {
  const code = `const a = <p class="two words" title="Hello">Some text {b ? 'yes' : t('key.one')} {'word'}</p>;
    const c = 'This is one'; const d = \`It has \${e} in it\`; const f = <input aria-label={g} type="text" />;`;
  assert.deepEqual(
    strays('x.tsx', code).map((line) => line.replace(/^x\.tsx:\d+: /, '')),
    ['Hello', 'Some text', 'yes', 'word', 'This is one', 'It has', 'in it'],
  );
});

test('every text of the catalogue is used', () => {
  const all = SOURCES.map((name) => readFileSync(path.join(PAGES, name), 'utf8')).join('\n');
  const html = readFileSync(path.join(PAGES, 'index.html'), 'utf8');
  const unused = KEYS.filter((key) => {
    const base = key.replace(/\.(one|other)$/, '');
    if (all.includes(`'${base}'`) || all.includes(`"${base}"`)) return false;
    // Keys that are put together: `reason.${…}`.
    const family = key.slice(0, key.lastIndexOf('.'));
    return !all.includes(`\`${family}.\${`);
  });
  assert.deepEqual(unused, ['app.noScript']);
  for (const language of LANGUAGES) assert.ok(html.includes(CATALOGUES[language]['app.noScript']), language);
});
