/**
 * Which cases of `npm run test:field` ran, when and on which commit, in test/field/record.json, and whether the files of the packages
 * and the image are still those of that run. The boards in qemu take hours and `.ci/run` has minutes, so it says this in some lines.
 * A case is a test at the top of a file of test/field. One that runs again replaces what the record says of it.
 *
 *   field-record.ts hash                  the sum of these files
 *   field-record.ts state                 lines for people. Exit status 3: boards have to run again
 *   field-record.ts write RESULTS HASH COMMIT    after a run: what field-reporter.ts wrote, and the sum and the commit from before it
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');
const FILE = 'test/field/record.json';
/** What the suites with boards try, and no test without a board does. */
const PACKAGING = [
  'packaging/**',
  'systemd/**',
  'hardware-profiles/boards/**',
  'scripts/package*',
  'scripts/packaging/**',
  'scripts/image-*',
  'src/cli/update*.ts',
  'src/provisioning/**',
  'src/update/**',
];

export interface Sums {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
/** A case with the tests inside of it. */
export interface CaseResult extends Sums {
  readonly file: string;
  readonly name: string;
  readonly seconds: number;
}
/** What field-reporter.ts writes. */
export interface FieldResults extends Sums {
  readonly cases: readonly CaseResult[];
}
/** The run that a case belongs to. */
export interface FieldRun {
  readonly commit: string;
  /** ISO 8601, the end of the run. */
  readonly date: string;
  /** See `packagingHash`. */
  readonly packaging: string;
  /** Cuts of the power in operation (SLUICE_FIELD_CUTS). */
  readonly cuts: number;
}
export interface RecordedCase extends FieldRun, Omit<CaseResult, 'skipped'> {}
/** What a case is known by. */
type CaseName = Pick<CaseResult, 'file' | 'name'>;

/** Relative paths, sorted. */
export function packagingFiles(root = ROOT): string[] {
  const found = globSync(PACKAGING, { cwd: root }).filter((file) => statSync(path.join(root, file)).isFile());
  return found.sort();
}

/** SHA-256 over names, contents, and whether a file is a program. */
export function packagingHash(root = ROOT): string {
  const hash = createHash('sha256');
  for (const file of packagingFiles(root)) {
    const bytes = readFileSync(path.join(root, file));
    const isProgram = (statSync(path.join(root, file)).mode & 0o100) !== 0;
    hash.update(JSON.stringify([file, isProgram, bytes.length])).update(bytes);
  }
  return hash.digest('hex');
}

/** The cases that there are, by the lines where they begin. */
export function knownCases(root = ROOT): CaseName[] {
  const files = globSync('test/field/**/*.test.ts', { cwd: root }).sort();
  return files.flatMap((file) =>
    [...readFileSync(path.join(root, file), 'utf8').matchAll(/^test\('([^']+)'/gm)].map(([, name = '']) => ({ file, name })),
  );
}

export function stateOf(
  record: readonly RecordedCase[],
  known: readonly CaseName[],
  hash: string,
): { readonly lines: readonly string[]; readonly holds: boolean } {
  const faults = known.flatMap((one) => {
    const ran = record.find(isSame(one));
    if (ran === undefined) return [`never recorded: ${wordsOf(one)}`];
    const when = `${ran.date.slice(0, 10)}, commit ${ran.commit.slice(0, 8)}`;
    if (ran.failed > 0) return [`failed on ${when}: ${wordsOf(one)}`];
    return ran.packaging === hash ? [] : [`passed on ${when}, and packaging files changed since: ${wordsOf(one)}`];
  });
  if (faults.length === 0) return { holds: true, lines: [`Boards: all ${known.length} cases passed on these packaging files.`] };
  const sums = `${known.length - faults.length} of ${known.length} cases passed on these packaging files`;
  return { holds: false, lines: [`Boards: ${sums}; npm run test:field runs them.`, ...faults.map((fault) => `  ${fault}`)] };
}

const isSame =
  ({ file, name }: CaseName) =>
  (other: CaseName): boolean =>
    other.file === file && other.name === name;
const wordsOf = ({ file, name }: CaseName): string => `${path.basename(file)}, ${name}`;

export function readRecord(root = ROOT): RecordedCase[] {
  const file = path.join(root, FILE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RecordedCase[]) : [];
}

/**
 * The record after a run. What was skipped did not run, and a case that there is no more leaves the record.
 * @param before the sum when the run began
 * @returns undefined: packaging files changed meanwhile, so the run says nothing of what is here
 */
export function recordOf(
  record: readonly RecordedCase[],
  { cases }: FieldResults,
  { known, before, run }: { readonly known: readonly CaseName[]; readonly before: string; readonly run: FieldRun },
): RecordedCase[] | undefined {
  if (before !== run.packaging) return undefined;
  return known.flatMap((one) => {
    const ran = cases.find((result) => isSame(one)(result) && (result.skipped === 0 || result.failed > 0));
    // A file that died is told under its own name: what it did not get to has failed with it.
    const died = cases.find(({ file, name, failed }) => file === one.file && failed > 0 && name.endsWith(path.basename(file)));
    if (ran === undefined && died !== undefined) return [{ ...one, passed: 0, failed: 1, seconds: died.seconds, ...run }];
    if (ran === undefined) return record.filter(isSame(one)).slice(0, 1);
    const { file, name, passed, failed, seconds } = ran;
    return [{ file, name, passed, failed, seconds, ...run }];
  });
}

function git(...args: readonly string[]): string {
  return execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' }).trim();
}

function write(results: FieldResults, before: string, commit: string): void {
  // A commit says what ran only where nothing else lies here.
  const changes = git('status', '--porcelain', '--', '.', `:!${FILE}`);
  const run = {
    commit,
    date: new Date().toISOString(),
    packaging: packagingHash(),
    cuts: Number(process.env.SLUICE_FIELD_CUTS),
  };
  const record = changes === '' ? recordOf(readRecord(), results, { known: knownCases(), before, run }) : undefined;
  if (git('rev-parse', 'HEAD') !== commit)
    console.log('\nThe run is not recorded: another commit is checked out than at its start.');
  else if (changes !== '') console.log(`\nThe run is not recorded: these files are in no commit.\n${changes}`);
  else if (record === undefined) console.log('\nThe run is not recorded: packaging files changed while it ran.');
  else {
    writeFileSync(path.join(ROOT, FILE), `${JSON.stringify(record, null, 2)}\n`);
    console.log(`\n${FILE} has this run.`);
  }
  console.log(`${results.passed} passed, ${results.failed} failed`);
}

if (import.meta.main) {
  const [what, file = '', before = '', commit = ''] = process.argv.slice(2);
  if (what === 'hash') console.log(packagingHash());
  else if (what === 'write') write(JSON.parse(readFileSync(file, 'utf8')) as FieldResults, before, commit);
  else {
    const { lines, holds } = stateOf(readRecord(), knownCases(), packagingHash());
    console.log(lines.join('\n'));
    process.exitCode = holds ? 0 : 3;
  }
}
