/** `sluice pack list`. */
import path from 'node:path';
import { loadPack, packNames } from '../../config/rule-packs.ts';
import { PACKS } from '../config-file.ts';
import { faultWords } from '../file-words.ts';

/** A pack with faults hides no other: it is in the list, its faults are on stderr, and the exit status is 1. */
export function packList(options: { json?: boolean }, dir = PACKS): void {
  const entries = packNames(dir).map((name) => {
    try {
      const { title, about } = loadPack(dir, name);
      return { name, title, about };
    } catch (thrown) {
      return { name, broken: faultWords(thrown) };
    }
  });
  const broken = entries.filter((entry) => 'broken' in entry);
  if (options.json) process.stdout.write(`${JSON.stringify(entries)}\n`);
  else {
    const width = Math.max(0, ...entries.map(({ name }) => name.length));
    for (const entry of entries) {
      const words = 'broken' in entry ? `cannot be used; its faults: sluice pack show ${entry.name}` : entry.title.en;
      process.stdout.write(`${entry.name.padEnd(width)}  ${words}\n`);
    }
  }
  if (broken.length === 0) return;
  process.exitCode = 1;
  for (const { name, broken: faults } of broken)
    process.stderr.write(`sluice: ${name}: ${faults}\n  Correct that file, or remove the folder ${path.join(dir, name)}.\n`);
}
