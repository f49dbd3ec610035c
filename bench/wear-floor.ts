/**
 * What ext4 itself writes when 5 KB of a file that has its length are overwritten and synced (fdatasync), in real time: the floor
 * under every commit of the log.
 *
 * `npm run bench:wear-floor`; `-- --interval 7` seconds between two writes, `--writes 10`. Needs root.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Card } from './lib/card.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const { values } = parseArgs({
  options: { interval: { type: 'string', default: '7' }, writes: { type: 'string', default: '10' } },
});
const LENGTH = 512 * 1024;
const PIECE = 5120;
/** ext4's journal is committed every 5 s: what making the files cost is over then. */
const SETTLE = 6000;
const BLOCK = 4096;

async function measure(mount: string): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const card = Card.make(space, 256, mount);
    const file = openSync(path.join(card.folder, 'wal'), 'w+');
    writeSync(file, Buffer.alloc(LENGTH, 1), 0, LENGTH, 0);
    fsyncSync(file);
    await sleep(SETTLE);
    const before = card.written().device;
    const writes = Number(values.writes);
    for (let i = 0; i < writes; i++) {
      writeSync(file, randomBytes(PIECE), 0, PIECE, i * PIECE);
      fdatasyncSync(file);
      await sleep(Number(values.interval) * 1000);
    }
    closeSync(file);
    const blocks = (card.written().device - before) / BLOCK / writes;
    return [mount, `${values.interval} s`, (PIECE / BLOCK).toFixed(2), blocks.toFixed(2)];
  });
}

printConditions(
  `ext4 on a loop device, ${values.writes} writes of ${PIECE} B in a file that has its length, fdatasync after each`,
);
const rows: (string | number)[][] = [['mount', 'between writes', 'blocks given', 'blocks at the device']];
rows.push(...(await Promise.all(['defaults', 'lazytime', 'noatime,lazytime,commit=60'].map(measure))));
printTable(rows);
process.exit(0);
