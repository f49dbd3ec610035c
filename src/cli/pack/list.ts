/** `sluice pack list`. */
import { loadPack, packNames } from '../../config/rule-packs.ts';
import { PACKS } from '../config-file.ts';

export function packList(options: { json?: boolean }): void {
  const packs = packNames(PACKS).map((name) => loadPack(PACKS, name));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(packs.map(({ name, title, about }) => ({ name, title, about })))}\n`);
    return;
  }
  const width = Math.max(0, ...packs.map(({ name }) => name.length));
  for (const { name, title } of packs) process.stdout.write(`${name.padEnd(width)}  ${title.en}\n`);
}
