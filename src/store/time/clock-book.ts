/**
 * The wall time of this boot and of the boots before it (contract, rule 8).
 *
 * - A mapping that changes reaches every number that nobody was handed, in this boot and in earlier ones of the same boot
 *   of the machine; once it is known, also boots that never learnt the time, which are placed before it.
 * - What was handed over keeps its time.
 * - What is only estimated does not reach back over what was known: it holds from the next number on.
 * - A mapping counts only once it is committed: until then its numbers have none.
 * - Bounds: MAX_SEGMENTS mappings a boot; boots that are older than the newest thousand keep theirs.
 */

import type { Machine } from '../../core/clock.ts';
import type { Span } from '../files/lane-state.ts';
import type { BootInfo, ClockList, ClockSegment } from '../files/layout.ts';
import { placeBoots } from './clock-place.ts';
import { changedFrom, joined, layOver, type Mapping, mappingAt, within } from './clock-segments.ts';

/** The forwarders as the log knows them. */
export interface HandOvers {
  /** The numbers of a log that were ever handed over to a forwarder. */
  handed(log: number): Span[];
  /** Every number of it up to here is delivered everywhere. */
  done(log: number): number;
  /** The number that the next item of this boot gets. */
  readonly next: number;
}

/** The effect of a new mapping on one boot. */
export interface BootMoved {
  readonly boot: number;
  /** Ordinal of the log. */
  readonly log: number;
  /** The last number that was handed over under an older mapping and keeps it; the one before the first when none was. */
  readonly last: number;
  /** It was handed over; else nothing of the boot was. */
  readonly handed: boolean;
  /** New time minus the one that this number keeps, ms; where nothing was handed over, minus the one that all had. */
  readonly offset: number;
  readonly estimated: boolean;
}
export interface ClockMove {
  /** From here on the numbers of this boot have the new mapping. */
  readonly fromSeq: number;
  /** Boots whose numbers got other times, oldest first. */
  readonly moved: readonly BootMoved[];
  /** Boots that never learnt the time had lasted longer than there was space for them. */
  readonly tight: boolean;
  /** Some mapping had to be left out for want of space; what it should have held for is marked as estimated. */
  readonly coarse: boolean;
}

interface Entry {
  readonly info: BootInfo;
  list: ClockList;
  /** The content of the file. */
  committed: ClockList;
}

export class ClockBook {
  /** Oldest first; the last one is this boot. */
  readonly #entries: Entry[];
  readonly #own: Entry;
  readonly #handOvers: HandOvers;
  /** Grows with every change: what was read from the file under an older one may have the wrong time. */
  version = 0;

  /** @param boots as opened; the last one is the boot that begins */
  constructor(boots: readonly BootInfo[], handOvers: HandOvers) {
    this.#entries = boots.map((info) => ({ info, list: info.clock, committed: info.clock }));
    const own = this.#entries.at(-1);
    if (own === undefined) throw new Error('a log without a boot');
    this.#own = own;
    this.#handOvers = handOvers;
  }

  /** The mappings of this boot, for the runtime directory. */
  get own(): ClockList {
    return this.#own.list;
  }
  /** First number of this boot. */
  get first(): number {
    return this.#own.info.first;
  }
  get machine(): Machine {
    return this.#own.info.machine;
  }
  get last(): ClockSegment | undefined {
    return this.#own.list.segments.at(-1);
  }
  /** This boot of the machine has learnt the time, in this start of the daemon or an earlier one. */
  get known(): boolean {
    return this.#machineOffset(this.#siblings()) !== undefined;
  }
  /** The mapping of an earlier start within this boot of the machine: the offset that it means for this one. */
  get inherited(): number | undefined {
    const found = this.#machineOffset(this.#siblings().filter((e) => e !== this.#own));
    return found === undefined ? undefined : Math.round(found + this.machine.origin);
  }
  /** UTC ms of the end of the newest earlier start that knew the time. */
  get lastKnown(): number | undefined {
    const entry = this.#entries.findLast((e) => e !== this.#own && isKnown(e));
    const segment = entry?.list.segments.findLast((s) => !s.estimated);
    return entry === undefined || segment === undefined ? undefined : segment.offset + entry.info.atLast;
  }

  /** The part that a commit that begins now has to write. */
  get pending(): readonly ClockList[] {
    return this.#entries.filter((e) => e.list !== e.committed).map((e) => e.list);
  }
  /** A commit wrote these. */
  committed(lists: readonly ClockList[]): void {
    for (const list of lists) {
      const entry = this.#entries.find((e) => e.info.boot === list.boot);
      if (entry !== undefined) entry.committed = list;
    }
  }

  /** The mapping of a number of this boot; undefined while it is not committed. */
  of(seq: number): ClockSegment | undefined {
    const { list, committed } = this.#own;
    const now = mappingAt(list.segments, seq);
    if (list === committed || now === undefined) return now;
    const safe = mappingAt(committed.segments, seq);
    return safe?.offset === now.offset && safe.estimated === now.estimated ? now : undefined;
  }
  /** Numbers of a log below this one have the mappings that the file has. */
  settledBelow(log: number): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { info, list, committed } of this.#entries)
      if (info.log === log && list !== committed)
        lowest = Math.min(lowest, Math.max(info.first, changedFrom(committed.segments, list.segments)));
    return lowest;
  }

  /** A mapping of this boot, for everything that nobody was handed. */
  set(offset: number, estimated: boolean): ClockMove {
    const moved: BootMoved[] = [];
    const own = this.#own;
    let coarse = false;
    let tight = false;
    const move = (entry: Entry, wanted: Mapping): void => {
      coarse = this.#move(entry, wanted, moved) || coarse;
    };
    if (!estimated) {
      const machine = offset - this.machine.origin;
      tight = this.#place(machine, move);
      for (const sibling of this.#siblings()) {
        const { proven, machine: of } = sibling.info;
        // Where it is not sure what was handed over under a time that was known, that one stays.
        if (sibling === own || (!proven && isKnown(sibling))) continue;
        move(sibling, { offset: Math.round(machine + of.origin), estimated: false });
      }
    }
    move(own, { offset, estimated });
    if (moved.length > 0) this.version++;
    return { fromSeq: estimated && isKnown(own) ? this.#handOvers.next : this.#lastHanded(own) + 1, moved, tight, coarse };
  }

  /** @returns whether the bound left something out */
  #move(entry: Entry, wanted: Mapping, moved: BootMoved[]): boolean {
    const { info, list } = entry;
    const kept = wanted.estimated && isKnown(entry) ? [{ from: 0, to: this.#handOvers.next - 1 }] : this.#handed(entry);
    const { segments, coarse } = layOver(list.segments, kept, this.#handOvers.done(info.log), wanted);
    if (list.segments.length > 0 && changedFrom(list.segments, segments) === Number.POSITIVE_INFINITY) return coarse;
    const last = this.#lastHanded(entry);
    const before = last < info.first ? list.segments.at(-1) : mappingAt(list.segments, last);
    const after = mappingAt(segments, Number.POSITIVE_INFINITY) as ClockSegment;
    moved.push({
      ...{ boot: info.boot, log: info.log, last, handed: last >= info.first, estimated: after.estimated },
      offset: after.offset - (before?.offset ?? after.offset),
    });
    entry.list = { boot: info.boot, version: list.version + 1, segments };
    return coarse;
  }

  /**
   * Boots between the last one that learnt the time and this boot of the machine, which now has.
   * @returns whether they did not fit
   */
  #place(machine: number, move: (entry: Entry, wanted: Mapping) => void): boolean {
    const first = this.#entries.findIndex((e) => this.#sharesMachine(e));
    const groups: Entry[][] = [];
    let after: number | undefined;
    for (let i = first - 1; i >= 0; i--) {
      const entry = this.#entries[i] as Entry;
      const group = groups[0]?.[0];
      if (group !== undefined && entry.info.machine.id !== '' && entry.info.machine.id === group.info.machine.id)
        groups[0]?.unshift(entry);
      else {
        if (group !== undefined && isKnownGroup(groups[0] ?? [])) break;
        groups.unshift([entry]);
      }
    }
    const [oldest] = groups;
    if (oldest !== undefined && isKnownGroup(oldest)) {
      after = Math.ceil((this.#machineOffset(oldest) ?? 0) + endOf(oldest));
      groups.shift();
    }
    // The machine was switched on before the daemon started.
    const own = this.#entries[first] as Entry;
    const before = Math.floor(machine + startOf([own]));
    const lengths = groups.map((group) => Math.ceil(endOf(group) - startOf(group)));
    const { starts, tight } = placeBoots(after, before, lengths);
    groups.forEach((group, i) => {
      for (const entry of group)
        move(entry, { offset: Math.floor((starts[i] as number) - startOf(group) + entry.info.machine.origin), estimated: true });
    });
    return tight;
  }

  /** Numbers outside the boot, which nothing asks for, count as their neighbours do: they need no mapping of their own. */
  #handed({ info }: Entry): Span[] {
    return within(joined(this.#handOvers.handed(info.log)), info.first, info.last).map(({ from, to }) => ({
      from: from === info.first ? 0 : from,
      to: to === info.last ? Number.POSITIVE_INFINITY : to,
    }));
  }
  #lastHanded(entry: Entry): number {
    const { first, last } = entry.info;
    return Math.min(this.#handed(entry).at(-1)?.to ?? first - 1, last);
  }
  #siblings(): Entry[] {
    return this.#entries.filter((e) => this.#sharesMachine(e));
  }
  #sharesMachine(entry: Entry): boolean {
    return entry === this.#own || (this.machine.id !== '' && entry.info.machine.id === this.machine.id);
  }
  /** UTC ms at which the kernel's monotonic time was 0, as it was known last; undefined when it never was. */
  #machineOffset(entries: readonly Entry[]): number | undefined {
    const entry = entries.findLast(isKnown);
    const segment = entry?.list.segments.findLast((s) => !s.estimated);
    return entry === undefined || segment === undefined ? undefined : segment.offset - entry.info.machine.origin;
  }
}

function isKnown({ list }: Entry): boolean {
  return list.segments.some((s) => !s.estimated);
}
function isKnownGroup(entries: readonly Entry[]): boolean {
  return entries.some(isKnown);
}
/** The kernel's monotonic time at which a boot of the machine began; of one that is not known, the start of the daemon. */
function startOf(group: readonly Entry[]): number {
  const { machine } = (group[0] as Entry).info;
  return machine.id === '' ? machine.origin : 0;
}
function endOf(group: readonly Entry[]): number {
  const { machine, atLast } = (group.at(-1) as Entry).info;
  return machine.origin + atLast;
}
