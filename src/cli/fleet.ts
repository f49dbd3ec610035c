/** `sluice fleet`: from a table of sites to a file and a label for each card. */
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { type Fleet, makeFleet } from '../provisioning/fleet/fleet.ts';
import { fileWords } from './file-words.ts';
import { checkMade } from './provision.ts';

export interface FleetCommandOptions {
  readonly template?: string;
  readonly output: string;
  readonly json?: boolean;
}

export async function fleet(table: string, { template, output, json }: FleetCommandOptions): Promise<void> {
  let made: Fleet;
  try {
    made = makeFleet({ table, template, out: path.resolve(output), check: checkMade });
  } catch (cause) {
    const file = cause instanceof Error && 'path' in cause ? String(cause.path) : '';
    // There is no folder yet where the files of a site could lie.
    if (file.startsWith('/dev/null/'))
      throw new SluiceError(
        'config-invalid',
        `the template names the file ${path.basename(file)}, which is on no card yet; write its text into the template, indented, behind a key like "ca: |"`,
        { cause },
      );
    throw new SluiceError('not-found', `${output} cannot be written: ${fileWords(cause)}; name another folder`, { cause });
  }
  if (made.faults.length > 0) throw new SluiceError('config-invalid', `nothing was written:\n${made.faults.join('\n')}`);
  const words = `Wrote ${made.sites} folders with a sluice.yaml each, labels.html and claim-codes.csv into ${output}.\nThe labels have no fingerprints: each gateway makes its keys at its first start. "sudo sluice label" on the board prints them.\nThe files hold secrets. Delete them when the cards are written.\n`;
  process.stdout.write(json ? `${JSON.stringify({ sites: made.sites, output })}\n` : words);
}
