/** Folders of copies of the log in the state folder: one of a backup under way stays, those of cut backups go. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { makeBackup } from '../../../src/care/backup.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';

test('a backup leaves the folder of another one that runs, and removes those of cut ones', async (t) => {
  const dir = scratch(t, 'backup');
  const stateDir = path.join(dir, 'state');
  mkdirSync(stateDir);
  const configFile = path.join(dir, 'gateway.yaml');
  writeFileSync(configFile, 'gateway: {id: g1, stateDir: state}\n');
  const hold = 'console.log(process.pid); setInterval(() => {}, 1000)';
  const pidOf = async (...args: readonly string[]): Promise<{ pid: string; child: ReturnType<typeof startChild> }> => {
    const child = startChild(t, process.execPath, ['-e', hold, ...args]);
    return { pid: await child.line(/^\d+$/), child };
  };
  const [other, gone, unlike] = await Promise.all([pidOf('backup'), pidOf('backup'), pidOf('daemon')]);
  gone.child.signal('SIGKILL');
  await gone.child.ended;
  for (const pid of [other.pid, gone.pid, unlike.pid, process.pid]) {
    mkdirSync(path.join(stateDir, `.backup-${pid}`));
    writeFileSync(path.join(stateDir, `.backup-${pid}`, 'log.db'), 'part of a copy');
  }
  const request = { configFile, stateDir, gateway: 'g1', profiles: [], withLog: true, passphrase: undefined };
  await makeBackup({ ...request, program: '1.0.0', made: 1_795_000_000_000, write: () => {} });
  assert.deepEqual(readdirSync(stateDir), [`.backup-${other.pid}`]);
  assert.deepEqual(readdirSync(path.join(stateDir, `.backup-${other.pid}`)), ['log.db']);
});
