/** The judge of the read planner: every division of a few points into requests, priced one by one. Knows nothing of how it plans. */
import type { Table } from '../../src/codecs/modbus-point.ts';
import { widthOf } from '../../src/codecs/modbus-point.ts';
import type { PlannedRead, PlanPoint, ReadLimits } from '../../src/drivers/modbus/plan.ts';

interface Cost {
  readonly request: number;
  readonly byte: number;
}

const priceOf = (c: Cost, table: Table, count: number, interval: number) =>
  (c.request + c.byte * (table === 'coil' || table === 'discrete' ? Math.ceil(count / 8) : 2 * count)) / interval;

export function planCost(plan: readonly PlannedRead[], c: Cost): number {
  return plan.reduce((sum, r) => sum + priceOf(c, r.table, r.count, r.interval), 0);
}

/** Tells of an address whether a request may not reach across it: forbidden, or part of a hole that is too wide. */
export function isBarrier(points: readonly PlanPoint[], l: ReadLimits): (table: Table, address: number) => boolean {
  const used = new Set(points.flatMap((p) => Array.from({ length: widthOf(p) }, (_, i) => `${p.table} ${p.address + i}`)));
  return (table, address) => {
    const free = (a: number) => !used.has(`${table} ${a}`);
    if (!free(address)) return false;
    if ((l.gaps ?? []).some((g) => g.table === table && address >= g.from && address <= g.to)) return true;
    if (l.maxGap === undefined) return false;
    const widest = l.maxGap * (table === 'coil' ? 16 : 1);
    let hole = 1;
    for (let a = address - 1; hole <= widest && free(a); a--) hole++;
    for (let a = address + 1; hole <= widest && free(a); a++) hole++;
    return hole > widest;
  };
}

/** The least wire time per time over all divisions of points of one table. */
export function cheapestByTrying(points: readonly PlanPoint[], l: ReadLimits, c: Cost): number {
  const [{ table }] = points as [PlanPoint];
  const blocked = isBarrier(points, l);
  const most = table === 'coil' ? l.maxBits : l.maxRegisters;
  const barriers: boolean[] = Array.from({ length: 400 }, (_, a) => blocked(table, a));
  const legal = (from: number, to: number) => to - from <= most && !barriers.slice(from, to).includes(true);
  const own = points.map((p) => ({ from: p.address, to: p.address + widthOf(p), interval: p.interval }));
  const spans = own.map((span, i) => {
    const other = own[points.findIndex((p) => p.name === points[i]?.companions?.[0])] ?? span;
    const [from, to] = [Math.min(span.from, other.from), Math.max(span.to, other.to)];
    return legal(from, to) ? { ...span, from, to } : span;
  });
  let best = Number.POSITIVE_INFINITY;
  type Group = { from: number; to: number; interval: number };
  const place = (i: number, groups: readonly Group[]): void => {
    const span = spans[i];
    if (span === undefined) {
      const sum = groups.reduce((s, g) => s + priceOf(c, table, g.to - g.from, g.interval), 0);
      best = Math.min(best, sum);
      return;
    }
    place(i + 1, [...groups, span]);
    for (const [n, g] of groups.entries()) {
      const joint = {
        from: Math.min(g.from, span.from),
        to: Math.max(g.to, span.to),
        interval: Math.min(g.interval, span.interval),
      };
      // An illegal span stays so, whatever joins it.
      if (legal(joint.from, joint.to)) place(i + 1, groups.with(n, joint));
    }
  };
  place(0, []);
  return best;
}
