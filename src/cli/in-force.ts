/**
 * Which configuration is in force, for commands that answer about the site and not about the file: what a start finds. That is the
 * configuration from upstream, the file on the board, or the last good one where the file is broken. Nothing is written here.
 */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { CONFIG_FOLDER } from '../care/last-good.ts';
import type { Fault } from '../config/fault.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { LoadResult } from '../config/load.ts';
import { parseYamlText, readYamlFile } from '../config/yaml-source.ts';
import { type Kept, type PushRecord, PushStore } from '../configure/record.ts';
import { settle } from '../configure/settle.ts';
import { SluiceError } from '../core/errors.ts';
import { codeOf } from './bundle/bundle-file.ts';
import { readConfig, refusedWords } from './config-file.ts';
import { baseOf, readUpstream } from './pushed-config.ts';
import { lastGoodConfig } from './start-config.ts';

/** One text that the gateway runs with, may run with now, or may run with next. */
export interface Known {
  /** The version of a configuration from upstream; absent: the file on the board, or the last good one. */
  readonly version?: number;
  /** The text as plain data. */
  readonly raw: unknown;
  /** undefined: it cannot be used. */
  readonly config: GatewayConfig | undefined;
}

export interface InForce {
  /** undefined: there is none that can be used. */
  readonly config: GatewayConfig | undefined;
  /** Version of the configuration from upstream that is in force. */
  readonly version?: number;
  /** What is wrong in the file on the board. */
  readonly faults: readonly Fault[];
  /** The file on the board, then what came from upstream, a trial included. */
  readonly known: readonly Known[];
  /** Why nobody knows whether a configuration from upstream is in force. */
  readonly unknown?: string;
  /** The file is broken. */
  readonly lastGood: boolean;
}

interface Options {
  readonly readSecrets: boolean;
}

/** Never throws. */
export function lookInForce(file: string, options: Options): InForce {
  const found = readConfig(file, options);
  const board = found.config ?? lastGoodConfig(file, options.readSecrets).config;
  const base: Known = { raw: readYamlFile(file).value, config: board };
  const lastGood = found.config === undefined && board !== undefined;
  const none: InForce = { config: board, faults: found.faults, known: [base], lastGood };
  if (board === undefined) return none;
  const folder = path.join(board.gateway.stateDir, CONFIG_FOLDER);
  const store = new PushStore(folder, 'anybody');
  const record = store.read();
  // A start takes nothing from upstream then. A person who may not read the files does not know that.
  if (record === 'damaged') return mayRead(folder) ? none : { ...none, unknown: `${folder} cannot be read; use sudo` };
  return { ...none, ...withUpstream(none, record, { store, file, found, options }) };
}

interface Upstream {
  readonly store: PushStore;
  readonly file: string;
  readonly found: LoadResult;
  readonly options: Options;
}

function withUpstream(
  { known }: InForce,
  record: PushRecord,
  { store, file, found, options }: Upstream,
): Pick<InForce, 'known'> & { config?: GatewayConfig; version?: number } {
  const base = baseOf(found);
  const read = (kept: Kept | undefined): Known | undefined => {
    const yaml = kept && store.text(kept);
    if (kept === undefined || yaml === undefined) return undefined;
    const { version } = kept;
    // Without the file on the board nobody knows which files it may name: it counts as one that cannot be used.
    const config = base && readUpstream({ yaml, version, base }, file, { ...options, secretsLater: true }).config;
    return { version, raw: parseYamlText(file, yaml).value, config };
  };
  const trial = read(record.trial);
  const current = read(record.current);
  const all = [...known, ...[current, trial].filter((one) => one !== undefined)];
  const settled = settle(record, found.read?.text, Date.now()).record.current;
  if (found.config === undefined || settled === undefined || current?.config === undefined) return { known: all };
  return { known: all, config: current.config, version: settled.version };
}

/** @param say on standard error when it is not the file @throws SluiceError config-invalid */
export function configInForce(file: string, say = true): GatewayConfig {
  const { config, version, faults, unknown, lastGood } = lookInForce(file, { readSecrets: false });
  if (config === undefined) throw new SluiceError('config-invalid', refusedWords(faults));
  const words =
    unknown !== undefined
      ? `this is about ${file}, and a configuration from upstream may be in force instead: ${unknown}`
      : lastGood
        ? `${file} is broken, so this is about the last good configuration, which is in force`
        : version === undefined
          ? undefined
          : `this is about version ${version} from upstream, which is in force instead of ${file}`;
  if (say && words !== undefined) process.stderr.write(`sluice: ${words}\n`);
  return config;
}

function mayRead(folder: string): boolean {
  try {
    for (const name of ['upstream.json', 'upstream-copy.json']) accessSync(path.join(folder, name), constants.R_OK);
    return true;
  } catch (thrown) {
    return !(['EACCES', 'EPERM'] as unknown[]).includes(codeOf(thrown));
  }
}
