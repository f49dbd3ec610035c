/** How long the parts of a salvage read a damaged file, whatever is left of it. The rest stays in the damaged file, and the report counts it. */
export interface SalvageBounds {
  /** A start reads log.db for what is small in it: milliseconds. Nothing polls before that. */
  readonly start: number;
  /** The rest of log.db, while the gateway runs: milliseconds. A log.db of 100 MB takes seconds (docs/decisions/salvage.md). */
  readonly rest: number;
  /** history.db: milliseconds. The keeper answers nobody meanwhile. */
  readonly history: number;
}

export const SALVAGE_BOUNDS: SalvageBounds = { start: 3000, rest: 15 * 60_000, history: 5 * 60_000 };
