/** `sluice pack apply NAME`: the rules of a pack as YAML, printed or added to the configuration. */
import { chmodSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { addEntries, entryLines } from '../../config/add-entries.ts';
import { formatFault } from '../../config/fault.ts';
import { applyPack, loadPack, PACK_SECTIONS, type PackSections, type RulePack } from '../../config/rule-packs.ts';
import { MAX_FILE_BYTES } from '../../config/yaml-source.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { PACKS, readConfig } from '../config-file.ts';
import { count } from '../words.ts';

export function packApply(name: string, options: { set?: ReadonlyMap<string, string>; write?: boolean; config: string }): void {
  const pack = loadPack(PACKS, name);
  const sections = applyPack(pack, options.set ?? new Map());
  if (options.write === true) addTo(options.config, pack, sections);
  else process.stdout.write(asYaml(pack, sections));
}

function asYaml(pack: RulePack, sections: PackSections): string {
  const parts = PACK_SECTIONS.filter((section) => Object.keys(sections[section]).length > 0);
  const ours = Object.entries(pack.parameters).filter(([, p]) => p.default !== undefined && p.confirmed !== true);
  return [
    `# Rule pack ${pack.name}: ${pack.title.en}`,
    ...pack.sources.map(({ id, title }) => `# Source ${id}: ${title}`),
    ...(ours.length === 0 ? [] : [`# Confirm these values, they are our choice: ${ours.map(([key]) => key).join(', ')}`]),
    ...parts.map((section) => `${section}:\n${entryLines(sections[section], 2)}`),
    '',
  ].join('\n');
}

/** @throws SluiceError usage, not-found, config-invalid; the file is as it was then */
function addTo(file: string, pack: RulePack, sections: PackSections): void {
  let before: string;
  let mode: number;
  try {
    const stat = statSync(file);
    if (stat.size > MAX_FILE_BYTES) throw new SluiceError('usage', `${file} is larger than a configuration may be`);
    mode = stat.mode & 0o777;
    before = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError('not-found', `${file} cannot be read: ${toError(cause).message}; write one with: sluice init`, {
      cause,
    });
  }
  const parts = new Map(PACK_SECTIONS.map((section) => [section as string, sections[section]]));
  // A bus without a wire serves all packs.
  const buses = readConfig(file, { readSecrets: false }).config?.buses;
  parts.set('buses', Object.fromEntries(Object.entries(sections.buses).filter(([bus]) => buses?.has(bus) !== true)));
  const text = addEntries(before, Object.fromEntries(parts), `rule pack ${pack.name}`);
  const trial = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.new`);
  try {
    writeFileSync(trial, text, { mode: 0o600, flag: 'wx' });
    const { config, faults } = readConfig(trial, { readSecrets: false });
    if (config === undefined)
      throw new SluiceError(
        'config-invalid',
        `with the pack the configuration would be refused, so ${file} stays as it was:\n${faults.map((fault) => formatFault({ ...fault, file })).join('\n')}`,
      );
    chmodSync(trial, mode);
    renameSync(trial, file);
  } finally {
    rmSync(trial, { force: true });
  }
  const words = PACK_SECTIONS.flatMap((section) => {
    const names = Object.keys(parts.get(section) ?? {});
    return names.length === 0 ? [] : [`${count(names.length, 'entry', 'entries')} to ${section} (${names.join(', ')})`];
  });
  process.stdout.write(`Added ${words.join(', ')}. Next:\n  sluice check ${file}\n`);
}
