/** `sluice factory-reset`. */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { factoryReset, fillFree, readResetMark, resetPlan } from '../../care/factory-reset.ts';
import { likelyStateDirs } from '../../care/last-good.ts';
import type { YamlSource } from '../../config/yaml-source.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { findText } from '../../provisioning/card-text.ts';
import { recordFile } from '../../provisioning/record.ts';
import { WIFI_FILES } from '../../provisioning/wifi.ts';
import { bootFolder } from '../boot-folder.ts';
import { readConfig } from '../config-file.ts';
import { isConfirmed } from '../password-prompt.ts';
import { lastGoodConfig } from '../start-config.ts';
import { count } from '../words.ts';

export interface ResetOptions {
  readonly config: string;
  readonly yes?: boolean;
  readonly fillDisk?: boolean;
  readonly json?: boolean;
}

export async function resetGateway(options: ResetOptions): Promise<void> {
  const { stateDir, plan, goesOn } = whatToReset(options.config);
  const uid = process.getuid?.();
  if (uid !== 0 && statSync(stateDir, { throwIfNoEntry: false })?.uid !== uid)
    throw new SluiceError('forbidden', `only root and the user of the gateway may do this: sudo sluice factory-reset`);
  const words = [
    goesOn ? 'A factory reset was interrupted, and is finished now:' : 'This erases the gateway:',
    `  ${stateDir} with readings, accounts, keys and flows`,
    `  ${plan.configFile}; a starter configuration takes its place`,
    ...plan.paths.map((one) => `  ${one}`),
  ];
  if (options.json !== true) process.stderr.write(`${words.join('\n')}\n`);
  if (options.yes !== true && !(await isConfirmed('Type yes to erase it for good: ')))
    throw new SluiceError('usage', 'nothing was erased. To erase it: sluice factory-reset --yes');
  const erased = factoryReset(stateDir, plan);
  const filled = options.fillDisk === true ? fillFree(stateDir) : 0;
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ...erased, filled, stateDir, configFile: plan.configFile })}\n`
      : `Erased ${count(erased.files, 'file')}, ${formatSize(erased.bytes)}${filled > 0 ? `, and wrote zeros into ${formatSize(filled)} of free space` : ''}.\nA flash card or an SSD may still hold old blocks that no program can reach. Destroy the card if its secrets are worth an attack, and change the passwords upstream.\n${cardWords(bootFolder('/'))}`,
  );
}

/** A run that was cut left its plan; the configuration of that time is gone. */
function whatToReset(file: string) {
  for (const stateDir of likelyStateDirs(file, process.env)) {
    const mark = readResetMark(stateDir);
    // Root plans anew where another user may have made the mark.
    if (mark === undefined || mark === 'foreign' || mark.plan.configFile !== path.resolve(file)) continue;
    if (!mark.own)
      throw new SluiceError('forbidden', 'root began this reset, and only root can finish it: sudo sluice factory-reset');
    return { stateDir, plan: mark.plan, goesOn: true };
  }
  const config = readConfig(file, { readSecrets: false }).config ?? lastGoodConfig(file, false).config;
  const stateDir = config?.gateway.stateDir ?? likelyStateDirs(file, process.env)[0] ?? '/var/lib/sluice';
  return { stateDir, plan: resetPlan(file, stateDir, config?.gateway.runtimeDir, secretsOfCard(stateDir, '/')), goesOn: false };
}

/** The Wi-Fi password that a card brought. Only the gateway that took the card over erases it. */
export function secretsOfCard(stateDir: string, root: string): string[] {
  if (!existsSync(recordFile(stateDir))) return [];
  return WIFI_FILES.map((file) => path.join(root, file)).filter((file) => existsSync(file));
}

/** The words of the command about a card that is in the board. */
export function cardWords(boot: string | undefined): string {
  const card = boot === undefined ? undefined : findText(boot);
  return card === undefined || card.kind === 'none'
    ? ''
    : `${card.file} stays on the card. The next start of the board puts it in force again: remove it, or erase the card.\n`;
}

/** Whether root has to finish a reset. The mark of another user means nothing to it. */
export function hasUnfinishedReset(file: string, elsewhere: readonly string[]): boolean {
  return [...likelyStateDirs(file, process.env), ...elsewhere].some((stateDir) => {
    const mark = readResetMark(stateDir);
    return mark !== undefined && mark !== 'foreign' && mark.plan.configFile === path.resolve(file);
  });
}

/**
 * Before a start: a reset that a kill or a power cut interrupted is finished.
 * @param elsewhere folders of the state that the caller knows besides the likely ones
 * @param read the configuration, where it was read before
 * @param passForeign a mark that another user may have made means nothing. Otherwise it is a fault.
 * @returns whether there was one
 * @throws SluiceError config-invalid, already-running: this user cannot finish it, so no gateway may start
 */
export function continueReset(file: string, elsewhere: readonly string[] = [], passForeign = false, read?: YamlSource): boolean {
  for (const stateDir of new Set([...likelyStateDirs(file, process.env, read), ...elsewhere])) {
    const mark = readResetMark(stateDir);
    if (mark === undefined || (mark === 'foreign' && passForeign)) continue;
    if (mark === 'foreign') throw unfinished(stateDir, 'another user may have begun it');
    if (mark.plan.configFile !== path.resolve(file)) continue;
    if (!mark.own) throw unfinished(stateDir, 'root began it');
    try {
      factoryReset(stateDir, mark.plan);
    } catch (cause) {
      if (cause instanceof SluiceError && cause.code === 'already-running') throw cause;
      throw unfinished(stateDir, toError(cause).message, cause);
    }
    return true;
  }
  return false;
}

/** Exit status 78: a restart would not help. */
function unfinished(stateDir: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError(
    'config-invalid',
    `a factory reset of ${stateDir} was interrupted, and this start cannot finish it: ${why}. Finish it with sudo sluice factory-reset --yes, then start the gateway`,
    { cause },
  );
}
