/**
 * Readings per CPU second through decoding and the log alone, all threads of one process: reply bytes → codecs →
 * Log.append → committed. No field bus, no broker. `npm run bench:decode-store`
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ModbusPoint } from '../src/codecs/modbus-point.ts';
import { pointInfo } from '../src/codecs/modbus-point.ts';
import { compileRequest } from '../src/codecs/modbus-registers.ts';
import { systemClock } from '../src/core/clock.ts';
import { Log } from '../src/store/log.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { Workspace } from './lib/workspace.ts';

const DEVICES = 10;
const POINTS = 100;
const RING = 1024;
/** Rounds over all devices (one second of a site of 1,000 points) before the figure is taken. */
const WARM = 300;
const ROUNDS = 3000;
/** Between two pauses in which commits may begin and end, as a running gateway has them all the time. */
const SLICE = 10;

async function measure(name: string): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed(name, POINTS);
    const points: ModbusPoint[] = dataSet.points.map((p) => ({ ...p, table: 'holding' }));
    const devices = Array.from({ length: DEVICES }, (_, i) => {
      const device = dataSet.device(i + 1);
      const ring = Array.from({ length: RING }, () => {
        device.step();
        return Uint8Array.from(device.registers);
      });
      const shape = { device: `d${i}`, points: points.map(pointInfo) };
      return { ring, decode: compileRequest(shape, points, 0) };
    });
    const runtimeDir = path.join('/dev/shm', path.basename(space.folder));
    space.after(() => rmSync(runtimeDir, { recursive: true, force: true }));
    const log = await Log.open({
      stateDir: path.join(space.folder, 'state'),
      runtimeDir,
      clock: systemClock,
      maxSize: 256 * 1024 ** 2,
      maxAge: 30 * 86_400_000,
      commitEvery: 10_000,
    });
    let kept = 0;
    let at = 0;
    let committed = 0;
    log.on('committed', (result) => {
      committed += result.readings;
    });
    const run = async (rounds: number): Promise<void> => {
      for (let r = 0; r < rounds; r++) {
        at += 1000;
        for (const { ring, decode } of devices)
          if (log.append(decode(ring[r % RING] as Uint8Array, at)) !== undefined) kept += POINTS;
        if (r % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
        // Not faster than the disk takes it: what is measured is work, not a queue.
        if (log.status().pendingReadings > 400_000) await log.flush();
      }
      await log.flush();
    };
    await run(WARM);
    kept = 0;
    committed = 0;
    const cpu = process.cpuUsage();
    const began = performance.now();
    await run(ROUNDS);
    const used = process.cpuUsage(cpu);
    const seconds = (performance.now() - began) / 1000;
    await log.close(5000);
    if (committed !== kept) throw new Error(`${kept} readings were appended, ${committed} committed`);
    const cpuSeconds = (used.user + used.system) / 1e6;
    return [
      name,
      kept.toLocaleString('en'),
      Math.round(kept / cpuSeconds).toLocaleString('en'),
      Math.round(kept / seconds).toLocaleString('en'),
    ];
  });
}

printConditions('Decode and store: reply bytes → codecs → log → committed; all threads of one process');
const rows: (string | number)[][] = [['data', 'readings', 'readings/CPU-s', 'readings/s']];
for (const name of ['decimal', 'float32']) rows.push(await measure(name));
printTable(rows);
process.exit(0);
