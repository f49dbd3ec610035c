/** The program with the bounds of the embedded broker raised, to see what they keep away; and with its broker in another thread. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { bundle } from '../../scripts/build.ts';

const FOLDER = path.join(import.meta.dirname, '..', 'out', 'raised');
const APART = path.join(import.meta.dirname, '..', 'out', 'apart');
const RAISED: Readonly<Record<string, string>> = {
  ...{ MAX_CONNECTIONS: '1_100', MAX_UNCONNECTED: '1_100', MAX_PER_ACCOUNT: '1_100', MAX_SOCKETS: '2_300' },
  ...{ MAX_RETAINED: '200_000', MAX_RETAINED_BYTES: '64 * 1024 * 1024' },
  ...{ MAX_ACCOUNT_RETAINED: '200_000', MAX_ACCOUNT_RETAINED_BYTES: '64 * 1024 * 1024' },
  // One account publishes all of them, so its rate and that of all are raised too.
  ...{ ACCOUNT_REQUESTS_AT_ONCE: '400_000', ALL_REQUESTS_AT_ONCE: '400_000' },
};

/** @returns the main.js of a gateway whose broker is in a thread of its own (apart.ts) */
export async function builtApart(): Promise<string> {
  rmSync(APART, { recursive: true, force: true });
  await bundle({ apart: 'bench/lib/apart.ts', 'apart-broker': 'bench/lib/apart-broker.ts' }, APART);
  return path.join(APART, 'apart.js');
}

let made: Promise<string> | undefined;

/** @returns its main.js */
export function built(): Promise<string> {
  made ??= raised({ main: 'src/cli/main.ts', 'make-certificate': 'src/access/tls/make-certificate.ts' }, FOLDER).then(() =>
    path.join(FOLDER, 'main.js'),
  );
  return made;
}

/** Bundles source files with the bounds raised. @param folder is emptied */
export async function raised(entries: Readonly<Record<string, string>>, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await bundle({ ...entries }, folder, (file, text) =>
    file.endsWith('/broker/limits.ts')
      ? text.replace(/(?<=^export const (\w+) = ).*(?=;$)/gm, (value, name: string) => RAISED[name] ?? value)
      : text,
  );
}
