/** The first page, as a table of files. */
import { ASSET_TYPES, type Assets, assetOf } from '../assets.ts';
import { ENTRY_CSS, ENTRY_HTML, ENTRY_JS } from './page.ts';

const made = (end: string, text: string) => assetOf(ASSET_TYPES[end] ?? '', text);

export const ENTRY_ASSETS: Assets = new Map([
  ['/', made('.html', ENTRY_HTML)],
  ['/entry.css', made('.css', ENTRY_CSS)],
  ['/entry.js', made('.js', ENTRY_JS)],
]);
