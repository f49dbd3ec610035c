/** What the next release of a card costs on the wire, when a patch changed the program of Sluice and nothing else. */
import { cpSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { makePackages } from '../../scripts/package.ts';
import { LAYOUTS } from '../../src/store/layouts.ts';
import { makeUpdateSecret } from '../../src/update/keys.ts';
import { makeUpdate } from '../../src/update/make.ts';
import { openSource } from '../../src/update/source.ts';
import { UpdateState } from '../../src/update/state.ts';
import { UefiSlots } from '../../src/update/uefi-slots.ts';
import { Updater } from '../../src/update/updater.ts';
import { imageCache, PROJECT, run } from '../../test/harness/card-image.ts';
import type { Workspace } from './workspace.ts';

export interface Release {
  readonly folder: string;
  readonly image: string;
  readonly deb: string;
}
const [root, release] = [makeUpdateSecret('root'), makeUpdateSecret('release')];
const TARGET = 'uefi-arm64';

/** @param change what the patch adds to the main file of the program */
export function makeRelease(space: Workspace, sequence: number, change: string): Release {
  const folder = path.join(space.folder, `release-${sequence}`);
  const dist = path.join(folder, 'dist');
  mkdirSync(folder);
  cpSync(path.join(PROJECT, 'dist'), dist, { recursive: true });
  const main = path.join(dist, 'cli', 'main.js');
  writeFileSync(main, `${readFileSync(main, 'utf8')}${change}`);
  const made = makePackages({
    ...{ out: folder, architectures: ['arm64'], version: `0.1.${sequence}`, fast: false, only: ['sluice'], dist },
  });
  const deb = made.find((file) => file.endsWith('.deb')) ?? '';
  const keys = path.join(folder, 'keys');
  writeFileSync(keys, `${root.text}\n${release.text}\n`);
  const options = ['--sequence', String(sequence), '--keys', keys, '--deb', deb, '--out', folder];
  const said = run('sh', ['packaging/image/build.sh', ...options], { SLUICE_IMAGE_CACHE: imageCache() });
  return { folder, image: said.trim().split('\n').at(-1) ?? '', deb };
}

/** A card that runs the first release takes the second one over HTTP. @returns bytes of the bodies */
export async function bytesOfUpdate(space: Workspace, from: Release, to: Release): Promise<number> {
  const card = path.join(space.folder, 'card');
  const [esp, labels] = [path.join(card, 'esp'), path.join(card, 'labels')];
  for (const folder of ['esp/sluice/a', 'esp/sluice/b', 'esp/loader/entries', 'labels'])
    mkdirSync(path.join(card, folder), { recursive: true });
  const slots = new UefiSlots({ esp, labels, cmdline: 'sluice.slot=a', target: TARGET });
  for (const [part, file] of Object.entries(PARTS))
    run('cp', ['--sparse=always', path.join(from.folder, file), slots.place('a', part)]);
  writeFileSync(slots.place('b', 'root'), '');
  truncateSync(slots.place('b', 'root'), statSync(slots.place('a', 'root')).size);
  slots.offer('a', { version: '0.1.1', sequence: 1 });
  slots.commit();

  const updates = path.join(space.folder, 'updates');
  mkdirSync(updates);
  await makeUpdate({
    ...{ folder: updates, level: 19, secrets: [release] },
    parts: Object.fromEntries(Object.entries(PARTS).map(([part, file]) => [part, path.join(to.folder, file)])),
    about: { target: TARGET, version: '0.1.2', sequence: 2, date: '2026-11-27', layouts: LAYOUTS },
  });
  const server = createServer((request, response) => {
    const bytes = readFileSync(path.join(updates, path.basename(request.url ?? '')));
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const body = first === undefined ? bytes : bytes.subarray(Number(first), Number(last) + 1);
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': body.length }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  space.after(() => server.close());
  const source = openSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const says = { v: 1 as const, target: TARGET, version: '0.1.1', sequence: 1, tries: true };
  const state = new UpdateState(path.join(card, 'state'), { ...says, keys: [root.text, release.text], revoked: [] });
  const updater = new Updater({
    ...{ slots, state, layouts: LAYOUTS, now: Date.now, zone: 'UTC' },
    release: { ...says, keys: [root.text, release.text], revoked: [] },
  });
  const applied = await updater.apply(source, { perDay: Number.POSITIVE_INFINITY, now: true, look: async () => undefined });
  if (applied.outcome !== 'offered') throw new Error(`the update was not taken: ${applied.outcome}`);
  return source.received;
}
const PARTS = { linux: 'linux.efi', initrd: 'initrd.img', root: 'root.ext4' };
