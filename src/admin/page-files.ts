/**
 * The built status page as a table of files (scripts/build-pages.ts made them). The folder is listed and summed once, at the start.
 * Small files, the first page among them, stay in memory: to read one costs more than to answer it. The others are read when
 * somebody asks for them, once for all who ask meanwhile: browsers keep them, and the daemon does not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ASSET_TYPES, type Asset, type Assets, etagOf } from './assets.ts';

/** Bytes of a file that stays in memory, packed or not. */
const SMALL = 4 * 1024;

/** What somebody sees who starts a gateway from its sources and has not built the page. */
const NOT_BUILT = Buffer.from(
  '<!doctype html><html lang="en"><title>Sluice</title><p>The pages of this gateway are not built. Run <code>npm run build</code> and start the gateway again.</p></html>\n',
);

export function pageFiles(folder: string): Assets {
  const names = listed(folder);
  const files = names.flatMap((name): (readonly [string, Asset])[] => {
    const type = ASSET_TYPES[path.extname(name)];
    if (type === undefined) return [];
    const file = path.join(folder, name);
    const content = readFileSync(file);
    const packed = names.includes(`${name}.gz`) ? { packed: bodyOf(`${file}.gz`, readFileSync(`${file}.gz`)) } : {};
    // All other names have the sum of their content in them.
    const lasting = name !== 'index.html';
    const asset = { type, lasting, etag: etagOf(content), body: bodyOf(file, content), ...packed };
    return [[name === 'index.html' ? '/' : `/${name}`, asset]];
  });
  if (files.some(([name]) => name === '/')) return new Map(files);
  const html = ASSET_TYPES['.html'] ?? '';
  return new Map([['/', { type: html, lasting: false, etag: etagOf(NOT_BUILT), body: async () => NOT_BUILT }]]);
}

function bodyOf(file: string, content: Buffer): () => Promise<Buffer> {
  if (content.length <= SMALL) return async () => content;
  let reading: Promise<Buffer> | undefined;
  return () => {
    reading ??= readFile(file).finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
