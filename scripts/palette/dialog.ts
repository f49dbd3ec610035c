/** The edit dialog of a node and what its script gets, from the one description of the nodes. */
import { defaultsOf } from '../../src/node-red/palette/sheets/all.ts';
import { type Property, type Sheet, UNITS } from '../../src/node-red/palette/sheets/sheet.ts';

/** As wide as in other nodes, and no wider than the room beside the label. Node-RED copies a `calc` to what it makes of a field. */
const ROOM = 'min(70%, 100% - 108px)';
const WIDE = `width:calc(${ROOM})`;
/** With a unit behind it. */
const BEFORE_UNIT = `width:calc(${ROOM} - 108px)`;

export function template(sheet: Sheet): string {
  const prefix = sheet.config === true ? 'node-config-input' : 'node-input';
  const rows = [
    ...(sheet.config === true
      ? []
      : [row(`${prefix}-gateway`, 'server', 'c.gateway', `<input type="text" id="${prefix}-gateway" style="${WIDE}">`)]),
    ...sheet.properties.map((property) => rowOf(property, prefix)),
    row(
      `${prefix}-name`,
      'tag',
      'c.name',
      `<input type="text" id="${prefix}-name" style="${WIDE}" data-i18n="[placeholder]c.name">`,
    ),
  ];
  return `<script type="text/html" data-template-name="${sheet.type}">\n${rows.join('\n')}\n</script>\n`;
}

function row(id: string, icon: string, label: string, control: string, key = ''): string {
  const mark = key === '' ? '' : ` data-sluice-row="${key}"`;
  return `  <div class="form-row"${mark}>
    <label for="${id}"><i class="fa fa-${icon}"></i> <span data-i18n="${label}"></span></label>
    ${control}
  </div>`;
}

function rowOf(property: Property, prefix: string): string {
  const { key, control, icon } = property;
  const id = `${prefix}-${key}`;
  const label = `p.${key}`;
  const placeholder = `data-i18n="[placeholder]e.${key}"`;
  switch (control.kind) {
    case 'list':
      return `  <div class="form-row" data-sluice-row="${key}" style="margin-bottom:0">
    <label id="${id}-label" style="width:auto"><i class="fa fa-${icon}"></i> <span data-i18n="${label}"></span></label>
  </div>
  <div class="form-row" data-sluice-row="${key}">
    <ol id="${id}-list" aria-labelledby="${id}-label"></ol>
    <div class="form-tips" id="${id}-tip" role="status"></div>
  </div>`;
    case 'typed':
      return row(
        id,
        icon,
        label,
        `<input type="text" id="${id}" style="${control.unit === undefined ? WIDE : BEFORE_UNIT}"><input type="hidden" id="${id}Type">${control.unit === undefined ? '' : units(`${id}Unit`)}`,
        key,
      );
    case 'select':
      return row(
        id,
        icon,
        label,
        `<select id="${id}" style="${WIDE}">${options(key, Object.keys(control.options))}</select>`,
        key,
      );
    case 'checks':
      return row(
        `${id}-0`,
        icon,
        label,
        `<div style="display:inline-block; ${WIDE}; vertical-align:top">${Object.keys(control.options)
          .map(
            (one, i) =>
              `<label for="${id}-${i}" style="width:auto; margin-right:12px"><input type="checkbox" id="${id}-${i}" data-sluice-check="${one}" style="width:auto; margin:0 4px 0 0"><span data-i18n="o.${key}.${one}"></span></label>`,
          )
          .join('')}</div>`,
        key,
      );
    case 'time':
      return row(
        id,
        icon,
        label,
        `<input type="text" id="${id}" style="${BEFORE_UNIT}" ${placeholder}>${units(`${id}Unit`)}`,
        key,
      );
    case 'box':
      return `  <div class="form-row" data-sluice-row="${key}">
    <label></label>
    <input type="checkbox" id="${id}" style="width:auto; margin-top:0">
    <label for="${id}" style="width:auto; max-width:60%" data-i18n="${label}"></label>
  </div>`;
    case 'text':
      return row(
        id,
        icon,
        label,
        `<input type="text" id="${id}" style="${WIDE}"${control.empty === undefined ? '' : ` ${placeholder}`}>`,
        key,
      );
    case 'secret':
      return row(id, icon, label, `<input type="password" id="${id}" style="${WIDE}" autocomplete="off">`, key);
  }
}

const units = (id: string): string =>
  `<select id="${id}" style="width:100px; margin-left:8px" data-i18n="[title]c.unit;[aria-label]c.unit">${Object.keys(UNITS)
    .map((unit) => `<option value="${unit}" data-i18n="u.${unit}"></option>`)
    .join('')}</select>`;
const options = (key: string, values: readonly string[]): string =>
  values.map((value) => `<option value="${value}" data-i18n="o.${key}.${value}"></option>`).join('');

/** What the editor's script needs of a description; texts come from the catalogue. */
export function forEditor(sheet: Sheet): object {
  const { type, config, icon, inputs, outputs, shows, properties } = sheet;
  return {
    ...{ type, config: config === true, icon, inputs, outputs, ...(shows === undefined ? {} : { shows }) },
    defaults: defaultsOf(sheet),
    properties: properties.map(({ key, control, when }) => ({
      ...{ key, kind: control.kind },
      ...('of' in control ? { of: control.of } : {}),
      ...('types' in control ? { types: control.types, unit: control.unit !== undefined } : {}),
      ...(when === undefined ? {} : { when }),
    })),
  };
}
