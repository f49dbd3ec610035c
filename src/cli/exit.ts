import { SluiceError, toError } from '../core/errors.ts';

/** Exit status: 1 failed, 2 usage, 78 configuration refused (EX_CONFIG of sysexits.h). */
export function exitStatus(thrown: unknown): number {
  if (!(thrown instanceof SluiceError)) return 1;
  if (thrown.code === 'usage') return 2;
  return thrown.code === 'config-invalid' ? 78 : 1;
}

/** Says it on stderr and sets the exit status. */
export function failed(thrown: unknown): void {
  process.stderr.write(`sluice: ${toError(thrown).message}\n`);
  process.exitCode = exitStatus(thrown);
}
