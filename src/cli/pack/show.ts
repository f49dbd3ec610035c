/** `sluice pack show NAME`. */
import { packChoices } from '../../config/pack-choices.ts';
import { loadPack, PACK_SECTIONS, type PackParameter } from '../../config/rule-packs.ts';
import { SluiceError } from '../../core/errors.ts';
import { withUnit } from '../../core/unit-words.ts';
import { PACKS } from '../config-file.ts';
import { count } from '../words.ts';

export function packShow(name: string, options: { language: string; json?: boolean }): void {
  const { language } = options;
  if (language !== 'en' && language !== 'bn') throw new SluiceError('usage', 'write --language en or --language bn');
  const pack = loadPack(PACKS, name);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...pack, choices: Object.fromEntries(packChoices(pack)) })}\n`);
    return;
  }
  const parameters = Object.entries(pack.parameters);
  const width = Math.max(0, ...parameters.map(([key]) => key.length));
  const made = PACK_SECTIONS.map((section) => [section, Object.keys(pack[section] ?? {})] as const);
  const choices = packChoices(pack);
  const lines = [
    `${pack.name}: ${pack.title[language]}`,
    pack.about[language],
    '',
    'parameters',
    ...parameters.map(([key, parameter]) => `  ${key.padEnd(width)}  ${parameter.about[language]}${rest(parameter)}`),
    '',
    'adds',
    ...made.flatMap(([section, names]) =>
      names.length === 0 ? [] : [`  ${count(names.length, 'entry', 'entries')} of ${section}: ${names.join(', ')}`],
    ),
    ...(choices.size === 0 ? [] : ['', 'times and deadbands inside the rules (our choice: confirm them)']),
    ...[...choices].map(([rule, made]) => `  ${rule}: ${made.map(({ key, value }) => `${key} ${value}`).join(', ')}`),
    '',
    'sources',
    ...pack.sources.map(({ id, title, url }) => `  ${id}: ${title}${url === undefined ? '' : ` ${url}`}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function rest({ default: value, unit, optional, source, confirmed }: PackParameter): string {
  const number = value === undefined ? undefined : withUnit(String(value), unit);
  if (number === undefined) return optional === true ? ' (may be left out)' : ' (needed)';
  const from = source === undefined ? 'our choice: confirm it' : `said to be of ${source}, and not read there: confirm it`;
  return ` (${number}, ${confirmed === true && source !== undefined ? `from ${source}` : from})`;
}
