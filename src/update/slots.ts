/**
 * The two systems of a card. One runs; an update is written into the other, which boots with a number of tries. Only a system
 * that ran well is the one that boots for ever.
 */
import { SluiceError } from '../core/errors.ts';

export const SLOTS = ['a', 'b'] as const;
export type Slot = (typeof SLOTS)[number];

export interface Offer {
  readonly version: string;
  readonly sequence: number;
}

export interface SlotState extends Partial<Offer> {
  readonly slot: Slot;
  /** `empty`: nothing boots it. `trying`: it has tries left. `good`: it ran well. `bad`: its tries are used up. */
  readonly state: 'empty' | 'trying' | 'good' | 'bad';
}

/** Boards differ in how they boot; everything else of an update is the same. */
export interface Slots {
  /** What a manifest names in `target`. */
  readonly target: string;
  /** The parts that a slot has, with the place where each is written: a partition, or a file of a partition. */
  readonly parts: readonly string[];
  readonly running: Slot;
  other(): Slot;
  list(): readonly SlotState[];
  place(slot: Slot, part: string): string;
  /** From now on nothing boots this slot. Flushed when it returns. */
  discard(slot: Slot): void;
  /** The next boot is this slot, with a few tries. Everything of it is on the card already. */
  offer(slot: Slot, offer: Offer): void;
  /** The running slot ran well: it boots for ever, until another is offered. @param release that runs, where its record is lost */
  commit(release?: Offer): void;
  /** The next boot is the other slot; the running one is bad. */
  giveUp(): void;
  /** The command that restarts the board, into the offered slot where there is one. */
  restart(): readonly string[];
}

/** @param cmdline `/proc/cmdline` @throws SluiceError `update-unsupported` */
export function runningSlot(cmdline: string): Slot {
  const [, slot] = /(?:^|\s)sluice\.slot=([ab])(?:\s|$)/.exec(cmdline) ?? [];
  if (slot === undefined)
    throw new SluiceError('update-unsupported', 'this system was not started from a slot of a Sluice image');
  return slot as Slot;
}

export function otherSlot(slot: Slot): Slot {
  return slot === 'a' ? 'b' : 'a';
}
