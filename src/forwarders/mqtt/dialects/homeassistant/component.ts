/** What a point is in Home Assistant: its component of the device, its state, and what a command to it means. */
import { type PointType, plainValue, type Value } from '../../../../core/point.ts';
import type { LatestValue } from '../../../../core/ports.ts';
import type { PointFacts } from '../../../../core/site-facts.ts';
import { haUnit, measured } from './units.ts';

export const PLATFORMS = ['sensor', 'binary_sensor', 'number', 'switch', 'select'] as const;
export type Platform = (typeof PLATFORMS)[number];

export interface Component {
  readonly platform: Platform;
  /** The keys of its platform; topics and ids are added. */
  readonly keys: Readonly<Record<string, unknown>>;
  /** In the state of its device; null: unknown. */
  show(value: LatestValue): string | number | null;
  /** The value of a command. What cannot be meant stays text, and the command is refused in words. */
  asked(text: string): string | number | boolean;
}

export interface PointOf {
  readonly type: string;
  readonly unit?: string | undefined;
  readonly writable?: boolean | undefined;
}

/** Labels of a list that a person can choose from. */
const MOST_LABELS = 100;
/** Home Assistant refuses longer states. */
const LONGEST_STATE = 255;
/** Home Assistant takes no smaller one. */
const SMALLEST_STEP = 0.001;
const NUMBER = /^-?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?$/;
const asText = (text: string): string => text;

export function componentOf(point: PointOf, facts: PointFacts = {}, mayWrite = false): Component {
  const write = mayWrite && point.writable === true ? facts.write : undefined;
  if (point.type === 'bool') return switched(write !== undefined);
  if (point.type === 'string' || point.type === 'datetime') return worded(facts.labels, write?.labels);
  return numeric(point, facts, write);
}

function switched(writable: boolean): Component {
  return {
    platform: writable ? 'switch' : 'binary_sensor',
    keys: {},
    show: ({ value }) => (typeof value === 'boolean' ? (value ? 'ON' : 'OFF') : null),
    asked: (text) => (text === 'ON' ? true : text === 'OFF' ? false : text),
  };
}

function worded(labels: readonly string[] = [], writable: readonly string[] = []): Component {
  const listed = labels.length > 0 && labels.length <= MOST_LABELS;
  if (!listed)
    return {
      platform: 'sensor',
      keys: {},
      show: ({ value }) => (typeof value === 'string' ? cut(value) : null),
      asked: asText,
    };
  const shown = new Map(labels.map((label) => [label, optionOf(label)]));
  // An option of several labels means the first of them.
  const meant = new Map([...shown].reverse().map(([label, option]) => [option, label]));
  const options = [...new Set(shown.values())];
  const show = ({ value }: LatestValue) => (typeof value === 'string' ? (shown.get(value) ?? null) : null);
  // A state that is no option of a select is unknown there: labels that may not be written are options too, and refused in words.
  return writable.length > 0
    ? { platform: 'select', keys: { options }, show, asked: (text) => meant.get(text) ?? text }
    : { platform: 'sensor', keys: { device_class: 'enum', options }, show, asked: asText };
}

/** Home Assistant cuts off spaces around a state, and takes "none" for "unknown" whatever its letters: neither could be shown. */
function optionOf(label: string): string {
  const option = label.trim();
  return /^(?:none)?$/i.test(option) ? `(${label})` : option;
}

function numeric({ type, unit }: PointOf, { counts }: PointFacts, write: PointFacts['write']): Component {
  const exact = type === 'int64' || type === 'uint64';
  const show = ({ value, type }: LatestValue) => shown(value, type as PointType);
  const { min, max, step = SMALLEST_STEP } = write ?? {};
  if (min !== undefined && max !== undefined && min < max) {
    const { unit: words, deviceClass } = haUnit(unit);
    return {
      platform: 'number',
      keys: {
        ...{ min, max, step: Math.max(step, SMALLEST_STEP) },
        ...(deviceClass === undefined ? {} : { device_class: deviceClass }),
        ...(words === undefined ? {} : { unit_of_measurement: words }),
      },
      // Home Assistant would refuse it, and continue to show the value before.
      show: (latest) => {
        const value = show(latest);
        return value !== null && Number(value) >= min && Number(value) <= max ? value : null;
      },
      asked: (text) => (!exact && NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text),
    };
  }
  const { unit: words, deviceClass, stateClass } = measured(unit, counts === true, /^uint|^bcd/.test(type));
  return {
    platform: 'sensor',
    keys: {
      ...(deviceClass === undefined ? {} : { device_class: deviceClass }),
      state_class: stateClass,
      ...(words === undefined ? {} : { unit_of_measurement: words }),
    },
    show,
    asked: asText,
  };
}

function shown(value: Value | null, type: PointType): string | number | null {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return null;
  const plain = plainValue(value, type);
  return typeof plain === 'boolean' ? null : typeof plain === 'string' ? cut(plain) : plain;
}

/** Whole letters only: half of a pair is no UTF-8. */
function cut(text: string): string {
  return text.length <= LONGEST_STATE ? text : [...text].slice(0, LONGEST_STATE).join('').slice(0, LONGEST_STATE).toWellFormed();
}
