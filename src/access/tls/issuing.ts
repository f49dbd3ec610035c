/** Starts the process that makes certificates (make-certificate.ts), with a bound in time, and reads its answer. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { toError } from '../../core/errors.ts';
import type { HostNames } from './host-names.ts';

/** Both in PEM. */
export interface KeyPair {
  readonly key: string;
  readonly certificate: string;
}
export interface IssueRequest {
  /** Name of the gateway. */
  readonly subject: string;
  readonly names: HostNames;
  /** Validity of the server's certificate, UTC ms. */
  readonly from: number;
  readonly until: number;
  readonly caFrom: number;
  readonly caUntil: number;
  /** Names that a new authority permits beside the local ones. */
  readonly permits: HostNames;
  /** Absent: a new authority is made. */
  readonly authority?: KeyPair | undefined;
  /** Absent: a new key is made. */
  readonly serverKey?: string | undefined;
}
export interface IssueAnswer {
  readonly authority: KeyPair;
  readonly server: KeyPair;
}

/** A slow board takes some seconds; a process that hangs is ended. */
const WITHIN = 60_000;
/** An answer has about 4 kB. */
const MOST = 64 * 1024;

/** @throws Error in words; the private keys are in no message */
export async function issue(request: IssueRequest, signal?: AbortSignal): Promise<IssueAnswer> {
  const here = import.meta.filename;
  const program = path.join(import.meta.dirname, here.endsWith('.ts') ? 'make-certificate.ts' : 'make-certificate.js');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '' },
    timeout: WITHIN,
    ...(signal === undefined ? {} : { signal }),
    killSignal: 'SIGKILL',
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let bytes = 0;
  const gather = (list: Buffer[]) => (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST) child.kill('SIGKILL');
    else list.push(chunk);
  };
  child.stdout.on('data', gather(out));
  child.stderr.on('data', gather(err));
  // A child that is gone already refuses its input; its exit says why.
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(request));
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exit, signal) => resolve(exit ?? signal));
  });
  if (code !== 0) {
    const why =
      Buffer.concat(err)
        .toString('utf8')
        .trim()
        .split('\n')
        .find((line) => /Error/.test(line)) ?? `it ended with ${code}`;
    throw new Error(`a certificate cannot be made: ${why.slice(0, 300)}`);
  }
  try {
    return JSON.parse(Buffer.concat(out).toString('utf8')) as IssueAnswer;
  } catch (thrown) {
    throw new Error('a certificate cannot be made: the answer cannot be read', { cause: toError(thrown) });
  }
}
