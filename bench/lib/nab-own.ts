/**
 * The Numenta Anomaly Benchmark's own scorer, in Python, over scores in its own format of result files. It runs from the checkout
 * that somebody fetched, and writes into a folder of the run alone: nothing of it comes into this tree, and the checkout stays as it is.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { NabFile } from './nab-score.ts';

/** The system's Python: Debian's packages of the scorer belong to it. */
const PYTHON = process.env.SLUICE_NAB_PYTHON ?? '/usr/bin/python3';
export const INSTALL = 'apt-get install -y --no-install-recommends python3-numpy python3-pandas';
/** The scorer takes some 20 s for each detector; a longer run is stuck. */
const LONGEST = 600_000;

/** Versions of what the scorer needs; undefined where one of them is missing. */
export function scorerPython(): string | undefined {
  const words = "import platform, numpy, pandas; print('Python', platform.python_version() + ', pandas', pandas.__version__)";
  const { status, stdout } = spawnSync(PYTHON, ['-c', words], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

export interface Detections {
  /** Letters and digits alone: the scorer takes its files apart at underscores. */
  readonly detector: string;
  /** For each file a number from 0 to 1 for each record. */
  readonly scores: readonly ArrayLike<number>[];
}

function writeDetections(results: string, files: readonly NabFile[], { detector, scores }: Detections): void {
  for (const [k, { name, timestamps, values, windows }] of files.entries()) {
    const [folder = '', file = ''] = name.split('/');
    mkdirSync(path.join(results, detector, folder), { recursive: true });
    const each = scores[k] as ArrayLike<number>;
    const inWindow = (time: string) => (windows.some(([first, last]) => first <= time && time <= last) ? 1 : 0);
    const lines = timestamps.map((time, i) => `${time},${values[i]},${each[i]},${inWindow(time)}`);
    writeFileSync(
      path.join(results, detector, folder, `${detector}_${file}`),
      `${['timestamp,value,anomaly_score,label', ...lines].join('\n')}\n`,
    );
  }
}

/**
 * @param nab the checkout
 * @param published detectors of it that are scored as well, from their published result files
 * @returns the score of each detector by profile, as the scorer wrote it
 */
export function ownScores(
  nab: string,
  files: readonly NabFile[],
  all: readonly Detections[],
  published: readonly string[],
): Map<string, Record<string, number>> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-nab-'));
  try {
    const results = path.join(folder, 'results');
    for (const detections of all) writeDetections(results, files, detections);
    // The scorer measures from the detector that never speaks, by its published score files.
    for (const detector of new Set(['null', ...published])) {
      const from = path.join(nab, 'results', detector);
      if (!existsSync(from)) throw new Error(`${from} is missing: take a whole checkout of the benchmark`);
      cpSync(from, path.join(results, detector), { recursive: true });
    }
    const detectors = [...all.map(({ detector }) => detector), ...published];
    const thresholds = path.join(folder, 'thresholds.json');
    const run = spawnSync(
      PYTHON,
      [
        ...['-W', 'ignore', path.join(nab, 'run.py'), '--optimize', '--score', '--normalize', '--skipConfirmation'],
        ...['--resultsDir', results, '--thresholdsFile', thresholds, '--numCPUs', '1', '--detectors', detectors.join(',')],
      ],
      { encoding: 'utf8', timeout: LONGEST, env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } },
    );
    if (run.status !== 0) throw new Error(`the scorer of the benchmark failed:\n${run.stdout}\n${run.stderr}`);
    const found = JSON.parse(readFileSync(path.join(results, 'final_results.json'), 'utf8')) as Record<
      string,
      Record<string, number>
    >;
    return new Map(detectors.map((detector) => [detector, found[detector] ?? {}]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
