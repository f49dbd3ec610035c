/**
 * Checks the sentences of pages, comments and messages (rules: scripts/language/rules.ts). `node scripts/check-language.ts [FILE …]`
 * prints each fault with file, line, reason and sentence. Exceptions are in scripts/language/exceptions.yaml.
 */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { faultsOf } from './language/rules.ts';
import { commentSentences, messageSentences, pageSentences, pictureSentences, type Sentence } from './language/sentences.ts';

const root = path.join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const glob = (...patterns: string[]) => patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();

export const PAGES = glob('*.md', 'docs/**/*.md', 'hardware-profiles/*.md', 'flows/**/*.md', 'examples/**/*.md').filter(
  (file) => file !== 'CHANGELOG.md',
);
/** The drawings that are made by hand. A recording of the terminal has the words of the program. */
export const PICTURES = glob('docs/pictures/{delivery,files,reading,rs485}-*.svg');
export const COMMENTS = glob('examples/*/gateway.yaml', 'systemd/*', 'src/config/starter.ts');
export const MESSAGES = glob('src/**/*.ts').filter((file) => file !== 'src/config/starter.ts');

export interface LanguageFault extends Sentence {
  readonly file: string;
  readonly why: string;
}

function sentencesOf(file: string): Sentence[] {
  if (PAGES.includes(file)) return pageSentences(read(file));
  if (PICTURES.includes(file)) return pictureSentences(read(file));
  return COMMENTS.includes(file) ? commentSentences(read(file)) : messageSentences(file, read(file));
}

export function languageFaults(files: readonly string[]): LanguageFault[] {
  return files.flatMap((file) =>
    sentencesOf(file).flatMap(({ line, text }) =>
      faultsOf(text, MESSAGES.includes(file) ? 'message' : 'page').map((why) => ({ file, line, text, why })),
    ),
  );
}

export interface Exception {
  readonly file: string;
  readonly text: string;
  readonly why: string;
}

/** A sentence that has `text` in it, in a file of this name, is let through. */
export const EXCEPTIONS = parse(read('scripts/language/exceptions.yaml')) as Exception[];
export const excepted = (fault: LanguageFault) =>
  EXCEPTIONS.some(({ file, text }) => fault.file === file && fault.text.includes(text));

/** Whether a file still breaks a rule with this text. */
export const needsException = ({ file, text }: Exception) =>
  [...PAGES, ...PICTURES, ...COMMENTS, ...MESSAGES].includes(file) &&
  languageFaults([file]).some((fault) => fault.text.includes(text));

export const formatLanguageFault = ({ file, line, why, text }: LanguageFault) => `${file}:${line}: ${why}\n    ${text}`;

if (import.meta.main) {
  const [, , ...asked] = process.argv;
  const faults = languageFaults(asked.length > 0 ? asked : [...PAGES, ...PICTURES, ...COMMENTS, ...MESSAGES]).filter(
    (f) => !excepted(f),
  );
  for (const fault of faults) console.log(formatLanguageFault(fault));
  console.log(`${faults.length} faults`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
