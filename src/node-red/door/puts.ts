/** The readings of one `put`: each is checked on its own, so that a wrong one keeps no other one back. */
import type { FlowReading, FlowRefusal } from '../../core/flow-points.ts';
import { REASONS, type ReasonName } from '../../core/reasons.ts';
import type { DoorCounts } from './counts.ts';
import * as limits from './limits.ts';
import { parsePoint } from './patterns.ts';
import type { DoorSource } from './source.ts';

const LONGEST_TEXT = 250;
const NAMES: ReadonlySet<string> = new Set(REASONS.map(({ name }) => name));

export interface PutResult {
  readonly taken: number;
  /** Older readings of the same points that had to give way. */
  readonly leftOut?: number;
  /** The first NAMED_REFUSALS. */
  readonly refused?: readonly { readonly point: string; readonly code: string; readonly message: string }[];
  /** Places of all that were refused, in the order of the list, from 0. */
  readonly refusedAt?: readonly number[];
}

export function put(readings: readonly unknown[], source: DoorSource, counts: DoorCounts): PutResult {
  let taken = 0;
  let leftOut = 0;
  const refused: { point: string; code: string; message: string }[] = [];
  const refusedAt: number[] = [];
  for (const [i, given] of readings.entries()) {
    const reading = readingIn(given, source);
    const outcome = 'message' in reading ? reading : source.put(reading);
    if (typeof outcome === 'string') {
      taken++;
      if (outcome === 'replaced') leftOut++;
      continue;
    }
    counts.refusedPuts++;
    refusedAt.push(i);
    if (refused.length < limits.NAMED_REFUSALS)
      refused.push({ point: nameOf(given), code: outcome.code, message: outcome.message });
  }
  counts.puts += taken;
  counts.leftOutPuts += leftOut;
  return { taken, ...(leftOut === 0 ? {} : { leftOut }), ...(refused.length === 0 ? {} : { refused, refusedAt }) };
}

export function readingIn(given: unknown, source: Pick<DoorSource, 'now' | 'offset'>): FlowReading | FlowRefusal {
  if (typeof given !== 'object' || given === null) return wrong('a reading is an object with point and value');
  const { point: name, value = null, unit, bad, time } = given as Readonly<Record<string, unknown>>;
  const point = parsePoint(name);
  if (point === undefined) return wrong('point is device.point, in small letters, digits, - and _');
  if (value !== null && typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string')
    return wrong('value is a number, true, false or a text; null for a reading without a value');
  if (typeof value === 'string' && value.length > LONGEST_TEXT) return wrong(`a text has at most ${LONGEST_TEXT} characters`);
  if (unit !== undefined && unit !== null && (typeof unit !== 'string' || unit.length > LONGEST_TEXT))
    return wrong('unit is a UCUM code, for example Cel');
  const now = source.now();
  const at = atOf(time, now);
  if (typeof at === 'object') return at;
  const reason = bad === undefined || bad === null || bad === false ? undefined : reasonOf(bad);
  return {
    ...point,
    value: typeof value === 'number' && !Number.isFinite(value) ? null : value,
    at: at - source.offset(),
    ...(typeof unit === 'string' && unit !== '' ? { unit } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** @returns UTC ms, not after now */
function atOf(time: unknown, now: number): number | FlowRefusal {
  if (time === undefined || time === null) return now;
  if (typeof time !== 'number' || !Number.isFinite(time)) return wrong('time is a number of UTC milliseconds');
  if (time > now + limits.AHEAD || time < now - limits.OLDEST_PUT)
    return wrong(
      `readings of flows are of now: time is ${time > now ? 'in the future' : 'more than a minute ago'} by the clock of the gateway; leave time out`,
    );
  return Math.min(time, now);
}

function reasonOf(bad: unknown): ReasonName {
  return typeof bad === 'string' && NAMES.has(bad) ? (bad as ReasonName) : 'invalid';
}

function nameOf(given: unknown): string {
  const name = typeof given === 'object' && given !== null && 'point' in given ? given.point : '';
  return typeof name === 'string' ? name.slice(0, 100) : '';
}

const wrong = (message: string): FlowRefusal => ({ code: 'request-invalid', message });
