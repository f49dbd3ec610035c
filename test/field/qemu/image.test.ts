/**
 * The image on an emulated board: first boot, first reading upstream, a release that runs well, a cut of the power, a release
 * that does not boot, and a cut in the middle of an update. Everything is seen from outside: what arrives at Mosquitto, and what
 * the board writes to its console. `npm run test:field`; needs root and some 15 minutes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { makeUpdateSecret } from '../../../src/update/keys.ts';
import { makeUpdate } from '../../../src/update/make.ts';
import { Child } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const PROJECT = path.join(import.meta.dirname, '..', '..', '..');
const [root, release] = [makeUpdateSecret('root'), makeUpdateSecret('release')];

const GATEWAY = `gateway:
  id: card-1
  clockHold: 10s
  update:
    from: http://10.0.2.102/
    automatic: true
buses:
  field:
    protocol: modbus-tcp
    host: 10.0.2.101
    port: 502
devices:
  pump:
    bus: field
    unit: 1
    interval: 1s
    points:
      speed: { table: holding, address: 0, type: uint16 }
forwarders:
  platform:
    type: mqtt
    url: mqtt://10.0.2.100:1883
`;

/** What the image of the test has beside the shipped one: a configuration, a timer without patience, words on the console. */
function extraOf(folder: string): string {
  const put = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  };
  const console = 'StandardOutput=journal+console\nStandardError=journal+console\n';
  put('etc/sluice/gateway.yaml', GATEWAY);
  put(
    'etc/systemd/system/sluice-update.timer.d/test.conf',
    '[Timer]\nOnBootSec=\nOnUnitActiveSec=\nOnBootSec=30s\nOnUnitActiveSec=20s\nRandomizedDelaySec=0\nAccuracySec=1s\n',
  );
  put('etc/systemd/system/sluice-update.service.d/test.conf', `[Service]\n${console}`);
  put('etc/systemd/system/sluice-decide.service.d/test.conf', `[Service]\n${console}`);
  return folder;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const { status, stderr, stdout, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    cwd: PROJECT,
  });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error?.message ?? ''}${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}

/** The release after this one: the same system with another number, and one more change. */
function nextRelease(images: string, folder: string, sequence: number, change: readonly string[] = []): string {
  const file = path.join(folder, `root-${sequence}.ext4`);
  copyFileSync(path.join(images, 'root.ext4'), file);
  const info = JSON.parse(readFileSync(path.join(images, 'release.json'), 'utf8'));
  const text = path.join(folder, 'release.json');
  writeFileSync(text, `${JSON.stringify({ ...info, version: `${info.version}+${sequence}`, sequence })}\n`);
  const commands = path.join(folder, 'commands');
  const inside = '/usr/lib/sluice-image/release.json';
  writeFileSync(commands, [`rm ${inside}`, `write ${text} ${inside}`, ...change, ''].join('\n'));
  run('debugfs', ['-w', '-f', commands, file]);
  return file;
}

test('a card takes a release, survives cuts, and gives up a release that does not boot', async (t: TestContext) => {
  const folder = scratch(t, 'card');
  const images = path.join(folder, 'image');
  const keys = path.join(folder, 'keys');
  writeFileSync(keys, `${root.text}\n${release.text}\n`);
  run('sh', [
    'packaging/image/build.sh',
    '--sequence',
    '1',
    '--keys',
    keys,
    '--out',
    images,
    '--extra',
    extraOf(path.join(folder, 'extra')),
  ]);
  const info = JSON.parse(readFileSync(path.join(images, 'release.json'), 'utf8')) as { version: string };

  // The outside of the board.
  const broker = await Mosquitto.start(t, { persistence: true });
  if (broker === undefined) return;
  const subscriber = await Subscriber.start(t, broker.port, [
    'sluice/card-1/data',
    'sluice/card-1/history',
    'sluice/card-1/status',
  ]);
  if (subscriber === undefined) return;
  const updates = path.join(folder, 'updates');
  mkdirSync(updates);
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    try {
      const bytes = readFileSync(path.join(updates, path.basename(request.url ?? '')));
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const body = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1);
      response.writeHead(from === undefined ? 200 : 206, { 'content-length': body.length }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const device = await freePort();
  const site = path.join(folder, 'site.yaml');
  writeFileSync(site, GATEWAY.replace('10.0.2.101', '127.0.0.1').replace('port: 502', `port: ${device}`));
  const simulator = new Child(process.execPath, [path.join(PROJECT, 'src/cli/main.ts'), 'simulate', site]);
  t.after(() => simulator.stop('SIGKILL'));

  const offer = async (sequence: number, change?: readonly string[]) => {
    const file = nextRelease(images, folder, sequence, change);
    const next = path.join(folder, `update-${sequence}`);
    mkdirSync(next);
    await makeUpdate({
      folder: next,
      level: 1,
      secrets: [release],
      parts: { linux: path.join(images, 'linux.efi'), initrd: path.join(images, 'initrd.img'), root: file },
      about: { target: 'uefi-arm64', version: `${info.version}+${sequence}`, sequence, date: '2026-11-27' },
    });
    rmSync(updates, { recursive: true });
    run('mv', [next, updates]);
  };

  const board = QemuBoard.make(t, {
    image: path.join(images, `sluice-uefi-arm64-${info.version}.img`),
    growTo: '4G',
    servers: {
      '10.0.2.100:1883': broker.port,
      '10.0.2.101:502': device,
      '10.0.2.102:80': (server.address() as AddressInfo).port,
    },
  });

  // Every batch that arrived, in its order.
  const batches = () =>
    subscriber
      .messages()
      .filter(({ topic }) => !topic.endsWith('/status'))
      .map(({ payload }) => JSON.parse(payload) as { log: string; records: { seq: number }[] });
  const arrived = () => batches().length;
  const more = async (what: string) => {
    const before = arrived();
    await waitFor(
      () => `readings after ${what}: ${board.all().slice(-1500)}`,
      () => arrived() > before,
      { timeout: 600_000 },
    );
  };

  board.start();
  await more('the first boot');

  await offer(2);
  await board.says(/Release \S+\+2 is on the card/);
  await board.says(/slot b is committed: version \S+\+2/);
  await more('the update');

  await board.cut();
  board.start();
  await board.says(/slot b ran well before/);
  await more('the cut');

  // A release whose init is a text file: the kernel panics, and the tries run out.
  await offer(3, ['rm /usr/lib/systemd/systemd', `write ${keys} /usr/lib/systemd/systemd`]);
  await board.says(/Release \S+\+3 is on the card/);
  await board.says(/panic[\s\S]*panic[\s\S]*panic[\s\S]*slot b ran well before/i, 1_200_000);
  await more('the release that does not boot');
  await board.says(/Release \S+\+3 runs here already, or did not run well here/);

  // The power goes while the next release is being fetched.
  const before = asked;
  await offer(4);
  await waitFor(
    () => 'the board fetches the update',
    () => asked > before + 4,
    { timeout: 600_000 },
  );
  await board.cut();
  board.start();
  await board.says(/slot a is committed: version \S+\+4|Release \S+\+4 is on the card/);
  await board.says(/slot a is committed: version \S+\+4/);
  await more('the cut update');

  // Nothing that was acknowledged came twice with another content, and no number twice with different readings.
  const seen = new Map<string, string>();
  for (const { log, records } of batches())
    for (const record of records) {
      const key = `${log} ${record.seq}`;
      const text = JSON.stringify(record);
      assert.equal(seen.get(key) ?? text, text, `number ${key} has two contents`);
      seen.set(key, text);
    }
  assert.equal(new Set(batches().map(({ log }) => log)).size, 1, 'one log through all of it');
});
