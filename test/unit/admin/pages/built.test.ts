/** What the build makes of the status page: small, whole, and of no foreign host. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { buildPages } from '../../../../scripts/build-pages.ts';
import { scratch } from '../../../harness/scratch.ts';

/** Bytes, compressed, of everything but fonts. */
const MOST = 120_000;
/** Bytes, compressed, of what comes before the first view: 5 s over 64 kbit/s. */
const FIRST = 40_000;

test('the built status page', async (t) => {
  const folder = scratch(t, 'pages');
  await buildPages(folder);
  const names = readdirSync(folder).sort();
  const read = (name: string) => readFileSync(path.join(folder, name));
  const texts = names.filter((name) => /\.(html|css|js|svg)$/.test(name));
  const html = read('index.html').toString();

  await t.test('has less than 120 kB compressed without fonts', () => {
    const bytes = texts.reduce((sum, name) => sum + read(`${name}.gz`).length, 0);
    assert.ok(bytes < MOST, `${bytes} bytes`);
    // Each file is counted: there is no other but fonts and licences.
    const others = names.filter((name) => !texts.includes(name) && !texts.includes(name.replace(/\.gz$/, '')));
    assert.deepEqual(
      others.map((name) => path.extname(name)),
      ['.txt', '.woff2'],
    );
  });

  await t.test('begins with less than 40 kB: the charts come later', () => {
    const first = ['index.html', ...[...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, name = '']) => name)];
    assert.equal(first.length, 4, String(first));
    const bytes = first.reduce((sum, name) => sum + read(`${name}.gz`).length, 0);
    assert.ok(bytes < FIRST, `${bytes} bytes`);
  });

  await t.test('has beside each text the same text compressed', () => {
    for (const name of texts) assert.deepEqual(gunzipSync(read(`${name}.gz`)), read(name), name);
  });

  await t.test('names no foreign host', () => {
    for (const name of texts) {
      // Names of XML vocabularies look like addresses, and nobody asks them.
      const text = read(name).toString().replaceAll('http://www.w3.org/', '');
      assert.doesNotMatch(text, /https?:\/\/|wss?:\/\/|["'(]\/\/[a-z0-9-]+\./i, name);
    }
  });

  await t.test('keeps to its content security policy: no script and no style in the document', () => {
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/i);
    for (const name of texts.filter((n) => n.endsWith('.js')))
      assert.doesNotMatch(read(name).toString(), /\beval\(|new Function\(|document\.write/, name);
  });

  await t.test('has the licences of what is in it', () => {
    const licences = read('LICENSES.txt').toString();
    for (const words of ['preact 11', 'uplot 1', '@fontsource/noto-sans-bengali 5', 'SIL OPEN FONT LICENSE', 'The MIT License'])
      assert.ok(licences.includes(words), words);
  });
});
