/**
 * What a derived device keeps over restarts: the newest reading of each input, and what its formulas remember. Times are kept as
 * "this long ago". Nothing in it is believed before it was checked, and nothing in it sizes anything.
 */
import type { Instant } from '../../core/derived-points.ts';
import type { Value } from '../../core/point.ts';
import { ABSENT, qualityOf } from '../../core/reasons.ts';
import { fieldOf, isNumber } from './formula.ts';
import type { Graph, Node } from './graph.ts';

/** A gateway that was off for longer starts anew, ms. */
const LONGEST_OFF = 10 * 366 * 86_400_000;
const LONGEST_UNIT = 64;

/** @returns plain JSON */
export function stateOf(nodes: readonly Node[], now: Instant): object {
  const slots: Record<string, unknown> = {};
  const points: Record<string, unknown> = {};
  for (const node of nodes) {
    for (const { key, at, raw, reason, unit } of [...node.inputs, node.own])
      if (at !== undefined && typeof raw !== 'string')
        slots[key] = [now.at - at, typeof raw === 'bigint' ? `${raw}n` : raw, reason, unit ?? null];
    const state = node.calculation.save?.(now.at);
    // A point that has all its inputs waits for none.
    const waited = node.since === undefined || node.inputs.every(({ at }) => at !== undefined) ? undefined : now.at - node.since;
    if (state !== undefined || waited !== undefined) points[node.point.name] = { is: fingerprint(node), state, waited };
  }
  return { derived: 1, wall: now.known ? now.at + now.offset : null, slots, points };
}

/** When the state was saved, as monotonic time of this run; undefined: nobody knows. */
export function savedAtOf(state: unknown, now: Instant): number | undefined {
  const wall = fieldOf(state, 'wall');
  if (!now.known || !isNumber(wall, 0)) return undefined;
  const off = now.at + now.offset - wall;
  return off > LONGEST_OFF ? undefined : now.at - Math.max(0, off);
}

export function restoreState(
  graph: Graph,
  nodes: readonly Node[],
  state: unknown,
  now: Instant,
  savedAt: number | undefined,
): void {
  if (fieldOf(state, 'derived') !== 1) return;
  const [slots, points] = [fieldOf(state, 'slots'), fieldOf(state, 'points')];
  for (const node of nodes) {
    const kept = fieldOf(points, node.point.name);
    const isSame = fieldOf(kept, 'is') === fingerprint(node);
    if (isSame) node.calculation.restore?.(fieldOf(kept, 'state'), now, savedAt);
    // Readings of an unknown time may be of last year.
    if (savedAt === undefined) continue;
    const waited = fieldOf(kept, 'waited');
    if (isSame && node.calculation.without !== undefined && isNumber(waited, 0)) graph.waited(node, savedAt - waited);
    for (const slot of [...node.inputs, node.own]) {
      const [ago, raw, reason, unit] = tuple(fieldOf(slots, slot.key));
      const value = rawOf(raw);
      if (slot.at !== undefined || value === undefined || !isNumber(ago, 0) || !isReason(reason)) continue;
      slot.unit ??= typeof unit === 'string' ? unit.slice(0, LONGEST_UNIT) : undefined;
      graph.restore(slot, savedAt - ago, value, reason);
    }
    node.bad = node.own.at === undefined || qualityOf(node.own.reason) === 'bad';
  }
}

/** What a point is computed from: another text starts anew. */
function fingerprint({ point: { formula, inputs, own, settings } }: Node): string {
  const { expression, over, table, modulus } = settings;
  return JSON.stringify([expression ?? formula.name, inputs.map(({ point }) => point), own, over, table, modulus]);
}

const tuple = (value: unknown): readonly unknown[] => (Array.isArray(value) && value.length === 4 ? value : []);
const isReason = (value: unknown): value is number => Number.isInteger(value) && isNumber(value, 0) && value < ABSENT;

function rawOf(raw: unknown): Value | undefined {
  if (typeof raw === 'string') return /^-?\d{1,20}n$/.test(raw) ? BigInt(raw.slice(0, -1)) : undefined;
  return typeof raw === 'boolean' || isNumber(raw) ? raw : undefined;
}
