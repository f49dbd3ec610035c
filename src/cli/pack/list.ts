/** `sluice pack list`. */
import path from 'node:path';
import { loadPack, packNames } from '../../config/rule-packs.ts';

/** The packs that come with Sluice. */
export const PACKS = path.join(import.meta.dirname, '..', '..', '..', 'rule-packs');

export function packList(options: { json?: boolean }): void {
  const packs = packNames(PACKS).map((name) => loadPack(PACKS, name));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(packs.map(({ name, title, about }) => ({ name, title, about })))}\n`);
    return;
  }
  const width = Math.max(0, ...packs.map(({ name }) => name.length));
  for (const { name, title } of packs) process.stdout.write(`${name.padEnd(width)}  ${title.en}\n`);
}
