/**
 * Slots of a Raspberry Pi with tryboot. Each slot has a boot partition of its own (firmware, kernel, device trees) and a root
 * partition. A small first partition holds `autoboot.txt`, which names the boot partition of the committed slot and of the slot
 * that a restart with `reboot '0 tryboot'` tries once. A crash falls back by itself, because the flag holds for one boot.
 * Source: Raspberry Pi documentation, config.txt, "The autoboot.txt file". No board has run this yet.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { SluiceError } from '../core/errors.ts';
import { replaceFile, syncFolder } from '../disk/durable.ts';
import { readBounded, readJson } from './files.ts';
import { type Offer, otherSlot, runningSlot, SLOTS, type Slot, type SlotState, type Slots } from './slots.ts';

/** Numbers of the boot partitions on the card. */
const BOOT: Readonly<Record<Slot, number>> = { a: 2, b: 3 };
const MOST = 8 * 1024;

const slotFile = z.strictObject({
  version: z.string().max(64),
  sequence: z.int().min(0),
  state: z.enum(['trying', 'good', 'bad']),
});

export interface TrybootOptions {
  /** The mounted first partition. */
  readonly selector: string;
  /** `/proc/cmdline`. */
  readonly cmdline: string;
  /** `/dev/disk/by-partlabel`. */
  readonly labels: string;
  readonly target: string;
}

export class TrybootSlots implements Slots {
  readonly target: string;
  readonly parts = ['boot', 'root'];
  readonly running: Slot;
  readonly #o: TrybootOptions;

  constructor(options: TrybootOptions) {
    this.#o = options;
    this.target = options.target;
    this.running = runningSlot(options.cmdline);
  }

  other(): Slot {
    return otherSlot(this.running);
  }

  list(): SlotState[] {
    return SLOTS.map((slot) => {
      const found = this.#read(slot);
      if (found === undefined) return { slot, state: 'empty' };
      // It was tried, and another one runs: its only try is over.
      const isOver = found.state === 'trying' && slot !== this.running && this.#tried() === slot;
      return { slot, ...found, ...(isOver && { state: 'bad' as const }) };
    });
  }

  place(slot: Slot, part: string): string {
    return path.join(this.#o.labels, `sluice-${part}-${slot}`);
  }

  discard(slot: Slot): void {
    replaceFile(this.#file('autoboot.txt'), autobootText(this.running, undefined), 0o644);
    rmSync(this.#file(`slot-${slot}.json`), { force: true });
    rmSync(this.#file('tried'), { force: true });
    syncFolder(this.#o.selector);
  }

  offer(slot: Slot, { version, sequence }: Offer): void {
    this.#write(slot, { version, sequence, state: 'trying' });
    replaceFile(this.#file('autoboot.txt'), autobootText(this.running, slot), 0o644);
  }

  commit(release?: Offer): void {
    const own = this.#read(this.running) ?? release;
    if (own === undefined)
      throw new SluiceError(
        'update-unsupported',
        `the first partition knows nothing of slot ${this.running}; write the card again`,
      );
    const { version, sequence } = own;
    this.#write(this.running, { version, sequence, state: 'good' });
    replaceFile(this.#file('autoboot.txt'), autobootText(this.running, undefined), 0o644);
  }

  giveUp(): void {
    const own = this.#read(this.running);
    if (own !== undefined) this.#write(this.running, { ...own, state: 'bad' });
    replaceFile(this.#file('autoboot.txt'), autobootText(this.other(), undefined), 0o644);
  }

  restart(): readonly string[] {
    if (this.#read(this.other())?.state !== 'trying' || this.#tried() === this.other()) return ['reboot'];
    // Written before the restart: a system that ends before its first line of ours has been tried all the same.
    replaceFile(this.#file('tried'), `${this.other()}\n`, 0o644);
    return ['reboot', '0 tryboot'];
  }

  #tried(): string | undefined {
    return readBounded(this.#file('tried'), MOST)?.toString('utf8').trim();
  }
  #read(slot: Slot): z.infer<typeof slotFile> | undefined {
    const found = slotFile.safeParse(readJson(this.#file(`slot-${slot}.json`), MOST));
    return found.success ? found.data : undefined;
  }
  #write(slot: Slot, state: z.infer<typeof slotFile>): void {
    replaceFile(this.#file(`slot-${slot}.json`), `${JSON.stringify(state)}\n`, 0o644);
  }
  #file(name: string): string {
    return path.join(this.#o.selector, name);
  }
}

/** @param tried the slot that a restart with the flag boots */
export function autobootText(committed: Slot, tried: Slot | undefined): string {
  const lines = ['[all]', 'tryboot_a_b=1', `boot_partition=${BOOT[committed]}`];
  if (tried !== undefined) lines.push('[tryboot]', `boot_partition=${BOOT[tried]}`);
  return `${lines.join('\n')}\n`;
}
