/**
 * Payloads of `columns` out of the log, in the three ways of the keeper: record by record, out of the columns of an hour, and
 * the blocks of the log as they are. CPU seconds of one thread that does nothing else. `npm run bench:columns`
 */
import path from 'node:path';
import { Tidier } from '../src/store/archive/tidy.ts';
import type { ReadRequest } from '../src/store/delivery/backlog-request.ts';
import { HISTORY_FILE } from '../src/store/files/history-layout.ts';
import { LOG_FILE } from '../src/store/files/layout.ts';
import { Agreement } from '../src/store/hot/agreement.ts';
import { LogReader } from '../src/store/read/reading.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { DEVICES, fillLog, POINTS } from './lib/full-log.ts';
import { Workspace } from './lib/workspace.ts';

/** Bytes of history.db: some 2 million readings. */
const SIZES = { decimal: 800_000, float32: 5_000_000 } as const;
const ROUNDS = 2;
const BATCHES = [10_000, 100_000, 360_000] as const;
/** Readings of the first hour, which is not measured: functions are compiled there. */
const WARM = 360_000;
/** A range of time is read record by record. */
const ALWAYS = { from: 0, to: 1e14 };

interface Measured {
  readings: number;
  bytes: number;
  cpu: number;
}

function drain(reader: LogReader, maxReadings: number, between: ReadRequest['between']): Measured {
  let [readings, bytes, warm] = [0, 0, 0];
  let before = process.cpuUsage();
  for (let from = 0; ; ) {
    const { batch, upTo } = reader.read({
      ...{ id: 0, log: 1, logName: '0123456789', from, to: 2 ** 40, maxReadings, lane: 'history', gateway: 'ghat-1' },
      ...{ sent: Date.now(), format: 'columns', formatOptions: {}, between },
    });
    if (batch === undefined) break;
    from = upTo + 1;
    if (warm < WARM) {
      warm += batch.readings;
      before = process.cpuUsage();
      continue;
    }
    readings += batch.readings;
    for (const { payload } of batch.messages) bytes += payload.length;
  }
  const { user, system } = process.cpuUsage(before);
  return { readings, bytes, cpu: (user + system) / 1e6 };
}

printConditions(`Payloads of columns out of the log (${DEVICES} devices of ${POINTS} points), the best of ${ROUNDS} rounds`);
await Workspace.use(async (space) => {
  const rows: (string | number)[][] = [
    ['data', 'readings of a batch', 'way', 'readings', 'CPU-s', 'readings/CPU-s', 'B/reading'],
  ];
  for (const [data, size] of Object.entries(SIZES)) {
    const state = path.join(space.folder, data);
    fillLog(state, data, size);
    const reader = new LogReader(path.join(state, LOG_FILE));
    // It opens history.db.
    const nothing = { budget: 1e12, limit: Number.MAX_SAFE_INTEGER, needs: 0, wall: undefined, maxAge: 1e15, active: [] };
    for (const _ of new Tidier(path.join(state, HISTORY_FILE), reader, new Agreement(), () => {}).run({
      ...{ id: 0, boot: 1, at: 0, force: false },
      ...nothing,
    }));
    for (const most of BATCHES)
      for (const [way, between] of [
        ['record by record', ALWAYS],
        [most === 360_000 ? 'blocks of the log' : 'columns of an hour', undefined],
      ] as const) {
        let best: Measured | undefined;
        for (let round = 0; round < ROUNDS; round++) {
          reader.forget();
          const found = drain(reader, most, between);
          if (best === undefined || found.cpu < best.cpu) best = found;
        }
        const { readings, bytes, cpu } = best as Measured;
        const figures = [readings.toLocaleString('en'), cpu.toFixed(2), Math.round(readings / cpu).toLocaleString('en')];
        rows.push([data, most.toLocaleString('en'), way, ...figures, (bytes / readings).toFixed(3)]);
      }
    reader.close();
  }
  printTable(rows);
});
