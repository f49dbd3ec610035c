import path from 'node:path';
import { resolvePort } from '../boards/detect.ts';
import { BoardLibrary } from '../boards/library.ts';
import { machineAt } from '../boards/machine.ts';
import type { BoardPorts } from '../config/board-ports.ts';
import { type Fault, formatFault } from '../config/fault.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { type LoadOptions, type LoadResult, loadConfig, loadConfigText } from '../config/load.ts';
import { SluiceError } from '../core/errors.ts';
import { readMeasured } from '../drivers/modbus/measured-file.ts';
import { kinds } from '../gateway/registry.ts';

/** The device library that comes with Sluice. */
export const PROFILES = path.join(import.meta.dirname, '..', '..', 'hardware-profiles', 'devices');

/** The boards that come with Sluice. */
export const BOARDS = path.join(import.meta.dirname, '..', '..', 'hardware-profiles', 'boards');

/** Another root for what the machine says about itself: tests make one up. */
export const BOARD_ROOT = process.env.SLUICE_BOARD_ROOT ?? '';

export const boardPorts: BoardPorts = (name, named = {}) => {
  const machine = machineAt(BOARD_ROOT);
  return resolvePort(BoardLibrary.fitting(BOARDS, machine, named), machine, name, named);
};

/** The rule packs that come with Sluice. */
export const PACKS = path.join(import.meta.dirname, '..', '..', 'rule-packs');

/** The status page, as scripts/build-pages.ts makes it. */
export const PAGES = path.join(import.meta.dirname, '..', '..', 'dist', 'pages');

export function readConfig(file: string, options: Pick<LoadOptions, 'readSecrets' | 'source'> = {}): LoadResult {
  return loadConfig(file, kinds, { profileDirs: [PROFILES], measured: readMeasured, boardPorts, ...options });
}

/** What a file would be with another text; its secrets are not read. */
export function readText(text: string, file: string): LoadResult {
  return loadConfigText(text, file, kinds, { profileDirs: [PROFILES], measured: readMeasured, boardPorts, readSecrets: false });
}

/** @throws SluiceError config-invalid with every fault on a line of its own */
export function validConfig(
  file: string,
  options: { readSecrets?: boolean } = {},
): { config: GatewayConfig; warnings: string[] } {
  const { config, faults, warnings } = readConfig(file, options);
  if (config === undefined) throw new SluiceError('config-invalid', refusedWords(faults));
  return { config, warnings: warnings.map(formatFault) };
}

/** For a gateway that runs: who may not have the names in the faults gets their number. */
export function refusedConfig(faults: readonly Fault[]): SluiceError {
  return new SluiceError('config-invalid', refusedWords(faults), { data: { faults: faults.length } });
}

export function refusedWords(faults: readonly Fault[]): string {
  return `the configuration was refused:\n${faults.map(formatFault).join('\n')}`;
}
