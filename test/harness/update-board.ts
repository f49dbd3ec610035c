/** A board with two slots on files in place of partitions, releases for it, and a web server that has them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { LAYOUTS } from '../../src/store/layouts.ts';
import { makeUpdateSecret } from '../../src/update/keys.ts';
import { makeUpdate } from '../../src/update/make.ts';
import type { Slot } from '../../src/update/slots.ts';
import { type ReleaseFile, UpdateState } from '../../src/update/state.ts';
import { UefiSlots } from '../../src/update/uefi-slots.ts';
import { type ApplyOptions, Updater } from '../../src/update/updater.ts';
import { scratch } from './scratch.ts';

export const [root, release] = [makeUpdateSecret('root'), makeUpdateSecret('release')];
export const NOW = Date.UTC(2026, 10, 27, 2, 30);
export const BY_HAND: ApplyOptions = { perDay: Number.POSITIVE_INFINITY, now: true, look: async () => undefined };
export const ALONE: ApplyOptions = { ...BY_HAND, now: false };

/** Bytes that do not compress and are the same each time. */
export function noise(seed: string, length: number): Buffer {
  return Buffer.concat(
    Array.from({ length: Math.ceil(length / 64) }, (_, i) => createHash('sha512').update(`${seed} ${i}`).digest()),
  ).subarray(0, length);
}
/** A root file system: much is the same in each release, some zeros, one program changes. */
const rootOf = (version: number) =>
  Buffer.concat([
    noise('system', 900_000),
    Buffer.alloc(700_000),
    noise(`program ${version}`, version === 5 ? 800_000 : 120_000),
    noise('more', 500_000),
  ]);
const LINUX = noise('linux', 90_000);
const initrdOf = (version: number) => noise(`initrd ${version}`, 40_000);

export class Board {
  readonly folder: string;
  running: Slot = 'a';
  sequence = 1;
  now = NOW;
  tries = true;

  constructor(t: TestContext, name = 'board') {
    this.folder = scratch(t, name);
    for (const slot of ['a', 'b']) mkdirSync(path.join(this.folder, 'esp', 'sluice', slot), { recursive: true });
    for (const folder of ['esp/loader/entries', 'labels', 'state'])
      mkdirSync(path.join(this.folder, folder), { recursive: true });
    this.#write('a', 1);
    this.slots().offer('a', { version: '1.0.0', sequence: 1 });
    this.slots().commit();
    // A partition has its length, and something older in it.
    writeFileSync(this.slots().place('b', 'root'), noise('old', 3_000_000));
  }
  #write(slot: Slot, version: number): void {
    const place = (part: string) => this.slots().place(slot, part);
    writeFileSync(place('root'), Buffer.concat([rootOf(version), Buffer.alloc(3_000_000 - rootOf(version).length)]));
    writeFileSync(place('linux'), LINUX);
    writeFileSync(place('initrd'), initrdOf(version));
  }
  slots(): UefiSlots {
    const esp = path.join(this.folder, 'esp');
    return new UefiSlots({
      esp,
      cmdline: `sluice.slot=${this.running}`,
      labels: path.join(this.folder, 'labels'),
      target: 'uefi-arm64',
    });
  }
  release(): ReleaseFile {
    const version = `1.${this.sequence}.0`;
    return {
      v: 1,
      target: 'uefi-arm64',
      version,
      sequence: this.sequence,
      keys: [root.text, release.text],
      revoked: [],
      tries: this.tries,
    };
  }
  state(): UpdateState {
    return new UpdateState(path.join(this.folder, 'state', 'update'), this.release());
  }
  updater(): Updater {
    return new Updater({
      ...{ slots: this.slots(), state: this.state(), release: this.release(), layouts: LAYOUTS },
      ...{ now: () => this.now, zone: 'UTC' },
    });
  }
  /** The firmware and the init of the new slot. */
  restart(slot: Slot, sequence: number): void {
    this.running = slot;
    this.sequence = sequence;
  }
  entry(slot: Slot) {
    return this.slots()
      .list()
      .find((one) => one.slot === slot);
  }
  /** @param version undefined: the part of the slot has the old content */
  holds(slot: Slot, version: number): void {
    const place = (part: string) => readFileSync(this.slots().place(slot, part));
    assert.ok(place('root').subarray(0, rootOf(version).length).equals(rootOf(version)), `root of ${slot}`);
    assert.ok(place('linux').equals(LINUX));
    assert.ok(place('initrd').equals(initrdOf(version)));
  }
}

export async function updateOf(t: TestContext, version: number, about: object = {}, secrets = [release]): Promise<string> {
  const folder = scratch(t, 'update');
  const files = { root: rootOf(version), linux: LINUX, initrd: initrdOf(version) };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, `${name}.raw`), bytes);
  const parts = Object.fromEntries(Object.keys(files).map((name) => [name, path.join(folder, `${name}.raw`)]));
  const sequence = version;
  const known = { target: 'uefi-arm64', version: `1.${version}.0`, sequence, date: '2026-11-27', layouts: LAYOUTS };
  await makeUpdate({ folder, parts, secrets, level: 1, about: { ...known, ...about } });
  return folder;
}

/** A web server with ranges. @param spoil what it does to a request: false when it answered itself */
export async function served(t: TestContext, folder: string, spoil: (n: number, cut: () => false) => boolean = () => true) {
  let n = 0;
  const server: Server = createServer((request, response) => {
    const bytes = readFileSync(path.join(folder, path.basename(request.url ?? '')));
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const body = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1);
    const cut = (): false => {
      response.writeHead(from === undefined ? 200 : 206, { 'content-length': body.length });
      response.write(body.subarray(0, Math.floor(body.length / 2)), () => request.socket.destroy());
      return false;
    };
    if (!spoil(n++, cut)) return;
    response.writeHead(from === undefined ? 200 : 206, { 'content-length': body.length });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
