/**
 * Slots of a board with UEFI and systemd-boot. Each slot has one entry in `loader/entries`; systemd-boot counts its tries in the
 * name of the file (`sluice-b+3.conf`, `sluice-b+2-1.conf` …) and boots the newest entry that has tries left or is good.
 * Source: systemd, AUTOMATIC_BOOT_ASSESSMENT.md and the Boot Loader Specification.
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { replaceFile, syncFolder } from '../disk/durable.ts';
import { readBounded } from './files.ts';
import { type Offer, otherSlot, runningSlot, SLOTS, type Slot, type SlotState, type Slots } from './slots.ts';

const TRIES = 3;
const ENTRY = /^sluice-(a|b)(?:\+(\d{1,3})(?:-(\d{1,3}))?)?\.conf$/;
const MOST_ENTRY = 8 * 1024;

export interface UefiOptions {
  /** The mounted EFI system partition. */
  readonly esp: string;
  /** `/proc/cmdline`. */
  readonly cmdline: string;
  /** `/dev/disk/by-partlabel`. */
  readonly labels: string;
  readonly target: string;
}

export class UefiSlots implements Slots {
  readonly target: string;
  readonly parts = ['linux', 'initrd', 'root'];
  readonly running: Slot;
  readonly #o: UefiOptions;

  constructor(options: UefiOptions) {
    this.#o = options;
    this.target = options.target;
    this.running = runningSlot(options.cmdline);
  }

  other(): Slot {
    return otherSlot(this.running);
  }

  list(): SlotState[] {
    const entries = this.#entries();
    return SLOTS.map((slot) => {
      const entry = entries.find((one) => one.slot === slot);
      if (entry === undefined) return { slot, state: 'empty' };
      const text = readBounded(path.join(this.#folder, entry.file), MOST_ENTRY)?.toString('utf8') ?? '';
      const [, version] = /^title Sluice (\S{1,64})/m.exec(text) ?? [];
      const [, sequence] = /^version (\d{1,10})$/m.exec(text) ?? [];
      const state = entry.left === undefined ? 'good' : entry.left > 0 ? 'trying' : 'bad';
      return { slot, state, ...(version !== undefined && sequence !== undefined && { version, sequence: Number(sequence) }) };
    });
  }

  place(slot: Slot, part: string): string {
    return part === 'root'
      ? path.join(this.#o.labels, `sluice-root-${slot}`)
      : path.join(this.#o.esp, 'sluice', slot, part === 'linux' ? 'linux.efi' : 'initrd.img');
  }

  discard(slot: Slot): void {
    for (const { file, slot: of } of this.#entries()) if (of === slot) rmSync(path.join(this.#folder, file));
    mkdirSync(path.join(this.#o.esp, 'sluice', slot), { recursive: true });
    syncFolder(this.#folder);
  }

  offer(slot: Slot, { version, sequence }: Offer): void {
    replaceFile(path.join(this.#folder, `sluice-${slot}+${TRIES}.conf`), entryText(slot, version, sequence), 0o644);
  }

  commit(): void {
    this.#rename(this.running, `sluice-${this.running}.conf`);
  }

  giveUp(): void {
    this.#rename(this.running, `sluice-${this.running}+0-${TRIES}.conf`);
  }

  restart(): readonly string[] {
    return ['systemctl', 'reboot'];
  }

  #rename(slot: Slot, name: string): void {
    const entry = this.#entries().find((one) => one.slot === slot);
    if (entry === undefined)
      throw new SluiceError('update-unsupported', `the boot partition has no entry for slot ${slot}; write the card again`);
    if (entry.file !== name) renameSync(path.join(this.#folder, entry.file), path.join(this.#folder, name));
    syncFolder(this.#folder);
  }

  get #folder(): string {
    return path.join(this.#o.esp, 'loader', 'entries');
  }

  #entries(): { file: string; slot: Slot; left: number | undefined }[] {
    return readdirSync(this.#folder)
      .map((file) => ({ file, match: ENTRY.exec(file) }))
      .filter(({ match }) => match !== null)
      .map(({ file, match }) => ({
        file,
        slot: match?.[1] as Slot,
        left: match?.[2] === undefined ? undefined : Number(match[2]),
      }));
  }
}

/** The newest version boots first. @param sequence what systemd-boot compares */
export function entryText(slot: Slot, version: string, sequence: number): string {
  return [
    `title Sluice ${version}`,
    `version ${sequence}`,
    'sort-key sluice',
    `linux /sluice/${slot}/linux.efi`,
    `initrd /sluice/${slot}/initrd.img`,
    `options sluice.slot=${slot} console=tty1 console=ttyAMA0 panic=10`,
    '',
  ].join('\n');
}
