/** After a factory reset nothing of a gateway is left: no secret in a file, none in the blocks of its disk, and a cut one goes on. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { factoryReset, fillFree, readResetMark, resetPlan } from '../../../src/care/factory-reset.ts';
import { keepLastGood } from '../../../src/care/last-good.ts';
import { continueReset } from '../../../src/cli/care/factory-reset.ts';
import { VERSION } from '../../../src/core/version.ts';
import { fakeTcp } from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { loopDisk, mayMount, mountPoint, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { Gateway, MAIN, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const PLANTED = 'Planted-secret-e01b77';

function texts(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((name) => statSync(name).isFile())
    .map((name) => [name, readFileSync(name, 'latin1')]);
}

/** A gateway that has run, with a secret in every kind of file. */
function plant(folder: string): Gateway {
  const gateway = new Gateway(folder);
  gateway.write(`
gateway: {id: g1, name: ${PLANTED}, stateDir: state, runtimeDir: run}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: clerk, password: {file: keys/secret.txt}}}
`);
  for (const dir of ['keys', 'profiles', 'state/node-red', 'state/tls', 'state/flow-revisions', 'state/config', 'run'])
    mkdirSync(path.join(folder, dir), { recursive: true });
  const state = [
    'sluice.lock',
    'log.db',
    'log.db-wal',
    'log.db.damaged',
    'history.db',
    'history.db-journal',
    'broker.db',
    'access.json',
    'start.spare',
  ];
  for (const name of [
    ...['keys/secret.txt', 'profiles/own.yaml', 'a.sluice', 'a.sluice-backup', 'sluice-support-g1.tar.gz'],
    ...state.map((file) => `state/${file}`),
  ])
    writeFileSync(path.join(folder, name), `${PLANTED}\n`.repeat(500));
  for (const name of [
    'node-red/flows_cred.json',
    'tls/own.pem',
    'flow-revisions/000001.flows',
    'config/last-good.yaml',
    'gateway.key',
  ])
    writeFileSync(path.join(folder, 'state', name), PLANTED);
  writeFileSync(path.join(folder, 'run/owner'), path.join(folder, 'state'));
  writeFileSync(path.join(folder, 'run/tail-1.bin'), PLANTED);
  return gateway;
}

const reset = (t: TestContext, config: string, env: NodeJS.ProcessEnv) =>
  startChild(t, process.execPath, [MAIN, 'factory-reset', '--yes', '-c', config], { env });

test('nothing with a secret is left beside a starter configuration, and links lead nowhere', async (t) => {
  const gateway = plant(scratch(t, 'reset'));
  const other = path.join(scratch(t, 'other'), 'file');
  writeFileSync(other, 'not of the gateway');
  symlinkSync(other, path.join(gateway.stateDir, 'link'));
  symlinkSync(path.dirname(other), path.join(gateway.stateDir, 'folder'));
  assert.ok(texts(gateway.folder).filter(([, text]) => text.includes(PLANTED)).length >= 18, 'it is planted everywhere');
  const asked = await sluice(t, 'factory-reset', '-c', gateway.config);
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /nothing was erased\. To erase it: sluice factory-reset --yes/);
  assert.match(asked.stderr, /keys\/secret\.txt/, 'what would go is shown');
  assert.ok(existsSync(path.join(gateway.stateDir, 'access.json')));
  const done = await sluice(t, 'factory-reset', '--yes', '-c', gateway.config);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /flash card or an SSD may still hold old blocks/);
  assert.deepEqual(
    texts(gateway.folder).filter(([, text]) => text.includes(PLANTED)),
    [],
  );
  assert.deepEqual(readdirSync(gateway.stateDir), ['sluice.lock']);
  assert.deepEqual(readdirSync(gateway.folder).sort(), ['gateway.yaml', 'keys', 'state']);
  assert.equal(readFileSync(other, 'utf8'), 'not of the gateway');
  assert.equal((await sluice(t, 'check', gateway.config)).code, 0, 'the starter configuration is valid');
});

test('a broken configuration keeps no state folder and no file beside it from a reset', async (t) => {
  // The gateway never ran for a minute with one file, and did with the other.
  for (const good of [false, true]) {
    const gateway = plant(scratch(t, 'reset'));
    const text = readFileSync(gateway.config, 'utf8').replace('stateDir: state', `stateDir: ${gateway.stateDir}`);
    if (good) await keepLastGood(gateway.stateDir, { file: gateway.config, text, profiles: [] }, VERSION, 1_795_000_000_000);
    const commented = path.join(gateway.folder, 'commented');
    const broken = good ? 'gateway: {id: g1\n' : `# stateDir: ${commented}   # as shipped\n${text}\nforwarders: [\n`;
    gateway.write(broken);
    const env = good ? { STATE_DIRECTORY: gateway.stateDir } : {};
    const done = await reset(t, gateway.config, env);
    assert.equal(await done.ended, 0, done.stderr.join('\n'));
    assert.deepEqual(
      texts(gateway.folder).filter(([, found]) => found.includes(PLANTED)),
      [],
      `last good: ${good}`,
    );
    assert.deepEqual(readdirSync(gateway.stateDir), ['sluice.lock']);
    assert.equal(existsSync(commented), false);
  }
});

test('a reset that is cut goes on at the next run and at the next start', (t) => {
  for (const step of ['marked', 'besides', 'configuration', 'state']) {
    const gateway = plant(scratch(t, 'reset'));
    assert.throws(
      () =>
        factoryReset(gateway.stateDir, resetPlan(gateway.config, gateway.stateDir, gateway.runtimeDir), (at) => {
          if (at === step) throw new Error('cut');
        }),
      /cut/,
    );
    assert.ok(readResetMark(gateway.stateDir), step);
    assert.equal(continueReset(gateway.config), true, step);
    assert.equal(continueReset(gateway.config), false, 'it is over');
    assert.deepEqual(
      texts(gateway.folder).filter(([, text]) => text.includes(PLANTED)),
      [],
      step,
    );
    assert.deepEqual(readdirSync(gateway.stateDir), ['sluice.lock'], step);
  }
});

test('filling the disk leaves nothing of it after a cut, and writes to no file behind a link', (t) => {
  if (!mayMount(t)) return;
  const [disk, other] = [mountPoint(t, 'fill'), path.join(scratch(t, 'other'), 'file')];
  run('mount', '-t', 'tmpfs', '-o', 'size=4m', 'fill', disk);
  writeFileSync(other, 'of somebody else');
  symlinkSync(other, path.join(disk, '.fill'));
  let pieces = 0;
  const cut = () => {
    assert.deepEqual(readdirSync(disk), [], 'a power cut now gives the room back');
    if (++pieces === 2) throw new Error('cut');
  };
  assert.throws(() => fillFree(disk, cut), /cut/);
  assert.ok(fillFree(disk) > 3 * 1024 ** 2);
  assert.deepEqual(readdirSync(disk), []);
  assert.equal(readFileSync(other, 'utf8'), 'of somebody else');
});

test('a running gateway is not reset, and no block of its disk has the secret afterwards', { timeout: 600_000 }, async (t) => {
  const device = await fakeTcp(t);
  if (device === undefined || !mayMount(t)) return;
  const disk = loopDisk(t, 'reset', 24);
  const image = path.join(path.dirname(disk), 'disk.img');
  const gateway = new Gateway(disk);
  t.after(() => gateway.kill());
  mkdirSync(path.join(disk, 'keys'));
  writeFileSync(path.join(disk, 'keys/secret.txt'), PLANTED);
  gateway.write(`
gateway: {id: g1, name: ${PLANTED}-name, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: 40ms, points: {n: {table: holding, address: 0, type: uint16}}}}
buffer: {commitEvery: 100ms, maxSize: 2MB}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: clerk, password: {file: keys/secret.txt}}}
`);
  await gateway.up();
  for (const name of ['anna', 'ben', 'cleo']) {
    const user = startChild(
      t,
      process.execPath,
      [MAIN, 'user', 'add', name, '--role', 'administrator', '--password-stdin', '-c', gateway.config],
      {
        stdin: true,
      },
    );
    user.write(`${PLANTED} ${name}`);
    user.endInput();
    assert.equal(await user.ended, 0, user.stderr.join('\n'));
  }
  await waitFor('commits', async () => (await gateway.status()).log.commits > 3);
  const hash = /scrypt\$[^"]+/.exec(readFileSync(path.join(gateway.stateDir, 'access.json'), 'utf8'))?.[0];
  assert.ok(hash !== undefined);
  const running = await sluice(t, 'factory-reset', '--yes', '-c', gateway.config);
  assert.equal(running.code, 1);
  assert.match(running.stderr, /a gateway is running .*stop it first/);
  assert.equal((await gateway.status()).gateway.id, 'g1');
  assert.equal(await gateway.stop(), 0, gateway.tail());
  run('sync', '-f', disk);
  const blocks = () => readFileSync(image, 'latin1');
  assert.ok(blocks().includes(PLANTED) && blocks().includes(hash), 'the disk has them before');
  const done = await sluice(t, 'factory-reset', '--yes', '--fill-disk', '-c', gateway.config);
  assert.equal(done.code, 0, done.stderr);
  run('sync', '-f', disk);
  run('umount', disk);
  assert.deepEqual([blocks().includes(PLANTED), blocks().includes(hash)], [false, false]);
});
