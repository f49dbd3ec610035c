/** Under which a figure was measured: printed above every table, so that nobody compares what cannot be compared. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';

export function printConditions(title: string): void {
  const commit = git('rev-parse', '--short', 'HEAD');
  const dirty = git('status', '--porcelain', '--', 'src') === '' ? '' : ' with changes';
  const load = os.loadavg().map((l) => l.toFixed(1));
  console.log(`\n${title}`);
  console.log(
    `${os.cpus()[0]?.model ?? 'unknown processor'}, ${os.cpus().length} cores; Linux ${os.release()}; Node ${process.version}; ` +
      `${new Date().toISOString().slice(0, 16)}Z; load at the start ${load.join(' ')}; commit ${commit}${dirty}`,
  );
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

/** A table as text, numbers to the right; the first row is the head. */
export function printTable(rows: readonly (readonly (string | number)[])[]): void {
  const text = rows.map((row) => row.map(String));
  const widths = (text[0] ?? []).map((_, i) => Math.max(...text.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join(' | ')} |`;
  text.forEach((row, i) => {
    console.log(line(row));
    if (i === 0) console.log(`|${widths.map((w, k) => (k === 0 ? '-'.repeat(w + 2) : `${'-'.repeat(w + 1)}:`)).join('|')}|`);
  });
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
