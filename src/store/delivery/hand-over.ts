/**
 * Who was handed what: what a number stands for never changes afterwards (contract, rule 8).
 *
 * A hand-over lies in the runtime directory at once and in the file with the next commit. A power cut takes the former. That
 * matters while the clock is not known, since the times of this boot may then still change in a later one. The file therefore
 * holds a promise beforehand: how far a lane may go.
 */

import type { Lane, Promised, Span } from '../files/lane-state.ts';
import type { ForwarderState, TailState } from '../files/layout.ts';
import type { ClockBook, HandOvers } from '../time/clock-book.ts';
import { Lanes, MAX_RANGES } from './lanes.ts';

/** Numbers of history that one promise covers; after a power cut so many may keep an estimate although nobody had them. */
const AHEAD = 20_000;
/** Data runs as it comes: promised as a whole. */
const ALL = Number.MAX_SAFE_INTEGER;
/** Forwarders have names of letters and digits. */
export const LIVE = '@broker';

/** The interface of an outlet and of the live feed to the log. */
export interface Party {
  readonly name: string;
  commitBegins(next: number): void;
  /** The state that a commit has to keep; nothing when nothing changed. */
  takeStates(): ForwarderState[];
  /** A commit did not keep what it was given. */
  touch(): void;
  tailState(): TailState | undefined;
  /** Ordinals of logs with what of them was handed over, and up to where all is delivered. */
  handOvers(): { readonly log: number; readonly handed: readonly Span[]; readonly done: number }[];
  /** The hand-overs are known for certain, or cannot matter any more: promises end. */
  forgetPromise(): void;
}

/** The part of the log that a party needs. */
export interface PromiseSide {
  readonly clock: ClockBook;
  /** An entry that is written to the runtime directory now survives a kill. */
  readonly mirrored: boolean;
  flush(): Promise<void>;
}

interface LiveSide extends PromiseSide {
  readonly ordinal: number;
  mirrorLanes(state: TailState): void;
}

/** The promise of one forwarder in one log. */
export class HandOverPromise {
  readonly #log: PromiseSide;
  readonly #lanes: Lanes;
  readonly #touch: () => void;
  /** In the file; and what was asked for last. */
  #durable: Promised | undefined;
  #asked: Promised | undefined;

  constructor(log: PromiseSide, lanes: Lanes, touch: () => void) {
    this.#log = log;
    this.#lanes = lanes;
    this.#touch = touch;
  }

  /** Whether numbers up to `last` may leave now; when not, the promise is on its way to the file. */
  allows(lane: Lane, last: number): boolean {
    if (this.#log.clock.known) return true;
    const blind = !this.#log.mirrored;
    if (covers(this.#durable, lane, last, blind)) return true;
    if (covers(this.#asked, lane, last, blind)) return false;
    this.#lanes.promise(lane, lane === 'data' ? ALL : last + AHEAD, blind);
    this.#touch();
    const asked = this.#lanes.promised;
    this.#asked = asked;
    void this.#log.flush().then(() => {
      if (this.#asked !== undefined) this.#durable = asked;
    });
    return false;
  }

  forget(): void {
    this.#durable = undefined;
    this.#asked = undefined;
    if (this.#lanes.forgetPromise()) this.#touch();
  }
}

function covers(promised: Promised | undefined, lane: Lane, last: number, blind: boolean): boolean {
  return promised !== undefined && promised[lane] >= last && (promised.blind || !blind);
}

/** The hand-overs to the embedded broker, whose clients keep no cursor here: lanes without a backlog. */
export class LiveHandOver implements Party {
  readonly name = LIVE;
  readonly #log: LiveSide;
  #lanes: Lanes | undefined;
  #promise: HandOverPromise | undefined;
  #dirty = false;

  constructor(log: LiveSide, known: readonly ForwarderState[]) {
    this.#log = log;
    const saved = known.find((f) => f.name === LIVE && f.log === log.ordinal);
    if (saved !== undefined) this.#begin(Lanes.load(saved.state));
  }

  /** Records first..last are about to be given to clients. @returns false when they have to wait a moment */
  handOver(first: number, last: number): boolean {
    const lanes = this.#lanes ?? this.#begin(Lanes.begin('now', first));
    if (this.#promise?.allows('data', last) !== true) return false;
    // Numbers in between that no forwarder had were not handed over. When ranges run short they count as if they were.
    if (first > lanes.handed + 1 && lanes.state().ranges.length < MAX_RANGES - 2 && lanes.lag()) lanes.resume(first);
    this.#dirty = true;
    if (lanes.handOver(last)) this.#log.mirrorLanes({ type: 'lanes', forwarder: LIVE, state: lanes.state() });
    return true;
  }

  #begin(lanes: Lanes): Lanes {
    this.#lanes = lanes;
    this.#promise = new HandOverPromise(this.#log, lanes, () => this.touch());
    return lanes;
  }

  commitBegins(): void {}
  takeStates(): ForwarderState[] {
    const dirty = this.#dirty;
    this.#dirty = false;
    return this.#lanes === undefined || !dirty ? [] : [{ name: LIVE, log: this.#log.ordinal, state: this.#lanes.state() }];
  }
  touch(): void {
    this.#dirty = true;
  }
  tailState(): TailState | undefined {
    return this.#lanes === undefined ? undefined : { type: 'lanes', forwarder: LIVE, state: this.#lanes.state() };
  }
  handOvers(): ReturnType<Party['handOvers']> {
    if (this.#lanes === undefined) return [];
    return [{ log: this.#log.ordinal, handed: this.#lanes.handedOver(), done: Number.POSITIVE_INFINITY }];
  }
  forgetPromise(): void {
    this.#promise?.forget();
  }
}

/** All that was handed over of a log: by those who are here, and by those who were once. */
export class AllHandOvers implements HandOvers {
  readonly #parties: () => readonly Party[];
  readonly #saved: readonly ForwarderState[];
  readonly #next: () => number;

  constructor(parties: () => readonly Party[], saved: readonly ForwarderState[], next: () => number) {
    this.#parties = parties;
    this.#saved = saved;
    this.#next = next;
  }

  get next(): number {
    return this.#next();
  }

  handed(log: number): Span[] {
    const parties = this.#parties();
    const gone = this.#saved.filter((f) => f.log === log && !parties.some((p) => p.name === f.name && knows(p, log)));
    return [
      ...parties.flatMap((p) => p.handOvers().filter((h) => h.log === log)).flatMap((h) => h.handed),
      ...gone.flatMap((f) => Lanes.load(f.state).handedOver()),
    ];
  }

  done(log: number): number {
    const parties = this.#parties();
    const gone = this.#saved.filter(
      (f) => f.log === log && f.name !== LIVE && !parties.some((p) => p.name === f.name && knows(p, log)),
    );
    return Math.min(
      ...parties.flatMap((p) => p.handOvers().filter((h) => h.log === log)).map((h) => h.done),
      ...gone.map((f) => Lanes.load(f.state).doneUpTo),
    );
  }
}

function knows(party: Party, log: number): boolean {
  return party.handOvers().some((h) => h.log === log);
}
