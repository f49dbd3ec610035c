/** The configuration of a start: the file, or the last good one where the file is broken. */
import path from 'node:path';
import { type LastGood, likelyStateDirs, type Ran, readLastGood } from '../care/last-good.ts';
import { formatFault } from '../config/fault.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { type LoadResult, loadConfigText } from '../config/load.ts';
import type { BrokenConfig } from '../core/broken-config.ts';
import { SluiceError } from '../core/errors.ts';
import { readMeasured } from '../drivers/modbus/measured-file.ts';
import { kinds } from '../gateway/registry.ts';
import { boardPorts, PROFILES, readConfig, refusedWords } from './config-file.ts';

export interface StartConfig {
  readonly config: GatewayConfig;
  readonly warnings: readonly string[];
  /** What is kept when it ran well; absent for the last good configuration itself. */
  readonly ran?: Ran | undefined;
  /** Why the last good configuration is used; absent where the file is in order. */
  readonly broken?: BrokenConfig | undefined;
}

/** @throws SluiceError config-invalid: the file is broken, and there is no last good configuration that can be used */
export function startConfig(file: string): StartConfig {
  const { config, faults, warnings, read } = readConfig(file);
  if (config !== undefined && read !== undefined) return { config, warnings: warnings.map(formatFault), ran: ranOf(file, read) };
  const found = lastGoodConfig(file);
  if (found.config === undefined) throw new SluiceError('config-invalid', `${refusedWords(faults)}${found.words}`);
  return {
    config: found.config,
    warnings: found.warnings,
    broken: { file: path.resolve(file), faults: faults.map(formatFault), kept: found.kept },
  };
}

/** What is kept of a configuration that is in force. */
export function ranOf(file: string, { text, profiles }: NonNullable<LoadResult['read']>): Ran {
  const shipped = path.resolve(PROFILES) + path.sep;
  return { file: path.resolve(file), text, profiles: profiles.filter((profile) => !path.resolve(profile).startsWith(shipped)) };
}

type Found =
  | { readonly config: GatewayConfig; readonly warnings: readonly string[]; readonly kept: number }
  /** `words` complete the refusal. */
  | { readonly config: undefined; readonly words: string };

/** Never throws. A secret that is not there keeps its forwarder from connecting, and nothing else. */
export function lastGoodConfig(file: string, readSecrets = true): Found {
  let words = '';
  for (const stateDir of likelyStateDirs(file, process.env))
    for (const good of readLastGood(stateDir, file)) {
      const { config, warnings, faults } = load(good, file, readSecrets);
      if (config !== undefined && config.gateway.stateDir === path.resolve(stateDir))
        return {
          config,
          warnings: warnings.map((fault) => `In the last good configuration: ${formatFault(fault)}`),
          kept: good.at,
        };
      const why = faults[0] === undefined ? 'it has another state folder' : formatFault(faults[0]);
      words = `\nThe last good configuration cannot be used by this version either (${good.version} kept it): ${why}`;
    }
  return { config: undefined, words };
}

function load({ text, profiles }: LastGood, file: string, readSecrets: boolean): LoadResult {
  return loadConfigText(text, file, kinds, {
    ...{ profileDirs: [PROFILES], profileFiles: profiles, ownProfiles: false },
    ...{ secretsLater: true, readSecrets, measured: readMeasured, boardPorts },
  });
}
