/** A gateway of one user, and the folder that another user made for it in /dev/shm first. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { text } from '../../../src/admin/client.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway, sluice } from '../../harness/start-gateway.ts';
import { asRoot } from '../../peers/peers.ts';

/** Users that every Debian has. */
const USER = 1;
const ATTACKER = 65_534;

/** Runs a shell as the attacker. */
function attack(script: string): void {
  const { status, stderr } = spawnSync('sh', ['-ec', script], { uid: ATTACKER, gid: ATTACKER, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** What a killed gateway with a reading of `value` leaves in its runtime directory. @returns the file */
async function leftTail(stateDir: string, runtimeDir: string, value: number): Promise<string> {
  const forged: Shape = { device: 'forged', points: [{ name: 'level', type: 'uint16', storage: 'number' }] };
  const options = { stateDir, runtimeDir, clock: systemClock, maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 };
  const log = await Log.open(options);
  log.setClock(Math.round(Date.now() - performance.now()), false);
  log.setInventory('{}');
  await log.flush();
  log.append({ shape: forged, at: systemClock.monotonic(), values: [value], reasons: null });
  await log.abandon();
  const tails = readdirSync(runtimeDir).filter((name) => name.startsWith('tail-'));
  return path.join(runtimeDir, tails.sort().at(-1) as string);
}

test('links and a forged tail in a foreign folder change and tell nothing; it is reported', async (t) => {
  if (!asRoot(t, 'run programs of two users')) return;
  const gateway = makeGateway(t, (g) => `gateway: {id: g1, stateDir: ${g.stateDir}}\n`);
  chownSync(gateway.folder, USER, USER);
  const precious = path.join(gateway.folder, 'precious');
  writeFileSync(precious, 'kept');
  chownSync(precious, USER, USER);
  const hash = createHash('sha256').update(gateway.stateDir).digest('hex').slice(0, 12);
  const dir = `/dev/shm/sluice-${USER}-${hash}`;
  t.after(() => rmSync(dir, { recursive: true, force: true }));

  const lair = scratch(t, 'attacker', '/dev/shm');
  const tail = await leftTail(path.join(lair, 'state'), path.join(lair, 'run'), 4711);
  mkdirSync(path.join(lair, 'out'));
  copyFileSync(tail, path.join(lair, 'out', 'tail'));
  for (const name of [lair, path.join(lair, 'out'), path.join(lair, 'out', 'tail')]) chownSync(name, ATTACKER, ATTACKER);
  const links = Array.from({ length: 9 }, (_, i) => `ln -s ${precious} ${dir}/tail-${i + 1}.bin`).join('\n');
  attack(`mkdir -m 777 ${dir}
${links}
ln -s ${precious} ${dir}/owner
cp ${lair}/out/tail ${dir}/tail-10.bin; chmod 666 ${dir}/tail-10.bin`);
  const planted = readdirSync(dir).length;

  const env = { RUNTIME_DIRECTORY: '' };
  await gateway.up(env, USER);
  const refused = /belongs to user 65534 and the gateway runs as user 1; remove it/;
  const line = gateway.logs().find((l) => typeof l.fault === 'string' && refused.test(l.fault));
  assert.ok(line !== undefined, gateway.tail());
  const status = await gateway.status();
  assert.match(status.log.refusedFolders.join(), refused);
  assert.match(status.log.faults.join(), refused);
  assert.match((await sluice(t, 'status', '--socket', gateway.socket)).stdout.replaceAll(/\s+/g, ' '), refused);
  assert.ok(!line.msg.includes('undefined'));
  assert.match(JSON.stringify(gateway.logs()), /runtime directory cannot be written/, 'the event of the mirror, as a log line');

  let exported = '';
  for await (const piece of text(gateway.socket, '/api/v1/export')) exported += piece;
  assert.equal(exported.split('\n').length, 2, `only the head: ${exported}`);
  assert.equal(await gateway.stop(), 0, gateway.tail());
  assert.equal(readFileSync(precious, 'utf8'), 'kept');
  assert.equal(readdirSync(dir).length, planted, 'nothing of the attacker was removed either');

  // The administrator removes it, and the gateway makes its own.
  rmSync(dir, { recursive: true });
  await gateway.up(env, USER);
  assert.deepEqual([statSync(dir).uid, statSync(dir).mode & 0o777], [USER, 0o700]);
  const now = await gateway.status();
  assert.deepEqual([now.log.refusedFolders, now.log.faults], [[], []]);
  assert.equal(await gateway.stop(), 0);
});
