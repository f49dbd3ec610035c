/** `sluice provision`: a card becomes a gateway. */
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { isRestorePending, settleAtBoot } from '../care/settle.ts';
import { loadConfigText } from '../config/load.ts';
import { SluiceError, toError } from '../core/errors.ts';
import { readMeasured } from '../drivers/modbus/measured-file.ts';
import { kinds } from '../gateway/registry.ts';
import { findText } from '../provisioning/card-text.ts';
import { readIdentity } from '../provisioning/identity.ts';
import { type CheckConfig, planOf } from '../provisioning/plan.ts';
import { provision } from '../provisioning/provision.ts';
import { outerAddresses } from '../provisioning/status-text.ts';
import { bootFolder } from './boot-folder.ts';
import { continueReset, hasUnfinishedReset } from './care/factory-reset.ts';
import { boardPorts, PROFILES } from './config-file.ts';

export interface ProvisionCommandOptions {
  readonly boot?: string;
  readonly config: string;
  readonly state: string;
  readonly root: string;
  readonly report?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export const checkMade: CheckConfig = (text, file) =>
  loadConfigText(text, file, kinds, { profileDirs: [PROFILES], measured: readMeasured, boardPorts, readSecrets: false });

export async function provisionCard(options: ProvisionCommandOptions): Promise<void> {
  const boot = options.boot ?? bootFolder(options.root);
  if (options.dryRun === true) return dryRun(boot, options);
  if (options.boot !== undefined && !existsSync(options.boot))
    throw new SluiceError('not-found', `there is no folder ${options.boot}; name the folder where the card is mounted`);
  const { report, root, config, state } = options;
  const stuck = report === true ? undefined : unfinishedAt(options);
  const words = stuck === undefined ? pendingAt(options) : `${stuck.message.charAt(0).toUpperCase()}${stuck.message.slice(1)}.`;
  const done = provision({
    ...{ boot, root, check: checkMade, reportOnly: report === true },
    unfinished: words,
    ...{ config: path.resolve(config), stateDir: path.resolve(state) },
    addresses: () => outerAddresses(networkInterfaces()),
  });
  if (stuck !== undefined) throw stuck;
  const lines = [done.result, ...(done.id === undefined ? [] : [`Gateway id: ${done.id}`]), ...done.remarks];
  process.stdout.write(options.json ? `${JSON.stringify(done)}\n` : `${lines.join('\n')}\n`);
  if (done.outcome === 'refused') throw new SluiceError('config-invalid', done.faults.join('\n'));
  if (done.outcome === 'failed') throw new SluiceError('access-write', done.result);
}

/**
 * Finishes a reset or a restore that was interrupted. Only root can where the service may not write the configuration.
 * @returns why that failed: a technician reads it on the card, since no gateway starts meanwhile
 */
function unfinishedAt({ config, state }: ProvisionCommandOptions): Error | undefined {
  try {
    continueReset(config, [path.resolve(state)], true);
    settleAtBoot(path.resolve(config), path.resolve(state));
    return undefined;
  } catch (thrown) {
    return toError(thrown);
  }
}

/** For the later report, which finishes nothing. @returns why no gateway starts; undefined: nothing was interrupted */
function pendingAt({ config, state }: ProvisionCommandOptions): string | undefined {
  if (hasUnfinishedReset(config, [path.resolve(state)]))
    return 'A factory reset was interrupted, and no gateway starts before it is finished: sudo sluice factory-reset --yes';
  if (isRestorePending(path.resolve(config)))
    return 'A restore was interrupted, and no gateway starts before it is finished: sudo sluice provision';
  return undefined;
}

function dryRun(boot: string | undefined, options: ProvisionCommandOptions): void {
  const found = boot === undefined ? { kind: 'none' as const } : findText(boot);
  if (found.kind === 'none') throw new SluiceError('not-found', `there is no sluice.yaml in ${boot ?? '/boot/firmware'}`);
  if (found.kind === 'bad') throw new SluiceError('config-invalid', `${found.file}:${found.line}:1: ${found.why}`);
  const stateDir = path.resolve(options.state);
  const kept = readIdentity(stateDir);
  const planned = planOf(found, {
    ...{ config: path.resolve(options.config), stateDir, check: checkMade, folder: path.dirname(found.file) },
    ...{ id: kept?.id ?? 'sluice-000000', former: kept?.former ?? [] },
  });
  if ('faults' in planned) throw new SluiceError('config-invalid', planned.faults.join('\n'));
  const { plan } = planned;
  const files = plan.needs.map((of) => [of, path.join(stateDir, 'secrets', `upstream-${of}`)]);
  for (const warning of plan.warnings) process.stderr.write(`${warning}\n`);
  const text = plan.config(Object.fromEntries(files));
  process.stdout.write(options.json ? `${JSON.stringify({ id: plan.id, config: text })}\n` : text);
}
