/** `sluice factory-reset`. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { factoryReset, fillFree, readResetMark, resetPlan } from '../../care/factory-reset.ts';
import { likelyStateDirs } from '../../care/last-good.ts';
import { SluiceError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
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
      : `Erased ${count(erased.files, 'file')}, ${formatSize(erased.bytes)}${filled > 0 ? `, and wrote zeros into ${formatSize(filled)} of free space` : ''}.\nA flash card or an SSD may still hold old blocks that no program can reach. Destroy the card if its secrets are worth an attack, and change the passwords upstream.\n`,
  );
}

/** A run that was cut left its plan; the configuration of that time is gone. */
function whatToReset(file: string) {
  for (const stateDir of likelyStateDirs(file, process.env)) {
    const plan = readResetMark(stateDir);
    if (plan !== undefined && plan.configFile === path.resolve(file)) return { stateDir, plan, goesOn: true };
  }
  const config = readConfig(file, { readSecrets: false }).config ?? lastGoodConfig(file, false).config;
  const stateDir = config?.gateway.stateDir ?? likelyStateDirs(file, process.env)[0] ?? '/var/lib/sluice';
  return { stateDir, plan: resetPlan(file, stateDir, config?.gateway.runtimeDir), goesOn: false };
}

/** Before a start: a reset that a kill or a power cut interrupted is finished. @returns whether there was one */
export function continueReset(file: string): boolean {
  for (const stateDir of likelyStateDirs(file, process.env)) {
    const plan = readResetMark(stateDir);
    if (plan === undefined || plan.configFile !== path.resolve(file)) continue;
    factoryReset(stateDir, plan);
    return true;
  }
  return false;
}
