/**
 * Which gateway of this machine has the service of Node-RED. Each start of a gateway ends what an earlier one left; two gateways with
 * one service would end each other's Node-RED for ever. A file says which process has it. That there is one Node-RED at most rests on
 * systemd and not on this file, so a wrong file costs a start and no more.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** @returns the number of the other process that has the service; undefined where this one has it from now on */
export function ownUnit(file: string): number | undefined {
  const self = nameOf(process.pid);
  const other = ownerOf(file);
  if (other !== undefined) return other;
  if (textOf(file) === self) return undefined;
  const mine = `${file}.${process.pid}`;
  try {
    rmSync(mine, { force: true });
    writeFileSync(mine, self ?? '', { flag: 'wx', mode: 0o640 });
    rmSync(file, { force: true });
    // Two may take it at the same time. One of them finds it taken.
    linkSync(mine, file);
    return undefined;
  } catch {
    // Where the folder takes no file, the stop file fails as well, and its words are better.
    return ownerOf(file);
  } finally {
    rmSync(mine, { force: true });
  }
}

/** @returns the process that has it and lives; undefined where there is none but this one */
function ownerOf(file: string): number | undefined {
  const text = textOf(file);
  const pid = Number(text?.split(' ')[0]);
  return Number.isSafeInteger(pid) && pid > 0 && pid !== process.pid && nameOf(pid) === text ? pid : undefined;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1').slice(0, 100);
  } catch {
    return undefined;
  }
}

/** The number of a process and when it started, which no later process has; undefined where there is none. */
function nameOf(pid: number): string | undefined {
  try {
    // proc_pid_stat(5): the start is the 20th field after the name, which may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}
