/**
 * The two slots of a card in an emulated board: a release that runs well, a release that does not boot, and a cut of the power in
 * the middle of an update. Everything is seen from outside: what arrives at Mosquitto, what the board asks the server of updates
 * for, and what it writes to its console. Needs root and a machine that has little else to do.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { LAYOUTS } from '../../../src/store/layouts.ts';
import { makeUpdate } from '../../../src/update/make.ts';
import { type CardImage, cardImage, run } from '../../harness/card-image.ts';
import { CardSite, contradictions, provisioningFile, steps } from '../../harness/card-site.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import { scratch } from '../../harness/scratch.ts';

const BOARD = { uuid: '7f0a3c1e-0000-4000-8000-00000000000c', mac: '00:1b:21:c1:b2:c3', disk: 'card-c' };
/** Bytes that the last release has more than the others, of which nothing is on the card. */
const MORE = 24 * 1024 ** 2;
/** The server of updates falls silent when it gave so many bytes of them. The board keeps its progress every 8 MiB. */
const SILENT_AFTER = 14 * 1024 ** 2;

/** The release after this one: the same system with another number, and one more change. */
function nextRelease(image: CardImage, folder: string, sequence: number, change: readonly string[]): string {
  const file = path.join(folder, `root-${sequence}.ext4`);
  copyFileSync(path.join(image.folder, 'root.ext4'), file);
  const info = JSON.parse(readFileSync(path.join(image.folder, 'release.json'), 'utf8')) as object;
  const text = path.join(folder, 'release.json');
  writeFileSync(text, `${JSON.stringify({ ...info, version: `${image.version}+${sequence}`, sequence })}\n`);
  const commands = path.join(folder, 'commands');
  const inside = '/usr/lib/sluice-image/release.json';
  writeFileSync(commands, [`rm ${inside}`, `write ${text} ${inside}`, ...change, ''].join('\n'));
  run('debugfs', ['-w', '-f', commands, file]);
  return file;
}

test('a card takes a release, gives up one that does not boot, and survives a cut', async (t: TestContext) => {
  const image = cardImage();
  const folder = scratch(t, 'card');
  const updates = path.join(folder, 'updates');
  mkdirSync(updates);
  const site = await CardSite.start(t);
  if (site === undefined) return;

  /** Requests for the pack of the root: the byte where each piece began. `given`: the bytes that the board got. */
  let asked: number[] = [];
  let given = 0;
  let silentAfter = Number.POSITIVE_INFINITY;
  const server = createServer((request, response) => {
    try {
      const name = path.basename(request.url ?? '');
      const bytes = readFileSync(path.join(updates, name));
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (name.startsWith('root-') && from !== undefined) {
        if (given > silentAfter) return;
        asked.push(Number(from));
        given += Number(to) - Number(from) + 1;
      }
      const body = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1);
      response.writeHead(from === undefined ? 200 : 206, { 'content-length': body.length }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });

  const offer = async (sequence: number, change: readonly string[] = []) => {
    const root = nextRelease(image, folder, sequence, change);
    const next = path.join(folder, `update-${sequence}`);
    mkdirSync(next);
    await makeUpdate({
      ...{ folder: next, level: 1, secrets: [image.release] },
      parts: { linux: path.join(image.folder, 'linux.efi'), initrd: path.join(image.folder, 'initrd.img'), root },
      about: { target: 'uefi-arm64', version: `${image.version}+${sequence}`, sequence, date: '2026-11-27', layouts: LAYOUTS },
    });
    rmSync(root);
    rmSync(updates, { recursive: true });
    run('mv', [next, updates]);
  };

  const board = QemuBoard.make(t, {
    ...{ ...BOARD, image: image.image, growTo: '4G' },
    servers: { ...site.servers, '10.0.2.102:80': (server.address() as AddressInfo).port },
  });
  board.putOnBoot('sluice.yaml', provisioningFile(false));
  const step = steps(t);
  const more = (what: string) => site.next(`a reading after ${what}`, board, ({ good }) => good);

  board.start();
  await more('the first boot');
  const door = await board.door();
  await door.run(
    `sed -i 's#^gateway:#gateway:\\n  update: {from: "http://10.0.2.102/", automatic: true}#' /etc/sluice/gateway.yaml && sluice check`,
  );

  await step('a release that runs well is committed', async () => {
    await offer(2);
    await board.says(/Release \S+\+2 is on the card/);
    await board.says(/slot b is committed: version \S+\+2/);
    await more('the update');
  });

  // Its init is a text file: the kernel panics, and the tries run out.
  await step('a release that does not boot is given up, and is not taken again', async () => {
    await offer(3, ['rm /usr/lib/systemd/systemd', `write ${path.join(image.folder, 'keys')} /usr/lib/systemd/systemd`]);
    const [, tries = ''] = await board.says(/Release \S+\+3 is on the card([\s\S]*)slot b ran well before/);
    assert.equal(tries.match(/\] Kernel panic - not syncing/g)?.length, 3, 'it was tried three times');
    await more('the release that does not boot');
    await board.says(/Release \S+\+3 runs here already, or did not run well here/);
  });

  await step('an update that a cut of the power interrupts continues where it was', async () => {
    const noise = path.join(folder, 'noise');
    writeFileSync(noise, randomBytes(MORE));
    [asked, given] = [[], 0];
    silentAfter = SILENT_AFTER;
    await offer(4, [`write ${noise} /usr/lib/sluice-image/noise`]);
    await site.once('the board to be in the middle of the update', board, () => given > SILENT_AFTER);
    await board.cut();
    const before = asked;
    [asked, given] = [[], 0];
    silentAfter = Number.POSITIVE_INFINITY;
    board.start();
    await board.says(/slot b ran well before/);
    await board.says(/slot a is committed: version \S+\+4/);
    assert.ok((asked[0] ?? 0) > (before[0] ?? 0), `it began at ${before[0]}, and again at ${asked[0]}`);
    assert.ok(given < MORE, `${given} bytes came after the cut`);
    await more('the update that was cut');
  });

  const records = site.records();
  assert.deepEqual(contradictions(records), []);
  assert.equal(new Set(records.map(({ log }) => log)).size, 1, 'one log through all of it');
});
