/**
 * The program of one instance of sluice-hook@.service: it takes one request on its standard input, runs one program and answers with one
 * line. The gateway is not trusted here: only files in the folders of SLUICE_HOOK_FOLDERS run, and only those that nobody but root
 * can change.
 */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Clock, systemClock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { type HookRequest, LONGEST_ARGUMENT, runProcess } from './hook-process.ts';

/** Bytes of a request. */
const LONGEST_REQUEST = 512 * 1024;
const REQUEST_WITHIN = 10_000;

const MOST_PARTS = 33;
const LONGEST_INPUT = 16 * 1024;
const LONGEST_TIMEOUT = 300_000;

/** By hand: the library that checks the configuration takes longer to load than most hooks to run. @throws SluiceError unsupported */
function parse(line: string): HookRequest {
  const { run, input, timeout } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const isText = (text: unknown): text is string =>
    typeof text === 'string' && text.length <= LONGEST_ARGUMENT && !text.includes('\0');
  if (!Array.isArray(run) || run.length === 0 || run.length > MOST_PARTS || !run.every(isText)) throw wrong('run');
  if (typeof input !== 'string' || input.length > LONGEST_INPUT) throw wrong('input');
  if (typeof timeout !== 'number' || !(timeout >= 1 && timeout <= LONGEST_TIMEOUT)) throw wrong('timeout');
  return { run: run as readonly string[], input, timeout };
}

const wrong = (key: string): SluiceError => new SluiceError('unsupported', `the request is not understood (${key})`);

export interface RunnerSite {
  readonly folders: readonly string[];
  /** Who may own a program and its folders. */
  readonly owner: number;
  readonly clock: Clock;
}

/** @returns the answer, one line */
export async function answerTo(line: string, { folders, owner, clock }: RunnerSite): Promise<string> {
  try {
    const asked = parse(line);
    const program = allowed(asked.run[0] ?? '', folders, owner);
    const output = await runProcess({ ...asked, run: [program, ...asked.run.slice(1)] }, clock);
    return JSON.stringify({ ok: true, output });
  } catch (thrown) {
    const { message, retry } =
      thrown instanceof SluiceError
        ? thrown
        : new SluiceError('unsupported', `the request is not understood (${toError(thrown).name})`);
    return JSON.stringify({ ok: false, retry, message });
  }
}

/** @returns the program, without links. @throws SluiceError unsupported */
function allowed(program: string, folders: readonly string[], owner: number): string {
  const refuse = (why: string): never => {
    throw new SluiceError('unsupported', `${program} is not run: ${why}`);
  };
  if (!path.isAbsolute(program)) return refuse('its path is not absolute');
  let real: string;
  try {
    real = realpathSync(program);
  } catch {
    return refuse('there is no such file');
  }
  const home = folders.find((folder) => isInside(real, folder));
  if (home === undefined) return refuse(`it is not in ${folders.join(' or ')} (SLUICE_HOOK_FOLDERS of sluice-hook@.service)`);
  if (!statSync(real).isFile()) return refuse('it is no file');
  for (let at = real; ; at = path.dirname(at)) {
    const { uid, mode } = lstatSync(at);
    if (uid !== owner || (mode & 0o022) !== 0) return refuse(`${at} can be changed by others; chown root and chmod 755 help`);
    if (at === home || at === path.dirname(at)) return real;
  }
}

function isInside(file: string, folder: string): boolean {
  try {
    return file.startsWith(`${realpathSync(folder)}/`);
  } catch {
    return false;
  }
}

/** The first line of the standard input. Rejects where it is too long or too late. */
function firstLine(clock: Clock): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const cancel = clock.after(REQUEST_WITHIN, () => reject(new SluiceError('timeout', 'no request came')));
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end >= 0) resolve(text.slice(0, end));
    else if (text.length > LONGEST_REQUEST) reject(new SluiceError('request-invalid', 'the request is too long'));
  });
  process.stdin.on('end', () => reject(new SluiceError('request-invalid', 'no request came')));
  return promise.finally(cancel);
}

export async function main(env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const folders = (env.SLUICE_HOOK_FOLDERS ?? '').split(':').filter((folder) => path.isAbsolute(folder));
  const site = { folders, owner: 0, clock: systemClock };
  const answer = await firstLine(systemClock).then((line) => answerTo(line, site));
  process.stdout.write(`${answer}\n`, () => process.exit(0));
}
