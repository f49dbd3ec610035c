/** Modes and owners: what others may read or write of the gateway. */
import { lstatSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Finding, fault, ok, warning } from './finding.ts';

/** Files of the state folder that only the gateway may read. */
const CLOSED = [
  'access.json',
  'access.json.copy',
  'claim',
  'admin.key',
  'gateway.key',
  'node-red.secret',
  'broker.db',
  'tls/own.pem',
];
/** Files that are looked at. */
const MOST_FILES = 2000;

export interface PermissionFacts {
  readonly configFile: string;
  readonly stateDir: string;
  /** Files beside the configuration that it names. */
  readonly beside: readonly string[];
  /** A password stands in the configuration file itself. */
  readonly inline: boolean;
}

export function checkPermissions({ configFile, stateDir, beside, inline }: PermissionFacts): Finding[] {
  const findings: Finding[] = [];
  const state = statSync(stateDir, { throwIfNoEntry: false });
  if (state === undefined)
    findings.push(
      warning(
        'permissions',
        'state-missing',
        `There is no state folder ${stateDir} yet.`,
        'Start the gateway once, or name another folder as gateway.stateDir.',
      ),
    );
  else {
    if ((state.mode & 0o007) !== 0)
      findings.push(fault('permissions', 'state-open', `Every user may look into ${stateDir}.`, `chmod o-rwx ${stateDir}`));
    if ((state.mode & 0o020) !== 0)
      findings.push(fault('permissions', 'state-writable', `A group may write in ${stateDir}.`, `chmod g-w ${stateDir}`));
    for (const name of CLOSED) {
      const file = lstatSync(path.join(stateDir, name), { throwIfNoEntry: false });
      if (file !== undefined && (file.mode & 0o077) !== 0)
        findings.push(
          fault(
            'permissions',
            'key-open',
            `Others may read ${path.join(stateDir, name)}.`,
            `chmod 600 ${path.join(stateDir, name)}`,
          ),
        );
    }
    const foreign = names(stateDir).find((name) => {
      const file = lstatSync(path.join(stateDir, name), { throwIfNoEntry: false });
      return file !== undefined && file.uid !== state.uid && name !== 'node-red';
    });
    if (foreign !== undefined)
      findings.push(
        fault(
          ...([
            'permissions',
            'foreign-file',
            `${path.join(stateDir, foreign)} belongs to another user than its folder.`,
          ] as const),
          `A command ran as another user. chown -R --reference=${stateDir} ${stateDir}`,
        ),
      );
  }
  const config = statSync(configFile, { throwIfNoEntry: false });
  if (config !== undefined && (config.mode & 0o002) !== 0)
    findings.push(fault('permissions', 'config-writable', `Every user may change ${configFile}.`, `chmod o-w ${configFile}`));
  if (config !== undefined && inline && (config.mode & 0o004) !== 0)
    findings.push(
      fault(
        'permissions',
        'config-open',
        `Every user may read ${configFile}, and a password is in it.`,
        `chmod o-r ${configFile}`,
      ),
    );
  for (const file of beside) {
    const stat = statSync(file, { throwIfNoEntry: false });
    const secret = /\.(?:ya?ml|crt|cer|ca|pub)$|ca.*\.pem$/i.test(file) === false;
    if (stat !== undefined && secret && (stat.mode & 0o007) !== 0)
      findings.push(fault('permissions', 'secret-open', `Every user may read ${file}.`, `chmod o-rwx ${file}`));
  }
  return findings.length > 0
    ? findings
    : [ok('permissions', 'permissions', 'Only the gateway and its group can read its files.')];
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).slice(0, MOST_FILES);
  } catch {
    return [];
  }
}
