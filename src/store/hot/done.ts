/** The effects of commits that are not reported yet. */
import type { Removed } from './space.ts';

export interface Done {
  readings: number;
  notices: number;
  readonly dropped: Map<string, number>;
  readonly aged: Map<string, number>;
  readonly lost: Map<string, number>;
}
export function nothingDone(): Done {
  return { readings: 0, notices: 0, dropped: new Map(), aged: new Map(), lost: new Map() };
}
export function addTo(done: Done, readings: number, removed: Removed | undefined): void {
  done.readings += readings;
  done.notices += removed?.notices ?? 0;
  for (const kind of ['dropped', 'aged', 'lost'] as const)
    for (const [point, n] of removed?.[kind] ?? []) done[kind].set(point, (done[kind].get(point) ?? 0) + n);
}
