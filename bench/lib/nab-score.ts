/**
 * The scorer of the Numenta Anomaly Benchmark, written anew after its description and its published result files: a
 * detection counts once for each labelled window and the more the earlier it is; one outside costs a little, more far from a
 * window. One threshold is chosen for the whole corpus, the one with the greatest score. The score is 0 for a detector that
 * never speaks and 100 for one that names each window at its first record and nothing else.
 */

export interface CostMatrix {
  readonly tpWeight: number;
  readonly fpWeight: number;
  readonly fnWeight: number;
}

export interface NabFile {
  readonly name: string;
  /** As written in the file; they are only compared. */
  readonly timestamps: readonly string[];
  readonly values: Float64Array;
  /** First and last timestamp of each labelled window, in order. */
  readonly windows: readonly (readonly [string, string])[];
}

export interface NabScore {
  /** 0 to 100. */
  readonly score: number;
  readonly threshold: number;
  readonly raw: number;
  /** Windows of the corpus, and those with a detection. */
  readonly windows: number;
  readonly found: number;
  /** Records outside of windows that reach the threshold. */
  readonly falseRecords: number;
}

/** This share of a file, but of at most so many records, is for learning and is not scored. */
const PROBATION = 0.15;
const PROBATION_RECORDS = 5000;

interface Row {
  readonly anomaly: number;
  readonly gain: number;
  /** Index of the window in the corpus; -1: outside. */
  readonly window: number;
}

function scaledSigmoid(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

/** Records that are not scored at the beginning of a file. */
export function probation(records: number): number {
  return Math.min(Math.floor(PROBATION * records), PROBATION * PROBATION_RECORDS);
}

function rowsOf(file: NabFile, anomalies: ArrayLike<number>, cost: CostMatrix, firstWindow: number): Row[] {
  const { timestamps, windows } = file;
  const best = scaledSigmoid(-1);
  const skipped = probation(timestamps.length);
  const rows: Row[] = [];
  let next = 0;
  let current: { index: number; right: number; width: number } | undefined;
  let before: { right: number; width: number } | undefined;
  for (let i = 0; i < timestamps.length; i++) {
    const limits = windows[next];
    if (limits !== undefined && timestamps[i] === limits[0]) {
      const right = timestamps.indexOf(limits[1]);
      current = { index: firstWindow + next, right, width: right - timestamps.indexOf(limits[0]) + 1 };
      next++;
    }
    let gain: number;
    if (current !== undefined) gain = (scaledSigmoid(-(current.right - i + 1) / current.width) * cost.tpWeight) / best;
    else if (before === undefined) gain = -cost.fpWeight;
    else gain = scaledSigmoid(Math.abs(before.right - i) / (before.width - 1)) * cost.fpWeight;
    if (i >= skipped) rows.push({ anomaly: anomalies[i] as number, gain, window: current?.index ?? -1 });
    if (current !== undefined && i >= current.right) {
      before = current;
      current = undefined;
    }
  }
  return rows;
}

/**
 * @param anomalies for each file, a number from 0 to 1 for each record
 * @param given a threshold; absent: the one with the greatest score
 */
export function nabScore(
  files: readonly NabFile[],
  anomalies: readonly ArrayLike<number>[],
  cost: CostMatrix,
  given?: number,
): NabScore {
  let windows = 0;
  const rows: Row[] = [];
  for (const [i, file] of files.entries()) {
    for (const row of rowsOf(file, anomalies[i] as ArrayLike<number>, cost, windows)) rows.push(row);
    windows += file.windows.length;
  }
  rows.sort((a, b) => b.anomaly - a.anomaly);
  // A window that lies wholly in the probation has no row and cannot be missed.
  const scored = new Set(rows.map((row) => row.window));
  scored.delete(-1);
  const gains = new Float64Array(windows).fill(-cost.fnWeight);
  let raw = -cost.fnWeight * scored.size;
  let best = { raw, threshold: 1.1, found: 0, falseRecords: 0 };
  let found = 0;
  let falseRecords = 0;
  for (const [i, row] of rows.entries()) {
    if (row.window === -1) {
      raw += row.gain;
      falseRecords++;
    } else {
      const old = gains[row.window] as number;
      if (old === -cost.fnWeight) found++;
      if (row.gain > old) {
        raw += row.gain - old;
        gains[row.window] = row.gain;
      }
    }
    if (rows[i + 1]?.anomaly === row.anomaly) continue;
    if (given === undefined ? raw > best.raw : row.anomaly >= given) best = { raw, threshold: row.anomaly, found, falseRecords };
  }
  const silent = -cost.fnWeight * windows;
  const perfect = cost.tpWeight * windows;
  return { ...best, threshold: given ?? best.threshold, windows, score: (100 * (best.raw - silent)) / (perfect - silent) };
}
