/** How the status page is built. `node scripts/build-pages.ts` calls it. */
import path from 'node:path';
import type { UserConfig } from 'vite';

export default {
  root: import.meta.dirname,
  // The page works behind any path and any host.
  base: './',
  logLevel: 'error',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: path.join(import.meta.dirname, '../../../dist/pages'),
    emptyOutDir: true,
    target: 'es2020',
    // Names with the sum of the content, so that a browser may keep them.
    assetsDir: '.',
    // Never as a part of the style sheet: the font is fetched only where the device has none.
    assetsInlineLimit: 0,
    modulePreload: false,
    license: false,
  },
} satisfies UserConfig;
