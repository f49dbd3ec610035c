/** A measurement of PSS runs on a copy of Node: the processes that it measures share none of its pages. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { Workspace } from './workspace.ts';

const COPY = 'SLUICE_BENCH_COPY';

/** Goes on in a process of its own, and ends this one with the status of that. @param script the file of the measurement */
export async function onOwnNode(script: string): Promise<void> {
  if (process.env[COPY] !== undefined) return;
  const status = await Workspace.use((space) => {
    const node = path.join(space.folder, 'node');
    copyFileSync(process.execPath, node);
    const words = [...process.execArgv, script, ...process.argv.slice(2)];
    return Promise.resolve(spawnSync(node, words, { stdio: 'inherit', env: { ...process.env, [COPY]: '1' } }).status ?? 1);
  });
  process.exit(status);
}
