/**
 * How fast a backlog leaves: readings per CPU second from the file to encoded `json` batches of 1,000 readings, window 1,
 * a broker that acknowledges at once. All threads of one process. `npm run bench:backlog`
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

async function measure(name: string, commitSeconds: number, seconds: number): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const runtimeDir = path.join('/dev/shm', path.basename(space.folder));
    space.after(() => rmSync(runtimeDir, { recursive: true, force: true }));
    const log = await Log.open({
      stateDir: path.join(space.folder, 'state'),
      runtimeDir,
      clock: systemClock,
      maxSize: 256 * 1024 ** 2,
      maxAge: 30 * 86_400_000,
      commitEvery: 3_600_000,
    });
    log.setInventory('{}');
    log.setClock(1_795_000_000_000, false);
    const dataSet = dataSetNamed(name, POINTS);
    const points: ModbusPoint[] = dataSet.points.map((p) => ({ ...p, table: 'holding' }));
    const sources = Array.from({ length: DEVICES }, (_, i) => ({
      device: dataSet.device(i + 1),
      decode: compileRequest({ device: `d${i}`, points: points.map(pointInfo) }, points, 0),
    }));
    for (let s = 1; s <= seconds; s++) {
      for (const { device, decode } of sources) {
        device.step();
        log.append(decode(device.registers, s * 1000));
      }
      if (s % commitSeconds === 0) await log.flush();
    }
    await log.flush();
    const outlet = log.outlet('late', 'oldest', 'bench', 'json');
    await outlet.ready();
    const cpu = process.cpuUsage();
    const began = performance.now();
    let readings = 0;
    for (;;) {
      const batch = await outlet.next('history', 1000);
      if (batch === undefined) break;
      outlet.handOver(batch);
      outlet.done(batch);
      readings += batch.readings;
    }
    const used = process.cpuUsage(cpu);
    const took = (performance.now() - began) / 1000;
    await log.close(5000);
    if (readings !== seconds * DEVICES * POINTS) throw new Error(`${readings} readings left the log`);
    return [
      name,
      `${commitSeconds} s`,
      readings.toLocaleString('en'),
      Math.round((readings * 1e6) / (used.user + used.system)).toLocaleString('en'),
      Math.round(readings / took).toLocaleString('en'),
    ];
  });
}

printConditions('A backlog from the file to json batches');
const rows: (string | number)[][] = [['data', 'commitEvery', 'readings', 'readings/CPU-s', 'readings/s']];
rows.push(await measure('decimal', 10, 1200));
rows.push(await measure('decimal', 1, 1200));
rows.push(await measure('float32', 10, 1200));
printTable(rows);
process.exit(0);
