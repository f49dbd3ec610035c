/** The configuration that upstream sent and that is in force, beside the file on the board. */
import path from 'node:path';
import { CONFIG_FOLDER } from '../care/last-good.ts';
import { type Fault, formatFault } from '../config/fault.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { type LoadResult, loadConfigText } from '../config/load.ts';
import { DAMAGED } from '../configure/admission.ts';
import type { Base } from '../configure/base.ts';
import { withBoardFiles } from '../configure/board-files.ts';
import type { Loaded, UpstreamText } from '../configure/configured.ts';
import { type PushRecord, PushStore } from '../configure/record.ts';
import { setAside, settle, takenAgain, withoutCurrent } from '../configure/settle.ts';
import type { Ran } from '../core/configuring.ts';
import { readMeasured } from '../drivers/modbus/measured-file.ts';
import { kinds } from '../gateway/registry.ts';
import { PROVISIONED } from '../provisioning/plan.ts';
import { boardPorts, PROFILES } from './config-file.ts';

export interface Pushed {
  readonly store: PushStore;
  readonly record: PushRecord | 'damaged';
  readonly notices: readonly string[];
  readonly base: Base | undefined;
  /** The record has a configuration that this version of the program cannot use. */
  readonly aside?: boolean;
  /** Absent: the file on the board is in force. */
  readonly inForce?: UpstreamConfig | undefined;
}

export interface UpstreamConfig {
  readonly config: GatewayConfig;
  readonly ran: Ran;
  readonly warnings: readonly string[];
}

/** undefined: the file is broken. */
export function baseOf({ config, read }: LoadResult): Base | undefined {
  if (config === undefined || read === undefined) return undefined;
  return { config, text: read.text, references: read.references, provisioned: read.text.startsWith(PROVISIONED) };
}

/** What is kept of a configuration that is in force. */
export function ranOf(file: string, { text, profiles }: Pick<NonNullable<LoadResult['read']>, 'text' | 'profiles'>): Ran {
  const shipped = path.resolve(PROFILES) + path.sep;
  return {
    file: path.resolve(file),
    text,
    profiles: profiles.filter((profile) => !path.resolve(profile.file).startsWith(shipped)),
  };
}

/** What a start finds. Never throws. */
export function pushedAt(file: string, stateDir: string, base: Base | undefined): Pushed {
  const store = new PushStore(path.join(stateDir, CONFIG_FOLDER));
  const found = store.read();
  if (found === 'damaged') return { store, record: found, notices: [`${DAMAGED}.`], base };
  const { record, notices } = settle(found, base?.text, Date.now());
  const { current } = record;
  if (current === undefined || base === undefined) return { store, record, notices, base };
  const yaml = store.text(current);
  const text = yaml === undefined ? undefined : { yaml, version: current.version, base };
  const loaded = text && readUpstream(text, file, { readSecrets: true, secretsLater: true });
  if (loaded?.config !== undefined && loaded.read !== undefined) {
    const warnings = loaded.warnings.map((fault) => `In the configuration from upstream: ${formatFault(fault)}`);
    const inForce = { config: loaded.config, ran: ranOf(file, loaded.read), warnings };
    const again = takenAgain(record, Date.now());
    return { store, record: again.record, notices: [...notices, ...again.notices], base, inForce };
  }
  const [fault] = loaded?.faults ?? [];
  const why = fault === undefined ? 'its file is missing or damaged' : formatFault(fault);
  const message = `Version ${current.version} cannot be used any more: ${why}. The file on the board is in force.`;
  const here = { store, notices: [...notices, message], base };
  if (loaded === undefined) return { ...here, record: withoutCurrent(record, message, Date.now()) };
  return { ...here, record: setAside(record, message, Date.now()), aside: true };
}

/** For the command `configure`. @param readSecrets false: no file that it names is read */
export function loadUpstream(text: UpstreamText, file: string, readSecrets: boolean): Loaded {
  const { config, read, faults } = readUpstream(text, file, { readSecrets, secretsLater: false });
  if (config !== undefined && read !== undefined) return { config, references: read.references, ran: ranOf(file, read) };
  return { faults: faults.map(formatFault) };
}

/** As the file on the board would be read with that text; faults name its version. */
export function readUpstream(
  { yaml, version, base }: UpstreamText,
  file: string,
  secrets: { readSecrets: boolean; secretsLater: boolean },
): LoadResult {
  const measured = secrets.readSecrets ? readMeasured : undefined;
  const text = withBoardFiles(yaml, base.references);
  const result = loadConfigText(text, file, kinds, { profileDirs: [PROFILES], measured, boardPorts, ...secrets });
  const named = (fault: Fault) => (fault.file === file ? { ...fault, file: `version ${version}` } : fault);
  return { ...result, faults: result.faults.map(named), warnings: result.warnings.map(named) };
}

/** Files of profiles beside the configuration that the configuration from upstream uses. Never throws. */
export function pushedProfiles(file: string, stateDir: string, base: Base | undefined): readonly string[] {
  const store = new PushStore(path.join(stateDir, CONFIG_FOLDER), 'anybody');
  const found = store.read();
  if (found === 'damaged' || found.current === undefined || base === undefined) return [];
  const yaml = store.text(found.current);
  if (yaml === undefined) return [];
  const { version } = found.current;
  const { read } = readUpstream({ yaml, version, base }, file, { readSecrets: false, secretsLater: true });
  return read === undefined ? [] : ranOf(file, read).profiles.map((profile) => profile.file);
}
