/**
 * Lanes of one forwarder within one log (contract, rules 4, 5 and 9). Pure.
 *
 * - Every number belongs to exactly one lane; lanes are kept as ranges, the last one open.
 * - A lane is fixed up to `fixed`: by the beginning of a commit or by the hand-over to the client. Only numbers above
 *   it can still change, and only from data to history.
 * - A cursor passes only acknowledged numbers of its own lane, in order.
 * - At most MAX_RANGES ranges; when they are used up, data stays closed until history has drained.
 */
import {
  type Beyond,
  isBeyond,
  type Lane,
  type LaneState,
  type NoticeKind,
  type Promised,
  type Span,
} from '../files/lane-state.ts';

export const MAX_RANGES = 64;

export class Lanes {
  #ranges: [number, Lane][];
  #ack: { data: number; history: number };
  readonly #notices: Record<NoticeKind, number>;
  /** Alarms that are delivered beyond the cursor, when it is asked for. */
  #beyond: () => Beyond | undefined;
  #handed: { data: number; history: number };
  readonly #since: number;
  #promised: Promised | undefined;
  #fixed: number;

  private constructor(state: LaneState) {
    this.#ranges = state.ranges.map(([from, lane]) => [from, lane]);
    this.#ack = { data: state.data, history: state.history };
    this.#notices = { alarm: state.alarms ?? state.notices, event: state.events ?? state.notices };
    const beyond = isBeyond(state.beyond) ? state.beyond : undefined;
    this.#beyond = () => beyond;
    this.#handed = { data: state.handed, history: state.handedHistory };
    this.#since = state.since;
    this.#promised = state.promised;
    this.#fixed = state.handed;
  }

  static load(state: LaneState): Lanes {
    return new Lanes(state);
  }

  /** A new forwarder: what exists below `next` is history (from oldest) or not wanted (from now). */
  static begin(from: 'oldest' | 'now', next: number): Lanes {
    const start = next - 1;
    const old = from === 'oldest' ? 0 : start;
    return new Lanes({
      ranges: [
        [0, 'history'],
        [next, 'data'],
      ],
      data: start,
      history: old,
      notices: old,
      handed: start,
      handedHistory: old,
      since: old + 1,
    });
  }

  state(): LaneState {
    const { data, history } = this.#handed;
    const { alarm, event } = this.#notices;
    const { beyond } = this;
    return {
      ranges: this.#ranges.map(([f, l]) => [f, l] as const),
      ...this.#ack,
      // The lower one of both under the name that earlier versions know: they deliver again and leave nothing out.
      ...{ notices: Math.min(alarm, event), ...(alarm > event ? { alarms: alarm } : event > alarm ? { events: event } : {}) },
      ...(beyond === undefined ? {} : { beyond }),
      ...{ handed: data, handedHistory: history, since: this.#since },
      ...(this.#promised === undefined ? {} : { promised: this.#promised }),
    };
  }

  get live(): boolean {
    return this.#ranges[this.#ranges.length - 1]?.[1] === 'data';
  }
  get handed(): number {
    return this.#handed.data;
  }
  get promised(): Promised | undefined {
    return this.#promised;
  }
  noticesAcked(kind: NoticeKind): number {
    return this.#notices[kind];
  }
  /** Alarms that are delivered beyond the cursor. */
  get beyond(): Beyond | undefined {
    const beyond = this.#beyond();
    return beyond !== undefined && beyond.upTo > this.#notices.alarm ? beyond : undefined;
  }
  /** Whether it is still to be delivered. @param key of an alarm its rule */
  waitsForNotice(kind: NoticeKind, seq: number, key: string): boolean {
    if (seq <= this.#notices[kind]) return false;
    const { beyond } = this;
    if (kind !== 'alarm' || beyond === undefined || seq > beyond.upTo) return true;
    return beyond.waiting.some(([rule, from]) => rule === key && from <= seq);
  }
  /** @param now what they are whenever the state is kept */
  keepBeyond(now: () => Beyond | undefined): void {
    this.#beyond = now;
  }
  acked(lane: Lane): number {
    return this.#ack[lane];
  }

  /** Whether any number of first..last still waits for its acknowledgement. */
  waitsWithin(first: number, last: number): boolean {
    return this.#ranges.some(([from, lane], i) => {
      const to = (this.#ranges[i + 1]?.[0] ?? Number.POSITIVE_INFINITY) - 1;
      return Math.max(from, this.#ack[lane] + 1, first) <= Math.min(to, last);
    });
  }
  waits(seq: number): boolean {
    return this.waitsWithin(seq, seq);
  }

  /** The lowest stretch of the lane that is not acknowledged; undefined when the lane owns no number above its cursor. */
  span(lane: Lane): Span | undefined {
    for (let i = 0; i < this.#ranges.length; i++) {
      const [from, l] = this.#ranges[i] as [number, Lane];
      const to = (this.#ranges[i + 1]?.[0] ?? Number.POSITIVE_INFINITY) - 1;
      if (l === lane && to > this.#ack[lane]) return { from: Math.max(from, this.#ack[lane] + 1), to };
    }
    return undefined;
  }

  /** Every stretch of the lane that is not acknowledged, at most MAX_RANGES. */
  spans(lane: Lane): Span[] {
    return this.#ranges.flatMap(([start, l], i) => {
      const to = (this.#ranges[i + 1]?.[0] ?? Number.POSITIVE_INFINITY) - 1;
      const from = Math.max(start, this.#ack[lane] + 1);
      return l === lane && from <= to ? [{ from, to }] : [];
    });
  }

  /** A commit of everything below `next` begins: those lanes are fixed. */
  commitBegins(next: number): void {
    this.#fixed = Math.max(this.#fixed, next - 1);
  }

  /** A batch is about to be handed to the client. @returns false when that was noted before */
  handOver(last: number, lane: Lane = 'data'): boolean {
    this.#fixed = Math.max(this.#fixed, last);
    if (last <= this.#handed[lane]) return false;
    this.#handed[lane] = last;
    return true;
  }

  /** All numbers that were handed over, or passed as empty: the time of these numbers stays. Ascending, never overlapping. */
  handedOver(): Span[] {
    const spans: Span[] = [];
    this.#ranges.forEach(([start, lane], i) => {
      const end = (this.#ranges[i + 1]?.[0] ?? Number.POSITIVE_INFINITY) - 1;
      const from = Math.max(i === 0 ? 0 : start, this.#since);
      const to = Math.min(end, Math.max(this.#handed[lane], this.#ack[lane]));
      if (from <= to) spans.push({ from, to });
    });
    return spans;
  }
  /** Every number up to here is acknowledged, refused, gone, or was never meant for this forwarder. */
  get doneUpTo(): number {
    return Math.min(...(['data', 'history'] as const).map((lane) => (this.span(lane)?.from ?? Number.POSITIVE_INFINITY) - 1));
  }

  /** A lane may be handed over up to here, whatever is forgotten of it. This counts once it is committed. */
  promise(lane: Lane, upTo: number, blind: boolean): void {
    const { data = 0, history = 0, blind: before = false } = this.#promised ?? {};
    this.#promised = { data, history, [lane]: upTo, blind: blind || before };
  }
  /** It is known what was handed over. @returns whether anything changed */
  forgetPromise(): boolean {
    const had = this.#promised !== undefined;
    this.#promised = undefined;
    return had;
  }
  /** It is not known what was handed over: all that could have been, was. @param last number that the log holds */
  assumePromise(last: number): void {
    if (this.#promised === undefined) return;
    for (const lane of ['data', 'history'] as const)
      this.#handed[lane] = Math.max(this.#handed[lane], Math.min(this.#promised[lane], last));
    this.#promised = undefined;
  }

  /** The lane is done up to `last` (acknowledged, refused for good, or nothing is there). */
  done(lane: Lane, last: number): void {
    if (last > this.#ack[lane]) this.#ack[lane] = last;
    this.#fixed = Math.max(this.#fixed, last);
    this.#tidy();
  }
  noticesDone(kind: NoticeKind, last: number): void {
    this.#notices[kind] = Math.max(this.#notices[kind], last);
  }

  /**
   * What was acknowledged is owed again, as history: for a far side without acknowledgements of its own, which keeps no marks. What
   * history had sent behind `first` comes again with it. Where ranges are used up, everything from `first` on is history. What was
   * handed over keeps its time. Lanes have one mark each, so history before `first` keeps its time with it.
   */
  again(first: number, last: number): void {
    const next = last + 1;
    const handed = this.handedOver();
    const after: (readonly [number, Lane])[] = [[next, this.#laneOf(next)], ...this.#ranges.filter(([from]) => from > next)];
    this.#begin(first, 'history');
    const fits = this.#ranges.length + after.length < MAX_RANGES;
    if (fits) for (const [from, lane] of after) this.#begin(from, lane);
    const end = fits ? last : Number.POSITIVE_INFINITY;
    const reached = handed.findLast(({ from, to }) => from <= end && to >= first);
    this.#handed.history = Math.max(this.#handed.history, this.#ack.history, Math.min(reached?.to ?? 0, end));
    this.#ack.history = Math.min(this.#ack.history, first - 1);
  }
  #laneOf(seq: number): Lane {
    return (this.#ranges.findLast(([from]) => from <= seq) ?? (this.#ranges[0] as [number, Lane]))[1];
  }

  /** Data lags: what is not fixed and what follows is history. @returns whether anything changed */
  lag(): boolean {
    if (!this.live) return false;
    this.#begin(this.#fixed + 1, 'history');
    return true;
  }

  /** Data is live again from `next` on. @returns false when the ranges are used up, or it was live */
  resume(next: number): boolean {
    if (this.live || this.#ranges.length >= MAX_RANGES - 1) return false;
    this.#begin(next, 'data');
    return true;
  }

  #begin(from: number, lane: Lane): void {
    while (this.#ranges.length > 0 && (this.#ranges[this.#ranges.length - 1] as [number, Lane])[0] >= from) this.#ranges.pop();
    if (this.#ranges[this.#ranges.length - 1]?.[1] !== lane) this.#ranges.push([from, lane]);
  }

  /** Ranges that are done need not be kept; the first range reaches down to 0. */
  #tidy(): void {
    while (this.#ranges.length > 1) {
      const [, lane] = this.#ranges[0] as [number, Lane];
      const to = (this.#ranges[1] as [number, Lane])[0] - 1;
      if (to > this.#ack[lane]) return;
      this.#ranges.shift();
      // The next range reaches down over it: what is done there stays handed over.
      const [, next] = this.#ranges[0] as [number, Lane];
      this.#handed[next] = Math.max(this.#handed[next], to);
    }
  }
}
