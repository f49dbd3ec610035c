/** The recording of the demonstration in the README: small, without scripts and without anything from elsewhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Cell } from '../../../scripts/recording/pseudo-terminal.ts';
import { animation } from '../../../scripts/recording/svg.ts';

const FILE = path.join(import.meta.dirname, '..', '..', '..', 'docs', 'pictures', 'demonstration.svg');

test('the recording is small and works as an image: no script, no font or link from elsewhere', () => {
  const svg = readFileSync(FILE, 'utf8');
  assert.ok(svg.length <= 150_000, `${svg.length} bytes`);
  assert.doesNotMatch(svg, /<script|<foreignObject|@import|@font-face|url\(|\bon\w+=/i);
  assert.deepEqual([...svg.matchAll(/https?:\/\/[^"\s]+/g)].map(String), ['http://www.w3.org/2000/svg']);
  assert.match(svg, /prefers-reduced-motion/);
  assert.ok((svg.match(/@keyframes/g) ?? []).length >= 10);
});

test('the recording shows an alarm, an outage with readings kept, and none lost', () => {
  const svg = readFileSync(FILE, 'utf8');
  for (const words of [/NETWORK connected/, /1 ALARM fridge-warm/, /NETWORK away for \d+ s/, /KEPT [1-9]\d*/, /LOST 0/])
    assert.match(svg, words);
  assert.match(svg, /The [1-9]\d* readings that waited are delivered\. None is lost\./);
  assert.doesNotMatch(svg, /LOST [1-9]/);
});

const cell = (text: string, more: Partial<Cell> = {}): Cell => ({
  ...{ text, colour: undefined, ground: undefined, bold: false, dim: false, inverse: false },
  ...more,
});
const row = (text: string, more: Partial<Cell> = {}) => [...text].map((letter) => cell(letter, more));

test('rows that stay the same are there once, and one picture shows where nothing moves', () => {
  const frames = [
    { rows: [row('same'), row('a <&"> b')], shown: 1000 },
    { rows: [row('same'), row('▁█▄', { colour: 6 })], shown: 3000 },
  ];
  const svg = animation(frames, { columns: 10, rows: 2 }, 'a & b', 1);
  assert.equal(svg.split('>same<').length, 2);
  assert.equal(svg.split('a &lt;&amp;&quot;&gt; b').length, 2);
  assert.match(svg, /@keyframes f0\{0%\{visibility:visible\}25%,100%\{visibility:hidden\}\}/);
  assert.match(svg, /@keyframes f1\{0%\{visibility:hidden\}25%\{visibility:visible\}\}/);
  assert.match(svg, /<g id="f0" visibility="hidden">.*\n<g id="f1">/);
  // Bars of 2, 16 and 8 pixels from one foot.
  assert.match(svg, /d="M4\.2 17v-2m8\.4 2v-16m8\.4 16v-8"/);
});
