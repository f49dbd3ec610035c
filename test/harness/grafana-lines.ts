/**
 * The lines that a panel `timeseries` of Grafana draws from rows of `time`, `metric` and a value. It is no Grafana. It follows
 * LongToWide of grafana-plugin-sdk-go v0.296.3 (data/time_series.go) as read, and outerJoinDataFrames of @grafana/data 13.2.3 as run.
 */
export interface Drawing {
  readonly format: 'table' | 'time_series';
  /** The field of the transformation `partitionByValues`, if the panel has it. */
  readonly partitionedBy: string | undefined;
}
export interface Row {
  readonly time: number;
  readonly metric: string;
  /** null is a bad reading. */
  readonly value: number | null;
}

/** The pieces of the line of each series, as times: a null breaks a line, where `spanNulls` is false. */
export function lines({ format, partitionedBy }: Drawing, rows: readonly Row[]): ReadonlyMap<string, readonly number[][]> {
  if (format === 'table' && partitionedBy !== 'metric') throw new Error('a table without a partition has no series');
  const times = [...new Set(rows.map(({ time }) => time))].toSorted((a, b) => a - b);
  const found = new Map<string, number[][]>();
  for (const [metric, of] of Map.groupBy(rows, (row) => row.metric)) {
    const values = new Map(of.map(({ time, value }) => [time, value]));
    const pieces: number[][] = [[]];
    for (const time of times) {
      // One table for all series has null where a series has no row. A table for each series has nothing there.
      const value = format === 'time_series' ? (values.get(time) ?? null) : values.get(time);
      if (value === null) pieces.push([]);
      else if (value !== undefined) pieces.at(-1)?.push(time);
    }
    found.set(
      metric,
      pieces.filter((piece) => piece.length > 0),
    );
  }
  return found;
}
