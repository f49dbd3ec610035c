/**
 * Makes dist/pages of src/admin/pages: `node scripts/build-pages.ts`. Each text has a compressed copy beside it, since gateways have
 * better things to do than to compress. Types are not checked here but by `npm test`.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { build } from 'vite';
import { licences } from './licences.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** What of other people is in the page. The font is under the SIL Open Font Licence, whose words go with it. */
const PACKAGES = ['@fontsource/noto-sans-bengali', 'preact', 'uplot'];

/** @param folder made anew */
export async function buildPages(folder: string): Promise<void> {
  await build({
    root: path.join(ROOT, 'src', 'admin', 'pages'),
    configFile: false,
    logLevel: 'error',
    // The page works behind any host.
    base: './',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: folder,
      emptyOutDir: true,
      // Phones of that year are in use.
      target: 'es2020',
      // All names in one folder, each with the sum of the content: a browser may keep them.
      assetsDir: '.',
      // The font stays out of the style sheet: a browser fetches it only where the device has none.
      assetsInlineLimit: 0,
      modulePreload: false,
      license: false,
    },
  });
  for (const name of globSync('*.{html,css,js,svg}', { cwd: folder })) {
    const text = readFileSync(path.join(folder, name));
    writeFileSync(path.join(folder, `${name}.gz`), gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
  }
  const folders = PACKAGES.map((name) => path.join('node_modules', name));
  writeFileSync(path.join(folder, 'LICENSES.txt'), licences('dist/pages', folders));
}

if (import.meta.main) await buildPages(path.join(ROOT, 'dist', 'pages'));
