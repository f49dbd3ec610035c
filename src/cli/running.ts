import { existsSync } from 'node:fs';
import path from 'node:path';
import { readAnything, writtenFolders } from '../care/last-good.ts';
import { DEFAULT_STATE_DIR } from '../config/starter.ts';
import { SluiceError } from '../core/errors.ts';
import { validConfig } from './config-file.ts';
import { lastGoodConfig } from './start-config.ts';

/** The configuration of a gateway that was installed as a service. */
const INSTALLED = '/etc/sluice/gateway.yaml';
const HERE = 'gateway.yaml';
export const SOCKET = 'sluice.sock';

/** The configuration where none is named: that of this folder, else that of the service. */
export function defaultConfig(): string {
  return existsSync(HERE) ? HERE : INSTALLED;
}

export interface RunningOptions {
  readonly config: string;
  readonly socket?: string;
  readonly json?: boolean;
}

/** Where the running gateway answers: as named, else in the state directory of the configuration. */
export function socketOf(options: RunningOptions): string {
  return options.socket ?? path.join(stateDirOf(options.config), SOCKET);
}

/**
 * @param signs files of a state directory: where one of them is, a gateway has used it
 * @throws SluiceError usage: nobody named a configuration, and there is none at the usual place
 * @throws SluiceError config-invalid: the configuration has faults, and shows no state directory with one of the signs
 */
export function stateDirOf(config: string, signs: readonly string[] = [SOCKET]): string {
  if (config === INSTALLED && !existsSync(config))
    throw new SluiceError(
      'usage',
      `which gateway? There is no ${HERE} in this folder and no ${INSTALLED}; name the configuration with -c FILE, or the socket of a running gateway with --socket PATH`,
    );
  try {
    return validConfig(config, { readSecrets: false }).config.gateway.stateDir;
  } catch (thrown) {
    // The gateway may run with its last good configuration, and says what is wrong.
    const found = lastGoodConfig(config, false).config?.gateway.stateDir ?? shownStateDir(config, signs);
    if (found === undefined) throw thrown;
    return found;
  }
}

/** Somebody changes the file of a gateway that runs, and is not done yet. A guess would lead to another gateway, so only the text counts. */
function shownStateDir(config: string, signs: readonly string[]): string | undefined {
  const folder = path.dirname(path.resolve(config));
  const written = writtenFolders('stateDir', readAnything(config) ?? '');
  const dirs = written.length === 0 && config === INSTALLED ? [DEFAULT_STATE_DIR] : written;
  const [dir, other] = dirs.map((name) => path.resolve(folder, name));
  return dir !== undefined && other === undefined && signs.some((sign) => existsSync(path.join(dir, sign))) ? dir : undefined;
}

/** True where no gateway listens; false for an answer that was a fault, and for a socket that the user may not open. */
export function nobodyRuns(thrown: unknown): boolean {
  if (!(thrown instanceof SluiceError) || thrown.code !== 'not-running') return false;
  const { cause } = thrown;
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED');
}

/** Colours only where a person looks. */
const colours = process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';
export const paint = (code: 31 | 32 | 33 | 2 | 1, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
