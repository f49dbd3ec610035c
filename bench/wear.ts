/**
 * Bytes written per reading kept, as /proc says and at the block device of a loop ext4, in the steady state: an old block
 * goes for every new one, checkpoints and the cursor of a forwarder included. A site of 1,000 points at 1 Hz, its time
 * run faster: what is written depends on commits, not on the seconds between them. Needs root. `npm run bench:wear`
 */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModbusPoint } from '../src/codecs/modbus-point.ts';
import { pointInfo } from '../src/codecs/modbus-point.ts';
import { compileRequest } from '../src/codecs/modbus-registers.ts';
import { systemClock } from '../src/core/clock.ts';
import { Log } from '../src/store/log.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { deviceBytes, writtenBytes } from './lib/proc.ts';
import { Workspace } from './lib/workspace.ts';

const DEVICES = 10;
const POINTS = 100;
/** Between two commits: the recipes' pause, in which ext4 does what it does in a second. */
const NAP = 15;
/** Small, so that the log is full, and thus in its steady state, before the measured half begins. */
const MAX_SIZE = 2 * 1024 ** 2;

async function measure(name: string, commitSeconds: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const image = path.join(space.folder, 'card.img');
    const file = openSync(image, 'w');
    ftruncateSync(file, 512 * 1024 ** 2);
    closeSync(file);
    execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', image]);
    const loop = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
    space.after(() => execFileSync('losetup', ['-d', loop]));
    const folder = path.join(space.folder, 'card');
    mkdirSync(folder);
    execFileSync('mount', [loop, folder]);
    space.after(() => execFileSync('umount', [folder]));
    const dataSet = dataSetNamed(name, POINTS);
    const points: ModbusPoint[] = dataSet.points.map((p) => ({ ...p, table: 'holding' }));
    const sources = Array.from({ length: DEVICES }, (_, i) => ({
      device: dataSet.device(i + 1),
      decode: compileRequest({ device: `d${i}`, points: points.map(pointInfo) }, points, 0),
    }));
    const runtimeDir = path.join('/dev/shm', path.basename(space.folder));
    space.after(() => rmSync(runtimeDir, { recursive: true, force: true }));
    const log = await Log.open({
      stateDir: path.join(folder, 'state'),
      runtimeDir,
      clock: systemClock,
      maxSize: MAX_SIZE,
      maxAge: 30 * 86_400_000,
      // Commits are asked for below.
      commitEvery: 3_600_000,
    });
    const outlet = log.outlet('cloud', 'oldest', 'bench', 'json');
    log.setInventory('{}');
    log.setClock(Math.round(Date.now() - performance.now()), false);
    await outlet.ready();
    let readings = 0;
    let at = 0;
    const run = async (commits: number): Promise<void> => {
      for (let c = 0; c < commits; c++) {
        for (let s = 0; s < commitSeconds; s++) {
          at += 1000;
          for (const [i, { device, decode }] of sources.entries()) {
            device.step();
            log.append(decode(device.registers, at + i * 3 + (c % 3)));
            readings += POINTS;
          }
          const batch = await outlet.next('data', 1000);
          if (batch !== undefined) {
            outlet.handOver(batch);
            outlet.done(batch);
          }
        }
        await log.flush();
        await sleep(NAP);
      }
    };
    const commits = commitSeconds === 1 ? 900 : 300;
    await run(commits);
    execFileSync('sync', ['-f', folder]);
    const before = {
      proc: writtenBytes(process.pid),
      device: deviceBytes(path.basename(loop)),
      readings,
      commits: log.status().commits,
    };
    await run(commits);
    const proc = writtenBytes(process.pid) - before.proc;
    execFileSync('sync', ['-f', folder]);
    const device = deviceBytes(path.basename(loop)) - before.device;
    const n = readings - before.readings;
    const made = log.status().commits - before.commits;
    const { bytes } = log.status();
    await log.close(5000);
    return [
      name,
      `${commitSeconds} s`,
      n.toLocaleString('en'),
      made,
      (proc / n).toFixed(2),
      (device / n).toFixed(2),
      (bytes / 1024 ** 2).toFixed(2),
    ];
  });
}

printConditions('Bytes written per reading kept; 1,000 points at 1 Hz, log full (2 MB), one forwarder; ext4 on a loop device');
const rows: (string | number)[][] = [
  ['data', 'commitEvery', 'readings', 'commits', '/proc B/reading', 'device B/reading', 'log MB'],
];
for (const name of ['decimal', 'float32']) for (const seconds of [1, 10]) rows.push(await measure(name, seconds));
printTable(rows);
process.exit(0);
