/** The catalogues and the help of the palette, from the one description of its nodes. */
import {
  COMMON,
  type Field,
  LANGUAGES,
  type Language,
  type Sheet,
  STATUSES,
  TYPES,
  UNITS,
  type Words,
} from '../../src/node-red/palette/sheets/sheet.ts';

type Catalogue = Record<string, string | Record<string, string | Record<string, string>>>;

const said = (words: Readonly<Record<string, Words>>, language: Language): Record<string, string> =>
  Object.fromEntries(Object.entries(words).map(([key, one]) => [key, one[language]]));

/** The editor asks for `p.<property>`, `o.<property>.<option>`, `e.<property>` (an empty field), and the common ones. */
export function catalogue({ label, properties }: Sheet, language: Language): Catalogue {
  const labels: Record<string, string> = {};
  const options: Record<string, Record<string, string>> = {};
  const empty: Record<string, string> = {};
  for (const { key, label: one, control } of properties) {
    labels[key] = one[language];
    if (control.kind === 'select' || control.kind === 'checks') options[key] = said(control.options, language);
    if ((control.kind === 'time' || control.kind === 'text') && control.empty !== undefined) empty[key] = control.empty[language];
  }
  return {
    ...{ label: label[language], p: labels, o: options, e: empty, c: said(COMMON, language), u: said(UNITS, language) },
    ...{ t: said(TYPES, language), palette: { label: { sluice: 'sluice' } } },
    // The text that the runtime sends is the key.
    ...said(STATUSES, language),
  };
}

export function help(sheet: Sheet, language: Language): string {
  const word = (key: keyof typeof COMMON): string => COMMON[key]?.[language] ?? '';
  const fields = (list: readonly Field[]): string =>
    list
      .map(({ key, type, help: says, optional }) => {
        const name = `${key} <span class="property-type">${type.replaceAll('|', '&#124;')}</span>`;
        return `  <dt${optional === true ? ' class="optional"' : ''}>${name}</dt>\n  <dd>${says[language]}</dd>`;
      })
      .join('\n');
  const part = (title: string, body: string): string =>
    body === '' ? '' : `<h3>${title}</h3>\n<dl class="message-properties">\n${body}\n</dl>\n`;
  const properties = sheet.properties
    .map(({ label, help: says }) => `  <dt>${label[language]}</dt>\n  <dd>${says[language]}</dd>`)
    .join('\n');
  const details = sheet.details.map((one) => `<p>${one[language]}</p>\n`).join('');
  return [
    `<script type="text/html" data-help-name="${sheet.type}">\n<p>${sheet.summary[language]}</p>\n`,
    part(word('properties'), properties),
    part(word('inputs'), fields(sheet.takes)),
    part(word('outputs'), fields(sheet.sends)),
    details === '' ? '' : `<h3>${word('details')}</h3>\n${details}`,
    '</script>\n',
  ].join('');
}

/** Folders of Node-RED by language: its own English is `en-US`. */
export const FOLDERS: Readonly<Record<Language, string>> = { en: 'en-US', bn: 'bn' };
export { LANGUAGES };
