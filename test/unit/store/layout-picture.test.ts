/** The pictures in layout.ts and history-layout.ts, held against the files that a log writes. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { inflateRawSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { asidePath, taskPath } from '../../../src/store/files/whole-file.ts';
import { Log } from '../../../src/store/log.ts';
import { foundPath, makingPath } from '../../../src/store/recovery/salvage-task.ts';
import { LOCK_FILE } from '../../../src/store/state-dir.ts';
import { scratch } from '../../harness/scratch.ts';

const FILES = path.join(import.meta.dirname, '../../../src/store/files');
const picture = (file: string) => readFileSync(path.join(FILES, file), 'utf8').split('*/')[0] as string;
/** Without what is only drawn: spaces, and the beginning of each line. */
const bytesOf = (file: string) => picture(file).replace(/^ \*/gm, '').replaceAll(' ', '');

const SHAPE: Shape = {
  device: 'fridge',
  points: [
    { name: 't', type: 'float32', storage: 'number', unit: 'Cel' },
    { name: 'h', type: 'float32', storage: 'number', unit: '%' },
  ],
};

/** The site of the pictures: three records that were compacted, an alarm, three in a block, one in the runtime directory. */
async function pictureLog(dir: string): Promise<void> {
  const from = path.join(dir, 'from');
  const log = await Log.open({
    ...{ stateDir: path.join(from, 'state'), runtimeDir: path.join(from, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 60_000 },
  });
  const append = (i: number, t: number) => log.append({ shape: SHAPE, at: i * 1000, values: [t, 55], reasons: null });
  log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(1.7e12, false);
  log.setInventory('{}');
  for (const [i, t] of [4.1, 4.2, 4.3].entries()) append(i + 1, t);
  log.notice('alarm', 'fridge-warm', 3000, { state: 'active' });
  log.saveState('fridge-warm', { a: 1 });
  await log.flush();
  await log.compact();
  await log.flush();
  for (const [i, t] of [4.4, 4.5, 4.6].entries()) append(i + 4, t);
  await log.flush();
  append(9, 5);
  cpSync(from, dir, { recursive: true });
  await log.close(5000);
}

/** A body of a row, inflated, then its noise; as hexadecimal digits. */
function opened(body: Buffer): string {
  const end = body.length - 8;
  const start = end - body.readUInt32LE(end);
  return inflateRawSync(body.subarray(0, start)).toString('hex') + body.subarray(start, end).toString('hex');
}

test('the pictures of the layout name every file, and show the bytes that a log writes', async (t) => {
  const dir = scratch(t, 'layout');
  await pictureLog(dir);
  const [state, run] = [path.join(dir, 'state'), path.join(dir, 'run')];
  const inPicture = (name: string) =>
    assert.match(
      picture('layout.ts'),
      new RegExp(`^ \\*   ${name.replaceAll('.', '\\.')} `, 'm'),
      `${name} is missing in the picture`,
    );
  for (const name of readdirSync(state)) inPicture(name);
  for (const name of readdirSync(run)) inPicture(name);
  for (const name of [
    LOCK_FILE,
    'modbus-times.json',
    taskPath(LOG_FILE),
    foundPath(LOG_FILE),
    makingPath(LOG_FILE),
    asidePath('X'),
  ])
    inPicture(name);

  const mirror = readFileSync(path.join(run, 'tail-4.bin')).toString('hex');
  const entry = mirror.slice(-2 * 42);
  assert.ok(bytesOf('layout.ts').includes(entry), `the last entry of the mirror: ${entry}`);

  const saved = /1c04231b05[0-9a-f]{48}/.exec(readFileSync(path.join(state, `${LOG_FILE}-wal`)).toString('hex'))?.[0] as string;
  assert.equal(saved.slice(10, 32), Buffer.from('fridge-warm').toString('hex'));
  assert.ok(bytesOf('layout.ts').includes(`${saved.slice(0, 18)}…${saved.slice(32)}`), `a sealed row: ${saved}`);

  const log = new Database(path.join(state, LOG_FILE), { readonly: true });
  const history = new Database(path.join(state, HISTORY_FILE), { readonly: true });
  t.after(() => {
    log.close();
    history.close();
  });
  const bodies = (db: Database.Database, table: string) =>
    db.prepare<[], Buffer>(`select body from ${table} order by id`).pluck().all().map(opened);
  for (const [file, found] of [
    ['layout.ts', bodies(log, 'block')],
    ['history-layout.ts', [...bodies(history, 'part'), ...bodies(history, 'rollup')]],
  ] as const) {
    assert.ok(found.length > 0);
    for (const bytes of found) assert.ok(bytesOf(file).includes(bytes), `${file}: ${bytes}`);
  }
});
