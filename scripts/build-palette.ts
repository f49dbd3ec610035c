/**
 * Makes dist/palette, the package node-red-contrib-sluice: `node scripts/build-palette.ts`. The runtime's part is one file in the older
 * form of modules, which Node-RED loads. The pages, catalogues and help come from the descriptions in src/node-red/palette/sheets.
 */
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import * as about from '../src/node-red/palette/about.ts';
import { SHEETS } from '../src/node-red/palette/sheets/all.ts';
import { forEditor, template } from './palette/dialog.ts';
import { readme } from './palette/page.ts';
import { catalogue, FOLDERS, help, LANGUAGES } from './palette/words.ts';

const ROOT = path.join(import.meta.dirname, '..');
const SOURCE = path.join(ROOT, 'src', 'node-red', 'palette');

/** @param folder made anew */
export async function buildPalette(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  for (const part of ['lib', 'resources', ...LANGUAGES.map((one) => `locales/${FOLDERS[one]}`)])
    mkdirSync(path.join(folder, part), { recursive: true });
  const common = { absWorkingDir: SOURCE, bundle: true, minify: true, legalComments: 'none', logLevel: 'error' } as const;
  await build({
    ...{ ...common, entryPoints: ['runtime/register.ts'], outfile: path.join(folder, 'lib', 'nodes.js') },
    ...{ format: 'cjs', platform: 'node', target: 'node18' },
  });
  await build({
    ...{ ...common, entryPoints: ['editor/main.ts'], outfile: path.join(folder, 'resources', 'editor.js') },
    ...{ format: 'iife', platform: 'browser', target: 'es2020' },
  });
  const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
  for (const sheet of SHEETS) {
    const { file } = sheet;
    write(`${file}.js`, `module.exports = require('./lib/nodes.js').register('${file}');\n`);
    const script = `<script src="resources/${about.NAME}/editor.js"></script>\n<script type="text/javascript">\nsluicePalette.register(${inPage(forEditor(sheet))});\n</script>\n`;
    write(`${file}.html`, template(sheet) + script);
    for (const language of LANGUAGES) {
      write(`locales/${FOLDERS[language]}/${file}.json`, `${JSON.stringify(catalogue(sheet, language), null, 2)}\n`);
      write(`locales/${FOLDERS[language]}/${file}.html`, help(sheet, language));
    }
  }
  cpSync(path.join(SOURCE, 'icons'), path.join(folder, 'icons'), { recursive: true });
  cpSync(path.join(SOURCE, 'examples'), path.join(folder, 'examples'), { recursive: true });
  copyFileSync(path.join(ROOT, 'LICENSE'), path.join(folder, 'LICENSE'));
  write('README.md', readme());
  write('package.json', `${JSON.stringify(manifest(), null, 2)}\n`);
}

function manifest(): object {
  return {
    ...{ name: about.NAME, version: about.VERSION, description: about.DESCRIPTION, license: 'Apache-2.0' },
    keywords: ['node-red', 'sluice', 'modbus', 'gateway', 'edge', 'sensors'],
    engines: { node: about.NODE },
    'node-red': {
      version: about.NODE_RED,
      nodes: Object.fromEntries(SHEETS.map(({ file }) => [file, `${file}.js`])),
    },
    files: ['*.js', '*.html', 'lib', 'resources', 'locales', 'icons', 'examples'],
  };
}

/** JSON inside a script of a page. */
function inPage(value: object): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

if (import.meta.main) await buildPalette(path.join(ROOT, 'dist', 'palette'));
