/** `sluice pack apply NAME`: the rules of a pack as YAML, printed or added to the configuration. */
import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { addEntries, entryLines } from '../../config/add-entries.ts';
import { formatFault } from '../../config/fault.ts';
import { packChoices } from '../../config/pack-choices.ts';
import { applyPack, loadPack, PACK_SECTIONS, type PackSections, type RulePack } from '../../config/rule-packs.ts';
import { MAX_FILE_BYTES } from '../../config/yaml-source.ts';
import { SluiceError } from '../../core/errors.ts';
import { WholeFile } from '../bundle/bundle-file.ts';
import { PACKS, readConfig, readText } from '../config-file.ts';
import { fileWords } from '../file-words.ts';
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
    ...(packChoices(pack).size === 0
      ? []
      : ['# Confirm the delays, deadbands and windows in the rules too, they are our choice.']),
    ...parts.map((section) => `${section}:\n${entryLines(sections[section], 2)}`),
    '',
  ].join('\n');
}

/** @throws SluiceError usage, not-found, config-invalid; the file is as it was then */
function addTo(written: string, pack: RulePack, sections: PackSections): void {
  const { file, before, stat } = read(written);
  const parts = new Map(PACK_SECTIONS.map((section) => [section as string, sections[section]]));
  // A bus without a wire serves all packs.
  const buses = readConfig(file, { readSecrets: false }).config?.buses;
  parts.set('buses', Object.fromEntries(Object.entries(sections.buses).filter(([bus]) => buses?.has(bus) !== true)));
  const [prefix] = Object.entries(pack.parameters).find(([, { kind }]) => kind === 'name') ?? [];
  const rename = prefix === undefined ? undefined : `choose another name with --set ${prefix}=…`;
  const text = addEntries(before, Object.fromEntries(parts), `rule pack ${pack.name}`, rename);
  const { config, faults } = readText(text, file);
  if (config === undefined)
    throw new SluiceError(
      'config-invalid',
      `with the pack the configuration would be refused, so ${file} stays as it was:\n${faults.map(formatFault).join('\n')}`,
    );
  const whole = new WholeFile(path.dirname(file), 0o600);
  try {
    whole.likeness(stat);
    whole.write(Buffer.from(text));
    whole.finish(path.basename(file));
  } finally {
    whole.abandon();
  }
  const words = PACK_SECTIONS.flatMap((section) => {
    const names = Object.keys(parts.get(section) ?? {});
    return names.length === 0 ? [] : [`${count(names.length, 'entry', 'entries')} to ${section} (${names.join(', ')})`];
  });
  process.stdout.write(`Added ${words.join(', ')}. Next:\n  sluice check ${written}\n`);
}

/** A link leads to the file that is changed. */
function read(written: string): { file: string; before: string; stat: Stats } {
  try {
    const file = realpathSync(written);
    const stat = statSync(file);
    if (stat.size > MAX_FILE_BYTES) throw new SluiceError('usage', `${written} is larger than a configuration may be`);
    return { file, before: readFileSync(file, 'utf8'), stat };
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError('not-found', `${written} cannot be read: ${fileWords(cause)}; write one with: sluice init`, {
      cause,
    });
  }
}
