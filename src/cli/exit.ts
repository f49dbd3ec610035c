import { CommanderError } from 'commander';
import { SluiceError } from '../core/errors.ts';
import { faultWords, fileWords } from './file-words.ts';

/** Exit status: 1 failed, 2 usage, 78 configuration refused (EX_CONFIG of sysexits.h). */
export function exitStatus(thrown: unknown): number {
  if (!(thrown instanceof SluiceError)) return 1;
  if (thrown.code === 'usage') return 2;
  return thrown.code === 'config-invalid' ? 78 : 1;
}

/** Says it on stderr and sets the exit status. */
export function failed(thrown: unknown): void {
  // Its words are written already: help, the version, or what was not understood. The process ends when they have left.
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
    return;
  }
  process.stderr.write(`sluice: ${faultWords(thrown)}\n`);
  process.exitCode = exitStatus(thrown);
}

/** Standard output cannot be written. A reader that went away (head) ends the command quietly; a full disk is reported. Ends the process. */
export function onOutputFault(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
  process.stderr.write(`sluice: the output cannot be written: ${fileWords(error)}; what was written is not complete\n`);
  process.exit(1);
}

/** Help and the version, which are no action. */
export function printHelp(text: string): void {
  const { stdout } = process;
  if (!stdout.listeners('error').includes(onOutputFault)) stdout.on('error', onOutputFault);
  stdout.write(text);
}
