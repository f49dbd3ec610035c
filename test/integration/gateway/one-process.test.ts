/**
 * One process has a state directory. The kernel keeps the lock: of starts at the same moment over what a killed gateway
 * left there one gets it, SIGKILL frees it, and commands that would read the files ask for it.
 */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { StatusReport } from '../../../src/admin/metric.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import { holderOf, LOCK_FILE, StateDirLock } from '../../../src/store/state-dir.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const RACER = path.join(import.meta.dirname, '..', '..', 'harness', 'lock-racer.ts');
/** Double starts of what owns the directory, and of whole gateways. */
const ROUNDS = Number(process.env.SLUICE_DOUBLE_STARTS ?? 40);
const GATEWAYS = Number(process.env.SLUICE_DOUBLE_GATEWAYS ?? 3);

/** As a killed gateway leaves it: the file of a socket on which nobody listens. */
async function leaveStaleSocket(file: string): Promise<void> {
  rmSync(file, { force: true });
  const server = createServer();
  const made = `${file}.made`;
  await new Promise<void>((resolve) => server.listen(made, resolve));
  renameSync(made, file);
  await new Promise((resolve) => server.close(resolve));
  assert.ok(statSync(file).isSocket());
}

test('of two starts at one moment over a stale socket exactly one wins, every time', async (t) => {
  const stateDir = scratch(t, 'lock', '/dev/shm');
  const socket = path.join(stateDir, 'sluice.sock');
  const racers = [0, 1].map(() => startChild(t, process.execPath, [RACER, stateDir], { stdin: true }));
  await Promise.all(racers.map((racer) => racer.line(/^ready$/)));
  for (let round = 1; round <= ROUNDS; round++) {
    await leaveStaleSocket(socket);
    const said = racers.map((racer) => racer.stdout.length);
    for (const racer of racers) racer.write('go');
    const answers = await waitFor(`both answers of round ${round}`, () => {
      const lines = racers.map((racer, i) => racer.stdout[said[i] as number]);
      return lines.every((line) => line !== undefined) ? (lines as string[]) : undefined;
    });
    const won = answers.indexOf('won');
    assert.equal(answers.filter((line) => line === 'won').length, 1, `round ${round}: ${answers.join(' | ')}`);
    const refused = answers[1 - won] as string;
    assert.match(refused, /^refused already-running a gateway is running with this state directory/, `round ${round}`);
    assert.match(refused, new RegExp(`process ${racers[won]?.pid} holds .*${LOCK_FILE}`), `round ${round}`);
    for (const racer of racers) racer.write('end');
    await waitFor('both to end', () => racers.every((racer) => racer.stdout.at(-1) === 'ended'));
  }
});

test('two gateways started over what a kill left: one runs, the other says which process it is', async (t) => {
  const first = makeGateway(t, (g) => `${g.section}\n`);
  const second = new Gateway(first.folder);
  t.after(() => second.kill());
  mkdirSync(first.stateDir);
  await leaveStaleSocket(first.socket);
  for (let round = 1; round <= GATEWAYS; round++) {
    const both = [first, second];
    for (const gateway of both) gateway.start();
    const isRunning = (g: Gateway) => g.logs().filter((line) => line.msg === 'The gateway is running.').length;
    const before = both.map(isRunning);
    const loser = await waitFor('one of them to be refused', () => both.find((g) => g.over !== undefined));
    const winner = both[1 - both.indexOf(loser)] as Gateway;
    assert.equal(loser.over, 1);
    assert.match(loser.stderr.at(-1) ?? '', new RegExp(`already|process ${winner.pid} holds`));
    await waitFor('the other one to run', () => isRunning(winner) > (before[both.indexOf(winner)] as number));
    const report = (await request(first.socket, 'GET', '/api/v1/status')) as StatusReport;
    assert.equal(report.process.pid, winner.pid);
    assert.equal(holderOf(first.stateDir), winner.pid);
    await winner.kill();
    assert.equal(holderOf(first.stateDir), undefined, 'the kernel has freed it');
    assert.ok(existsSync(first.socket), 'and the socket is stale again');
  }
});

test("a foreign file in the lock's place is replaced; a link or a folder there is named", (t) => {
  const stateDir = scratch(t, 'lock');
  const file = path.join(stateDir, LOCK_FILE);
  writeFileSync(file, Buffer.alloc(5000, 'not a database '));
  const lock = StateDirLock.take(stateDir);
  assert.equal(holderOf(stateDir), process.pid);
  assert.deepEqual(readdirSync(stateDir), [LOCK_FILE], 'nothing lies beside it');
  assert.equal(statSync(file).size, 0);
  assert.throws(
    () => StateDirLock.take(stateDir),
    (e: SluiceError) => e.code === 'already-running' && e.data.pid === process.pid,
  );
  assert.equal(holderOf(stateDir), process.pid, 'a start that was refused frees nothing');
  lock.release();
  assert.equal(holderOf(stateDir), undefined);
  rmSync(file);
  const other = path.join(stateDir, 'other');
  writeFileSync(other, 'kept');
  symlinkSync(other, file);
  assert.throws(() => StateDirLock.take(stateDir), /it is a link/);
  assert.equal(readFileSync(other, 'utf8'), 'kept');
  rmSync(file);
  mkdirSync(file);
  assert.throws(
    () => StateDirLock.take(stateDir),
    (e: SluiceError) => e.code === 'log-open' && e.message.includes(file) && /remove what is in its place/.test(e.message),
  );
});

test('an export reads no files while a process has locked them and does not answer', async (t) => {
  const gateway = makeGateway(t, (g) => `${g.section}\n`);
  await gateway.up();
  assert.equal(await gateway.stop(), 0);
  assert.equal((await sluice(t, 'export', '-c', gateway.config)).code, 0, 'of a gateway that does not run');
  const lock = StateDirLock.take(gateway.stateDir);
  const refused = await sluice(t, 'export', '-c', gateway.config);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, new RegExp(`process ${process.pid} .* does not answer`));
  lock.release();
  assert.equal((await sluice(t, 'export', '-c', gateway.config)).code, 0);
});
