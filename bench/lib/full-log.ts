/** A log as a gateway of 1,000 points at 1 Hz leaves it: units as the compaction makes them, the newest minutes in commit blocks of 10 s. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { History } from '../../src/store/archive/history-file.ts';
import { Tidier } from '../../src/store/archive/tidy.ts';
import { HISTORY_FILE, type HourRow, type PartRow } from '../../src/store/files/history-layout.ts';
import { keyOf, LOG_FILE } from '../../src/store/files/layout.ts';
import { Agreement } from '../../src/store/hot/agreement.ts';
import { LogDatabase } from '../../src/store/hot/database.ts';
import { openLogFile } from '../../src/store/hot/log-file.ts';
import { LogReader } from '../../src/store/read/reading.ts';
import { SiteRecords } from './site-records.ts';

export const DEVICES = 10;
export const POINTS = 100;
const COMMIT_SECONDS = 10;
const UNIT_SECONDS = 360;
/** UTC ms of monotonic 0. */
const OFFSET = Date.UTC(2026, 10, 1);

export interface FullLog {
  readonly file: string;
  readonly historyFile: string;
  /** UTC ms of the newest record. */
  readonly end: number;
  readonly readings: number;
}

/**
 * Until history.db has the size; then some minutes more that stay in commit blocks. Both files are closed.
 * @param own units of their own; those behind them are copies under later numbers, not to be read: what is measured there
 * is how long it takes to begin with a large file, not to read it
 */
export function fillLog(stateDir: string, data: string, size: number, own = Number.POSITIVE_INFINITY): FullLog {
  mkdirSync(stateDir, { recursive: true });
  const file = path.join(stateDir, LOG_FILE);
  const historyFile = path.join(stateDir, HISTORY_FILE);
  const database = new LogDatabase(openLogFile(file), size);
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.clock.set({ boot: 1, version: 1, segments: [{ fromSeq: 0, offset: OFFSET, estimated: false }] });
  const reader = new LogReader(file);
  const tidier = new Tidier(historyFile, reader, new Agreement(), () => {});
  const source = new SiteRecords(data, DEVICES, POINTS);
  let second = 0;
  let readings = 0;
  const commits = (seconds: number): void => {
    for (let until = second + seconds; second < until; ) {
      const records = Array.from({ length: COMMIT_SECONDS }, () => source.poll(1000 * ++second)).flat();
      readings += database.addRecords(log, 1, 1, records);
    }
    // As after a commit: the write-ahead file keeps its length.
    database.wal.sync();
    database.wal.tend();
  };
  for (let bytes = 0, units = 0; bytes < size && units < own; units++) {
    commits(UNIT_SECONDS);
    const request = {
      id: 0,
      boot: 1,
      at: second * 1000,
      force: true,
      budget: 1e12,
      ...{ limit: Number.MAX_SAFE_INTEGER, needs: 0 },
      wall: undefined,
      maxAge: 1e15,
      active: [],
    };
    const steps = tidier.run(request);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    bytes = step.value.bytes;
    for (const [ordinal, seq] of step.value.compacted)
      database.db.prepare('delete from block where id <= ?').run(keyOf(ordinal, seq));
  }
  const copies = copyUnits(reader.history, size);
  second += copies * UNIT_SECONDS;
  source.skip(copies * UNIT_SECONDS * DEVICES);
  commits(UNIT_SECONDS - COMMIT_SECONDS);
  reader.close();
  database.setLease(log, 1 + second * DEVICES);
  // Without it the keeper takes the hours for those of another log, and sets them aside.
  database.setLanes([], log, 1, second * DEVICES);
  database.setMeta('clean', '1');
  database.wal.close();
  database.db.close();
  return { file, historyFile, end: OFFSET + second * 1000, readings };
}

/** @returns how many units were added */
function copyUnits(history: History | undefined, size: number): number {
  if (history === undefined) throw new Error('history.db cannot be opened');
  const nothing = { logs: [], boots: [], clock: [], shapes: [] };
  const originals = history.db.prepare<[], HourRow>('select * from unit order by id').all();
  const numbers = UNIT_SECONDS * DEVICES;
  let n = 0;
  for (; history.bytes() < size; n++) {
    const like = originals[n % originals.length] as HourRow;
    const k = originals.length + n;
    const shapes = new Set(history.hours.parts(like).map((part) => part.shape));
    const parts = [...shapes].map((shape) => {
      const [part, goesFirst] = history.hours.partsOf(like, shape) as [PartRow, PartRow?];
      return { ...part, rollup: history.hours.rollup(like, shape)?.body as Buffer, goesFirst };
    });
    const range = { id: (originals[0] as HourRow).id + k * numbers, last: (k + 1) * numbers };
    history.add(
      { ...range, boot: 1, inventory: 1, atFirst: k * UNIT_SECONDS * 1000, atLast: (k + 1) * UNIT_SECONDS * 1000, parts },
      nothing,
    );
  }
  return n;
}
