/**
 * The program of one instance of sluice-hook@.service: it takes one request on its standard input, runs one program and answers with one
 * line. The gateway is not trusted here: only files in the folders of SLUICE_HOOK_FOLDERS run, and only those that nobody but root
 * can change.
 */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { type Clock, systemClock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { LONGEST_ARGUMENT, runProcess } from './hook-process.ts';

/** Bytes of a request. */
const LONGEST_REQUEST = 512 * 1024;
const REQUEST_WITHIN = 10_000;

const request = z.object({
  run: z
    .array(
      z
        .string()
        .max(LONGEST_ARGUMENT)
        .refine((text) => !text.includes('\0')),
    )
    .min(1)
    .max(33),
  input: z.string().max(16 * 1024),
  timeout: z.number().min(1).max(300_000),
});

export interface RunnerSite {
  readonly folders: readonly string[];
  /** Who may own a program and its folders. */
  readonly owner: number;
  readonly clock: Clock;
}

/** @returns the answer, one line */
export async function answerTo(line: string, { folders, owner, clock }: RunnerSite): Promise<string> {
  try {
    const asked = request.parse(JSON.parse(line));
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
