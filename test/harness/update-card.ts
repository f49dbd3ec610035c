/** A card with two slots as files in a folder, which `sluice update --root` takes for the board. Slot a runs release 2 at first. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LAYOUTS } from '../../src/store/layouts.ts';
import { makeUpdateSecret, type UpdateSecret } from '../../src/update/keys.ts';
import { makeUpdate } from '../../src/update/make.ts';
import { UefiSlots } from '../../src/update/uefi-slots.ts';

export const RELEASE = makeUpdateSecret('release');
const ROOT = makeUpdateSecret('root');
const RUNNING = 2;
const LABELS = 'dev/disk/by-partlabel';

/** Bytes that do not compress and are the same each time. */
export function noise(seed: string, length: number): Buffer {
  return Buffer.concat(
    Array.from({ length: Math.ceil(length / 64) }, (_, i) => createHash('sha512').update(`${seed} ${i}`).digest()),
  ).subarray(0, length);
}

export function partsOf(sequence: number): Record<'linux' | 'initrd' | 'root', Buffer> {
  return {
    linux: noise(`linux ${sequence}`, 90_000),
    initrd: noise(`initrd ${sequence}`, 40_000),
    root: Buffer.concat([noise('system', 600_000), Buffer.alloc(300_000), noise(`program ${sequence}`, 600_000)]),
  };
}

export class UpdateCard {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    this.restart('a', RUNNING);
    const { root: system, ...files } = partsOf(RUNNING);
    this.#put(`${LABELS}/sluice-root-a`, system);
    this.#put(`${LABELS}/sluice-root-b`, Buffer.alloc(system.length));
    for (const [name, bytes] of Object.entries(files)) this.#put(`boot/firmware/sluice/a/${fileOf(name)}`, bytes);
    for (const folder of ['boot/firmware/sluice/b', 'boot/firmware/loader/entries', 'state'])
      mkdirSync(path.join(root, folder), { recursive: true });
    this.slots.offer('a', { version: '1.2.0', sequence: RUNNING });
    this.slots.commit();
  }

  /** The firmware and the init of a slot with this release. */
  restart(slot: 'a' | 'b', sequence: number): void {
    const about = { target: 'uefi-arm64', version: `1.${sequence}.0`, sequence, keys: [ROOT.text, RELEASE.text] };
    this.#put('usr/lib/sluice-image/release.json', JSON.stringify({ v: 1, ...about, revoked: [] }));
    this.#put('proc/cmdline', `sluice.slot=${slot} quiet\n`);
  }

  get slots(): UefiSlots {
    const [esp, labels] = [path.join(this.root, 'boot/firmware'), path.join(this.root, LABELS)];
    return new UefiSlots({ esp, labels, cmdline: 'sluice.slot=a', target: 'uefi-arm64' });
  }
  /** Whether the slot has exactly this release. */
  holds(slot: 'a' | 'b', sequence: number): boolean {
    return Object.entries(partsOf(sequence)).every(([part, bytes]) => {
      const place = this.slots.place(slot, part);
      return existsSync(place) && readFileSync(place).equals(bytes);
    });
  }
  /** Names of the entries that the boot loader sees. */
  get entries(): string[] {
    return readdirSync(path.join(this.root, 'boot/firmware/loader/entries')).sort();
  }

  #put(name: string, bytes: Uint8Array | string): void {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}
const fileOf = (part: string): string => (part === 'linux' ? 'linux.efi' : 'initrd.img');

/** The files of an update in a new folder. */
export async function writeUpdate(
  folder: string,
  sequence: number,
  secrets: readonly UpdateSecret[] = [RELEASE],
  about: object = {},
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const raw = path.join(folder, 'raw');
  mkdirSync(raw);
  const parts = Object.entries(partsOf(sequence)).map(([name, bytes]) => {
    writeFileSync(path.join(raw, name), bytes);
    return [name, path.join(raw, name)] as const;
  });
  const known = { target: 'uefi-arm64', version: `1.${sequence}.0`, sequence, date: '2026-11-27', layouts: LAYOUTS };
  await makeUpdate({ folder, level: 1, secrets, parts: Object.fromEntries(parts), about: { ...known, ...about } });
  return folder;
}
