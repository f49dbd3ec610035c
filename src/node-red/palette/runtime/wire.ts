/**
 * The lines of the socket for flows, as the palette reads and writes them. The gateway is trusted to mean well; it is not trusted
 * to be whole: each line is checked before a node sees it, so a damaged line ends the connection and not the runtime.
 */

export const VERSION = 1;
/** Bytes of a line from the gateway, which sends at most 256 KiB. */
export const LONGEST_FROM_GATEWAY = 512 * 1024;
/** Bytes of a line to the gateway, which takes 64 KiB. */
export const LONGEST_TO_GATEWAY = 60 * 1024;
/** Calls that the gateway takes at a time. */
export const CALLS_AT_ONCE = 32;
/** Subscriptions that the gateway takes for a connection. */
export const SUBSCRIPTIONS = 64;
/** Lines of a subscription that are on the way, or that the runtime has not taken yet. */
export const CREDIT = 16;

export type Value = number | string | boolean | null;

export interface Reading {
  /** `device.point` */
  readonly point: string;
  readonly device: string;
  readonly value: Value;
  readonly unit?: string;
  readonly quality: string;
  readonly reason?: string;
  /** UTC ms. */
  readonly time: number;
  readonly clock?: string;
  /** It was there before the subscription. */
  readonly initial?: boolean;
}

export interface Alarm {
  readonly rule: string;
  readonly occurrence: number;
  readonly state: string;
  readonly severity: string;
  readonly value: Value;
  readonly time: number;
  readonly message: string;
  readonly present?: boolean;
  /** The name of the flow that a rule triggers with it. */
  readonly trigger?: string;
}

export interface InventoryPoint {
  readonly type?: string;
  readonly unit?: string;
  readonly writable?: boolean;
}
export interface Inventory {
  readonly revision: number;
  readonly devices: Readonly<Record<string, { readonly points: Readonly<Record<string, InventoryPoint>> }>>;
  readonly rules: Readonly<Record<string, { readonly severity?: string }>>;
  /** The gateway has more than fits in a line. */
  readonly truncated: boolean;
}

export type FromGateway =
  | {
      readonly type: 'welcome';
      readonly v: number;
      readonly gateway: string;
      readonly grants: Readonly<Record<string, readonly string[]>>;
      /** Its clock, UTC ms; absent in earlier versions. */
      readonly time?: number;
    }
  /** Its clock changed. */
  | { readonly type: 'clock'; readonly time: number }
  | ({ readonly type: 'inventory' } & Inventory)
  | { readonly type: 'readings'; readonly id: string; readonly dropped: number; readonly readings: readonly Reading[] }
  | ({ readonly type: 'alarm'; readonly id: string } & Alarm)
  | {
      readonly type: 'answer';
      readonly id: string;
      readonly result?: unknown;
      readonly error?: { readonly code: string; readonly message: string };
    }
  | { readonly type: 'part'; readonly id: string; readonly readings: readonly unknown[] }
  | { readonly type: 'throttled'; readonly what: string; readonly dropped: number; readonly why: string }
  | { readonly type: 'error'; readonly message: string }
  /** A line of a later version; it is left out. */
  | { readonly type: 'other' };

type Fields = Readonly<Record<string, unknown>>;

/** @returns undefined for what is no line of this protocol */
export function parseFromGateway(line: string): FromGateway | undefined {
  let m: unknown;
  try {
    m = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isFields(m) || typeof m.type !== 'string') return undefined;
  switch (m.type) {
    case 'welcome':
      return isText(m.gateway) && typeof m.v === 'number'
        ? { type: 'welcome', v: m.v, gateway: m.gateway, grants: grantsOf(m.grants), ...(isTime(m.time) ? { time: m.time } : {}) }
        : undefined;
    case 'clock':
      return isTime(m.time) ? { type: 'clock', time: m.time } : undefined;
    case 'inventory':
      return inventoryOf(m);
    case 'readings':
      return isText(m.id) && Array.isArray(m.readings) && m.readings.every(isReading)
        ? { type: 'readings', id: m.id, dropped: count(m.dropped), readings: m.readings }
        : undefined;
    case 'alarm':
      return isText(m.id) && isText(m.rule) && isText(m.state)
        ? (m as unknown as { type: 'alarm'; id: string } & Alarm)
        : undefined;
    case 'answer': {
      if (!isText(m.id)) return undefined;
      const error = isFields(m.error) ? { code: String(m.error.code), message: String(m.error.message) } : undefined;
      return { type: 'answer', id: m.id, result: m.result, ...(error === undefined ? {} : { error }) };
    }
    case 'part':
      return isText(m.id) && Array.isArray(m.readings) ? { type: 'part', id: m.id, readings: m.readings } : undefined;
    case 'throttled':
      return isText(m.what)
        ? { type: 'throttled', what: m.what, dropped: count(m.dropped), why: String(m.why ?? '') }
        : undefined;
    case 'error':
      return { type: 'error', message: String(m.message ?? '').slice(0, 500) };
    default:
      return { type: 'other' };
  }
}

/** Devices and rules with any name, `__proto__` included: what JSON.parse made is taken as it is. */
function inventoryOf(m: Fields): FromGateway | undefined {
  if (!isFields(m.devices)) return undefined;
  for (const device of Object.values(m.devices)) {
    if (!isFields(device) || !isFields(device.points) || !Object.values(device.points).every(isFields)) return undefined;
  }
  const rules = isFields(m.rules) && Object.values(m.rules).every(isFields) ? m.rules : {};
  return {
    type: 'inventory',
    revision: count(m.revision),
    devices: m.devices as Inventory['devices'],
    rules: rules as Inventory['rules'],
    truncated: m.truncated === true,
  };
}

export function isReading(value: unknown): value is Reading {
  return (
    isFields(value) && isText(value.point) && isText(value.quality) && typeof value.time === 'number' && isValue(value.value)
  );
}
export function isValue(value: unknown): value is Value {
  return value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';
}
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
function grantsOf(value: unknown): Record<string, readonly string[]> {
  if (!isFields(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, list]) =>
      Array.isArray(list) ? [[name, list.filter((one): one is string => typeof one === 'string')]] : [],
    ),
  );
}
