/**
 * What a client of the socket for flows may say: one JSON object in a line. It may be any program, so every part is checked and
 * bounded here before anything uses it. Keys that are not known are ignored.
 */
import type { AlarmCommand } from '../../core/commands.ts';
import type { Value } from '../../core/point.ts';
import * as limits from './limits.ts';
import { isRule, type PointPattern, parsePattern, parsePoint } from './patterns.ts';

export type ClientLine =
  | { readonly type: 'hello'; readonly token: string; readonly client: string }
  | { readonly type: 'subscribe'; readonly id: string; readonly credit: number; readonly what: ReadingsWanted | AlarmsWanted }
  | { readonly type: 'credit'; readonly id: string; readonly n: number }
  | { readonly type: 'unsubscribe'; readonly id: string }
  | { readonly type: 'call'; readonly id: string; readonly call: Call };

export interface ReadingsWanted {
  readonly points: readonly PointPattern[];
  readonly mode: 'current' | 'every';
  /** At most one line for a point in this time, ms; 0: no limit. */
  readonly every: number;
  readonly good: boolean;
  /** The present readings come first. */
  readonly initial: boolean;
}
export interface AlarmsWanted {
  /** Names of rules, or `*`. */
  readonly alarms: readonly string[];
  /** Names under which rules trigger flows (`do: [{flow: …}]`). */
  readonly triggers?: readonly string[] | undefined;
}

export type Call =
  | { readonly do: 'latest'; readonly points: readonly PointPattern[] }
  | HistoryCall
  | { readonly do: 'write'; readonly point: string; readonly value: Value; readonly expires?: number | undefined }
  | { readonly do: 'acknowledge'; readonly rule: string; readonly occurrence?: number | undefined }
  | { readonly do: 'shelve'; readonly rule: string; readonly for: number | null; readonly reason?: string | undefined }
  | AlarmCommand
  /** Each is checked on its own (puts.ts). */
  | { readonly do: 'put'; readonly readings: readonly unknown[] }
  | { readonly do: 'alarms' }
  | { readonly do: 'status' };

export interface HistoryCall {
  readonly do: 'history';
  readonly device: string;
  readonly point: string;
  /** UTC ms, both inclusive. */
  readonly from: number;
  readonly to: number;
  readonly every?: number | undefined;
  readonly most: number;
}

/** What is wrong with a line. */
export interface LineFault {
  readonly fault: string;
  /** It is a call or a subscription: the answer goes under this id, and the connection stays. */
  readonly id?: string | undefined;
}

const YEAR = 366 * 86_400_000;
const LAST_TIME = 8.64e15;
const LONGEST_TEXT = 250;
const SHORTEST_EVERY = 1000;
type Raw = Readonly<Record<string, unknown>>;

export function parseLine(text: string): ClientLine | LineFault {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return { fault: 'a line is one JSON object' };
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return { fault: 'a line is one JSON object' };
  const raw = line as Raw;
  if (raw.type === 'hello') return helloOf(raw);
  const { id } = raw;
  if (typeof id !== 'string' || id.length === 0 || id.length > 64) return { fault: 'id is a text of 1 to 64 characters' };
  switch (raw.type) {
    case 'subscribe':
      return within(id, () => subscriptionOf(id, raw));
    case 'unsubscribe':
      return { type: 'unsubscribe', id };
    case 'credit':
      return within(id, () => ({ type: 'credit', id, n: count(raw.n, 'n', 1, limits.MOST_CREDIT) }));
    case 'call':
      return within(id, () => ({ type: 'call', id, call: callOf(raw) }));
    default:
      return { fault: 'type is hello, subscribe, credit, unsubscribe or call' };
  }
}

class Wrong extends Error {}

function within(id: string, parse: () => ClientLine): ClientLine | LineFault {
  try {
    return parse();
  } catch (thrown) {
    if (thrown instanceof Wrong) return { fault: thrown.message, id };
    throw thrown;
  }
}

function helloOf({ v, token, client }: Raw): ClientLine | LineFault {
  if (v !== 1) return { fault: 'this gateway speaks version 1 of the protocol: write "v":1' };
  if (typeof token !== 'string' || token.length > 200) return { fault: 'token is a text' };
  return { type: 'hello', token, client: typeof client === 'string' ? client.slice(0, 100) : '' };
}

function subscriptionOf(id: string, raw: Raw): ClientLine {
  const credit = raw.credit === undefined ? limits.CREDIT : count(raw.credit, 'credit', 1, limits.MOST_CREDIT);
  if (raw.alarms !== undefined) {
    const alarms = list(raw.alarms, 'alarms', limits.MOST_PATTERNS);
    if (!alarms.every(isRule)) throw new Wrong('alarms holds names of rules, or "*"');
    if (raw.triggers === undefined) return { type: 'subscribe', id, credit, what: { alarms } };
    const triggers = list(raw.triggers, 'triggers', limits.MOST_PATTERNS);
    if (!triggers.every((one) => isRule(one) && one !== '*')) throw new Wrong('triggers holds names of flows, in small letters');
    return { type: 'subscribe', id, credit, what: { alarms, triggers: triggers as readonly string[] } };
  }
  const { mode = 'current', quality = 'all', initial = false, every } = raw;
  if (mode !== 'current' && mode !== 'every') throw new Wrong('mode is current or every');
  if (quality !== 'good' && quality !== 'all') throw new Wrong('quality is good or all');
  if (typeof initial !== 'boolean') throw new Wrong('initial is true or false');
  const wait = every === undefined || every === null ? 0 : count(every, 'every', 0, 86_400_000);
  const points = patterns(raw.points, limits.MOST_PATTERNS);
  return { type: 'subscribe', id, credit, what: { points, mode, every: wait, good: quality === 'good', initial } };
}

function callOf(raw: Raw): Call {
  switch (raw.do) {
    case 'latest':
      return { do: 'latest', points: patterns(raw.points, limits.MOST_LATEST) };
    case 'history':
      return historyOf(raw);
    case 'write': {
      const point = pointOf(raw.point);
      const expires = raw.expires === undefined || raw.expires === null ? undefined : time(raw.expires, 'expires');
      return { do: 'write', point: `${point.device}.${point.point}`, value: valueIn(raw.value), expires };
    }
    case 'acknowledge':
    case 'reset': {
      const { occurrence, do: word } = raw;
      if (occurrence === undefined || occurrence === null) return { do: word, rule: ruleOf(raw.rule) };
      const of = count(occurrence, 'occurrence', 1, Number.MAX_SAFE_INTEGER);
      return { do: word, rule: ruleOf(raw.rule), occurrence: of };
    }
    case 'out-of-service': {
      const { reason } = raw;
      if (typeof reason !== 'string' || reason.trim() === '' || reason.length > LONGEST_TEXT)
        throw new Wrong(`reason is a text of 1 to ${LONGEST_TEXT} characters`);
      // The rules say how long it may be.
      const end = raw.for === undefined || raw.for === null ? {} : { for: count(raw.for, 'for', 1, YEAR) };
      return { do: 'out-of-service', rule: ruleOf(raw.rule), reason, ...end };
    }
    case 'in-service':
      return { do: 'in-service', rule: ruleOf(raw.rule) };
    case 'shelve': {
      const length = raw.for === null ? null : count(raw.for, 'for', 1, YEAR);
      const { reason } = raw;
      if (reason !== undefined && (typeof reason !== 'string' || reason.length > LONGEST_TEXT))
        throw new Wrong(`reason is a text of at most ${LONGEST_TEXT} characters`);
      return { do: 'shelve', rule: ruleOf(raw.rule), for: length, ...(reason === undefined ? {} : { reason }) };
    }
    case 'put':
      return { do: 'put', readings: list(raw.readings, 'readings', limits.MOST_PUT) };
    case 'alarms':
      return { do: 'alarms' };
    case 'status':
      return { do: 'status' };
    default:
      throw new Wrong(
        'do is latest, history, write, acknowledge, shelve, reset, out-of-service, in-service, put, alarms or status',
      );
  }
}

function historyOf(raw: Raw): HistoryCall {
  const { device, point } = pointOf(raw.point);
  const from = time(raw.from ?? 0, 'from');
  const to = raw.to === undefined || raw.to === null ? LAST_TIME : time(raw.to, 'to');
  if (from > to) throw new Wrong('from is after to');
  const every = raw.every === undefined || raw.every === null ? undefined : count(raw.every, 'every', SHORTEST_EVERY, YEAR);
  const most = raw.most === undefined || raw.most === null ? limits.HISTORY : count(raw.most, 'most', 1, limits.MOST_HISTORY);
  return { do: 'history', device, point, from, to, every, most };
}

function patterns(value: unknown, most: number): PointPattern[] {
  return list(value, 'points', most).map((one) => {
    const pattern = parsePattern(one);
    if (pattern === undefined) throw new Wrong('points holds device.point, device.*, *.point or "*", in small letters');
    return pattern;
  });
}

function list(value: unknown, key: string, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > most) throw new Wrong(`${key} is a list of 1 to ${most}`);
  return value;
}

function count(value: unknown, key: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
    throw new Wrong(`${key} is a whole number from ${least} to ${most}`);
  return value;
}

function time(value: unknown, key: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > LAST_TIME)
    throw new Wrong(`${key} is a time in UTC milliseconds`);
  return value;
}

function pointOf(value: unknown): { readonly device: string; readonly point: string } {
  const point = parsePoint(value);
  if (point === undefined) throw new Wrong('point is device.point, in small letters');
  return point;
}

function ruleOf(value: unknown): string {
  if (!isRule(value) || value === '*') throw new Wrong('rule is the name of a rule');
  return value;
}

function valueIn(value: unknown): Value {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (typeof value === 'string' && value.length <= LONGEST_TEXT) return value;
  throw new Wrong(`value is a number, true, false, or a text of at most ${LONGEST_TEXT} characters`);
}
