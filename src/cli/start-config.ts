/** The configuration of a start: the file, or the last good one where the file is broken. */
import path from 'node:path';
import { type LastGood, likelyStateDirs, readLastGood } from '../care/last-good.ts';
import { formatFault } from '../config/fault.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { type LoadResult, loadConfigText } from '../config/load.ts';
import type { YamlSource } from '../config/yaml-source.ts';
import type { BrokenConfig } from '../core/broken-config.ts';
import type { Ran } from '../core/configuring.ts';
import { SluiceError } from '../core/errors.ts';
import { readMeasured } from '../drivers/modbus/measured-file.ts';
import { kinds } from '../gateway/registry.ts';
import { boardPorts, PROFILES, readConfig, refusedWords } from './config-file.ts';
import { baseOf, type Pushed, pushedAt, ranOf } from './pushed-config.ts';

export interface StartConfig {
  readonly config: GatewayConfig;
  readonly warnings: readonly string[];
  /** What is kept when it ran well; absent for the last good configuration itself. */
  readonly ran?: Ran | undefined;
  /** Why the last good configuration is used; absent where the file is in order. */
  readonly broken?: BrokenConfig | undefined;
  /** Takes configurations from upstream; it knows which one is in force. */
  readonly pushed: Pushed;
}

/**
 * @param read the file, where it was read before
 * @throws SluiceError config-invalid: the file is broken, and there is no last good configuration that can be used
 */
export function startConfig(file: string, read?: YamlSource): StartConfig {
  const found = readConfig(file, { source: read });
  const base = baseOf(found);
  if (base !== undefined && found.read !== undefined) {
    const pushed = pushedAt(file, base.config.gateway.stateDir, base);
    const upstream = pushed.inForce;
    const { config } = upstream ?? base;
    const ran = upstream?.ran ?? ranOf(file, found.read);
    return { config, warnings: [...found.warnings.map(formatFault), ...(upstream?.warnings ?? [])], ran, pushed };
  }
  const good = lastGoodConfig(file);
  if (good.config === undefined) throw new SluiceError('config-invalid', `${refusedWords(found.faults)}${good.words}`);
  return {
    ...{ config: good.config, warnings: good.warnings },
    broken: { file: path.resolve(file), faults: found.faults.map(formatFault), kept: good.kept },
    pushed: pushedAt(file, good.config.gateway.stateDir, undefined),
  };
}

type Found =
  | { readonly config: GatewayConfig; readonly warnings: readonly string[]; readonly kept: number; readonly good: LastGood }
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
          good,
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
