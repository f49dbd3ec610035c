/**
 * Registers a node in the editor, from its description: defaults, labels, the edit dialog. The names that the gateway offers are
 * suggestions only: a field takes any text, and what was chosen stays, whatever the gateway says.
 */
import { type Names, type Offer, ruleSearch, search, watchNames } from './names.ts';
import type { EditedNode, JQ, Page } from './red-editor.ts';

interface EditorProperty {
  readonly key: string;
  readonly kind: 'list' | 'typed' | 'select' | 'checks' | 'time' | 'box' | 'text' | 'secret';
  readonly of?: 'points' | 'rules';
  readonly types?: readonly string[];
  readonly unit?: boolean;
  readonly when?: { readonly key: string; readonly is: readonly string[] };
}
interface EditorSheet {
  readonly type: string;
  readonly config: boolean;
  readonly icon: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly shows?: string;
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly properties: readonly EditorProperty[];
}

/** All nodes of the palette have this colour. Dark text stands out on it. */
const COLOUR = '#9bc7cf';
const LIST_HEIGHT = 150;
/** Which points a node with one field for them suggests. */
const POINTS: Readonly<Record<string, Offer>> = { 'sluice write': 'writable', 'sluice latest': 'patterns' };

export function register(sheet: EditorSheet): void {
  const prefix = sheet.config ? '#node-config-input-' : '#node-input-';
  const { properties } = sheet;
  RED.nodes.registerType(sheet.type, {
    category: sheet.config ? 'config' : 'sluice',
    color: COLOUR,
    defaults: {
      name: { value: '' },
      ...(sheet.config ? {} : { gateway: { value: '', type: 'sluice-gateway', required: false } }),
      ...Object.fromEntries(Object.entries(sheet.defaults).map(([key, value]) => [key, { value, ...check(sheet, key) }])),
    },
    ...(properties.some(({ kind }) => kind === 'secret') ? { credentials: { token: { type: 'password' } } } : {}),
    ...(sheet.config ? {} : { inputs: sheet.inputs, outputs: sheet.outputs }),
    icon: sheet.icon,
    ...(sheet.outputs === 0 ? { align: 'right' } : {}),
    paletteLabel(this: EditedNode) {
      return this._('label');
    },
    label(this: EditedNode) {
      return labelOf(this, sheet);
    },
    labelStyle(this: EditedNode) {
      return this.name ? 'node_label_italic' : '';
    },
    oneditprepare(this: EditedNode) {
      prepare(this, sheet, prefix);
    },
    oneditsave(this: EditedNode) {
      for (const { key, kind } of properties) {
        if (kind === 'list') this[key] = listed(prefix + key);
        if (kind === 'checks') this[key] = checked(row(key));
      }
    },
    oneditresize(this: EditedNode) {
      // Node-RED keeps every dialog 460 px wide, also where the window has less, and hides the rest.
      $(`${prefix}name`).closest('.red-ui-tray-body').css('min-width', '0');
      for (const { key, kind } of properties) if (kind === 'list') $(`${prefix}${key}-list`).editableList('height', LIST_HEIGHT);
    },
  });
}

function labelOf(node: EditedNode, { shows, config }: EditorSheet): string {
  if (node.name) return node.name;
  if (config) return node.way === 'socket' && node.socket ? String(node.socket) : node._('c.thisGateway');
  const shown = shows === undefined ? undefined : node[shows];
  if (Array.isArray(shown) && shown.length > 0)
    return shown.length === 1 ? String(shown[0]) : `${String(shown[0])} +${shown.length - 1}`;
  const type = shows === undefined ? undefined : node[`${shows}Type`];
  if (shows === 'action' && typeof shown === 'string') return node._(`o.action.${shown}`);
  if (typeof shown === 'string' && shown !== '' && type !== 'jsonata')
    return type === 'point' || type === 'rule' ? shown : `${String(type)}.${shown}`;
  return node._('label');
}

/** What the editor marks red. It never keeps anybody from a deploy. */
function check(sheet: EditorSheet, key: string): object {
  const property = sheet.properties.find((one) => one.key === key);
  switch (property?.kind) {
    case 'list':
      return {
        validate: (value: unknown) => typeof value === 'string' || (Array.isArray(value) && value.some((one) => one !== '')),
      };
    case 'time':
      return {
        validate: (value: unknown) => value === '' || value === undefined || String(value).includes('${') || Number(value) > 0,
      };
    case 'typed': {
      const typed = RED.validators.typedInput(`${key}Type`);
      return {
        validate(this: EditedNode, value: unknown, options: unknown) {
          const type = this[`${key}Type`];
          if (type === 'now') return true;
          if (type === 'point' || type === 'rule') return typeof value === 'string' && value.trim() !== '';
          if (type === 'ago') return String(value).includes('${') || Number(value) > 0;
          return typed.call(this, value, options);
        },
      };
    }
    default:
      return {};
  }
}

function prepare(node: EditedNode, sheet: EditorSheet, prefix: string): void {
  const { properties } = sheet;
  const tips: JQ[] = [];
  const names: Names = { points: [], rules: [] };
  fillDefaults(node, sheet, prefix);
  for (const property of properties) {
    const { key, kind } = property;
    const field = prefix + key;
    if (kind === 'list') {
      makeList(node, property, field, names);
      tips.push($(`${field}-tip`).data('of', property.of));
    } else if (kind === 'typed') makeTyped(node, sheet, property, field, names);
    else if (kind === 'checks') {
      const chosen = Array.isArray(node[key]) ? (node[key] as unknown[]) : [];
      row(key)
        .find('[data-sluice-check]')
        .each((_i, box) => {
          $(box).prop('checked', chosen.includes(box.getAttribute('data-sluice-check')));
        });
    }
    if ((kind === 'time' || property.unit === true) && !node[`${key}Unit`])
      $(`${field}Unit`).val(String(sheet.defaults[`${key}Unit`]));
  }
  const show = (): void => {
    for (const { key, when } of properties)
      if (when !== undefined) row(key).toggle(when.is.includes(String($(prefix + when.key).val())));
  };
  for (const { when } of properties) if (when !== undefined) $(prefix + when.key).on('change', show);
  show();
  if (sheet.config) return;
  watchNames(node, names, tips);
  // Node-RED suggests when a key is pressed. A click does as well, so that nobody has to type.
  for (const { key } of properties) {
    row(key).on('click', 'input.red-ui-autoComplete', (event) => {
      $(event.target).trigger('keyup');
    });
    row(key).each((_i, element) => element.addEventListener('keydown', leave, true));
  }
}

/** A node of an earlier version, or of a program, may lack a key. Node-RED would show its field empty, and store that. */
function fillDefaults(node: EditedNode, { defaults }: EditorSheet, prefix: string): void {
  for (const [key, value] of Object.entries(defaults)) {
    if (node[key] !== undefined || Array.isArray(value)) continue;
    if (typeof value === 'boolean') $(prefix + key).prop('checked', value);
    else $(prefix + key).val(String(value));
  }
}

/** Tab leaves a field as it stands. Node-RED would put the first entry of an open list into it, and has its turn after this. */
function leave({ key, target }: { readonly key: string; readonly target: Page }): void {
  if (key === 'Tab' && target.getAttribute('class')?.includes('red-ui-autoComplete'))
    $(target).autoComplete('instance')?.menu?.hide();
}

function makeList(node: EditedNode, { key, of }: EditorProperty, field: string, names: Names): void {
  const stored = node[key];
  const items: unknown[] = Array.isArray(stored) ? stored : typeof stored === 'string' && stored !== '' ? [stored] : [];
  const list = $(`${field}-list`)
    .css('min-height', '60px')
    .editableList({
      header: undefined,
      addItem(row_: JQ, index: number, item: { text?: string }) {
        const input = $('<input type="text">')
          .attr('placeholder', node._(`c.${String(of)}`))
          .attr('aria-label', `${node._(`p.${key}`)} ${index + 1}`)
          .css('width', '100%')
          .appendTo(row_)
          .val(item.text ?? '');
        input.autoComplete({ minLength: 0, search: of === 'rules' ? ruleSearch(names) : search(names, 'patterns') });
        row_.data('input', input);
        row_
          .closest('li')
          .find('.red-ui-editableList-item-remove')
          .attr('aria-label', `${node._('c.remove')} ${index + 1}`);
      },
      addButton: node._('c.add'),
      removable: true,
      sortable: true,
    });
  for (const text of items.length > 0 ? items : ['']) list.editableList('addItem', { text: String(text) });
  list.editableList('height', LIST_HEIGHT);
}

function makeTyped(node: EditedNode, sheet: EditorSheet, property: EditorProperty, field: string, names: Names): void {
  const { types = [], unit } = property;
  const own: Readonly<Record<string, object>> = {
    point: {
      value: 'point',
      label: node._('t.point'),
      icon: 'fa fa-crosshairs',
      autoComplete: search(names, POINTS[sheet.type] ?? 'points'),
    },
    rule: { value: 'rule', label: node._('t.rule'), icon: 'fa fa-bell-o', autoComplete: ruleSearch(names) },
    ago: { value: 'ago', label: node._('t.ago'), icon: 'fa fa-history' },
    now: { value: 'now', label: node._('t.now'), icon: 'fa fa-clock-o', hasValue: false },
  };
  const input = $(field).typedInput({
    default: types[0],
    types: types.map((type) => own[type] ?? type),
    typeField: $(`${field}Type`),
  });
  // The label of the dialog belongs to the field that this one replaces.
  row(property.key)
    .find('.red-ui-typedInput-input')
    .attr('aria-label', node._(`p.${property.key}`));
  if (unit !== true) return;
  const show = (): void => {
    $(`${field}Unit`).toggle(input.typedInput('type') === 'ago');
  };
  input.on('change', show);
  show();
}

function listed(field: string): string[] {
  const all: string[] = [];
  $(`${field}-list`)
    .editableList('items')
    .each((_i, element) => {
      const input = $(element).data('input') as JQ | undefined;
      const text = String(input?.val() ?? '').trim();
      if (text !== '') all.push(text);
    });
  return all;
}

function checked(boxes: JQ): string[] {
  const all: string[] = [];
  boxes.find('[data-sluice-check]').each((_i, box) => {
    if ($(box).prop('checked') === true) all.push(box.getAttribute('data-sluice-check') ?? '');
  });
  return all;
}

function row(key: string): JQ {
  return $(`[data-sluice-row="${key}"]`);
}
