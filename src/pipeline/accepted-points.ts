/**
 * Points that flows brought by their names, kept over restarts: a point stays in the inventory, in topics and on pages when the
 * gateway starts again. They lie in the log beside the states of rules, in the commit that has the first reading of the point.
 * Bound: the points that a device accepts (drivers/flows/limits.ts).
 */
import type { AcceptedMemory, AcceptedPoint } from '../core/flow-points.ts';
import { savedState } from '../store/hot/saved-states.ts';
import type { Log } from '../store/log.ts';

const MOST = 1000;
const LONGEST = 64;

export class AcceptedPoints implements AcceptedMemory {
  readonly #log: () => Pick<Log, 'opened' | 'saveState'>;
  /** What this run saved. */
  readonly #saved = new Map<string, readonly AcceptedPoint[]>();

  constructor(log: () => Pick<Log, 'opened' | 'saveState'>) {
    this.#log = log;
  }

  load(device: string): readonly AcceptedPoint[] {
    const key = keyOf(device);
    return this.#saved.get(device) ?? parseAccepted(savedState(this.#log().opened.savedStates, key));
  }

  save(device: string, points: readonly AcceptedPoint[]): void {
    this.#saved.set(device, points);
    this.#log().saveState(keyOf(device), { points });
  }
}

/** What is no such point is left out. */
export function parseAccepted(state: unknown): AcceptedPoint[] {
  if (typeof state !== 'object' || state === null || !('points' in state) || !Array.isArray(state.points)) return [];
  return state.points.slice(0, MOST).flatMap((point: unknown) => {
    if (typeof point !== 'object' || point === null) return [];
    const { name, type, unit } = point as Partial<Record<keyof AcceptedPoint, unknown>>;
    if (typeof name !== 'string' || name.length > LONGEST) return [];
    if (type !== 'float64' && type !== 'bool' && type !== 'string') return [];
    return [{ name, type, ...(typeof unit === 'string' && unit.length <= LONGEST ? { unit } : {}) }];
  });
}

/** States of rules share the table; no rule and no point has such a name. */
const keyOf = (device: string): string => `@flows.${device}`;
