/** The files of the Numenta Anomaly Benchmark from a checkout that somebody fetched; nothing of it is in this tree. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { CostMatrix, NabFile } from './nab-score.ts';

export function columns(file: string, ...names: readonly string[]): string[][] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/);
  const heads = head.split(',');
  const indexes = names.map((name) => heads.indexOf(name));
  if (indexes.includes(-1)) throw new Error(`${file} lacks one of the columns ${names.join(', ')}`);
  const cells = lines.map((line) => line.split(','));
  return indexes.map((index) => cells.map((row) => row[index] ?? ''));
}

function json<T>(...parts: readonly string[]): T {
  return JSON.parse(readFileSync(path.join(...parts), 'utf8')) as T;
}

/** `2014-04-15 00:04:00.000000` and `2014-04-15 00:04:00` are one time. */
function plain(timestamp: string): string {
  return timestamp.replace(/\.0+$/, '');
}

export function readCorpus(nab: string): NabFile[] {
  const labels = json<Record<string, [string, string][]>>(nab, 'labels', 'combined_windows.json');
  const data = path.join(nab, 'data');
  return readdirSync(data, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.csv'))
    .sort()
    .map((name) => {
      const [timestamps = [], values = []] = columns(path.join(data, name), 'timestamp', 'value');
      return {
        name,
        timestamps: timestamps.map(plain),
        values: Float64Array.from(values, Number),
        windows: (labels[name] ?? []).map(([first, last]) => [plain(first), plain(last)] as const),
      };
    });
}

export function readProfile(nab: string, profile: string): CostMatrix {
  const found = json<Record<string, { CostMatrix: CostMatrix }>>(nab, 'config', 'profiles.json')[profile];
  if (found === undefined) throw new Error(`${nab} has no profile ${profile}`);
  return found.CostMatrix;
}

/** What another detector said of each record, as the benchmark published it. */
export function publishedAnomalies(nab: string, detector: string, files: readonly NabFile[]): Float64Array[] {
  return files.map(({ name }) => {
    const [folder = '', file = ''] = name.split('/');
    const [scores = []] = columns(path.join(nab, 'results', detector, folder, `${detector}_${file}`), 'anomaly_score');
    return Float64Array.from(scores, Number);
  });
}

export function publishedScore(nab: string, detector: string, profile: string): number {
  return json<Record<string, Record<string, number>>>(nab, 'results', 'final_results.json')[detector]?.[profile] ?? Number.NaN;
}
