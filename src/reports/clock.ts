/** Tells changes of the clock as the event `clock`: the first at once, then at most one a minute with what came since. */
import type { Clock } from '../core/clock.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { EventQuota, Quota } from '../core/quota.ts';
import { bootName } from '../store/files/layout.ts';
import type { BootMoved, ClockMove } from '../store/time/clock-book.ts';
import type { ClockChange } from '../time/watch.ts';

const PERIOD = 60_000;
/** Earlier boots, and steps of this one, that one event names; the others are counted. */
const NAMED = 20;

interface Side {
  readonly clock: Clock;
  readonly tell: (event: GatewayEvent) => void;
  /** Name of a log by its ordinal. */
  readonly logName: (ordinal: number) => string;
  /** This boot, and the ordinal of its log. */
  readonly boot: number;
  readonly log: number;
}

export class ClockReport {
  readonly #side: Side;
  #changes: ClockChange[] = [];
  #steps = 0;
  readonly #moves = new Map<number, BootMoved>();
  /** Steps of this boot before the newest, with records handed over between them: these records keep the times of their step. */
  #ownBefore: BootMoved[] = [];
  #fromSeq = 0;
  #tight = false;
  #coarse = false;
  readonly #quota: Quota;
  /** A receiver that says now this, now that is an outsider. */
  readonly #faults: EventQuota;

  constructor(side: Side) {
    this.#side = side;
    this.#faults = new EventQuota({ clock: side.clock, tell: side.tell });
    this.#quota = new Quota({ clock: side.clock, period: PERIOD, rest: () => this.#report() });
  }

  took(change: ClockChange, move: ClockMove): void {
    const [first] = this.#changes;
    this.#changes = first === undefined ? [change] : [first, change];
    this.#steps++;
    for (const moved of move.moved) this.#add(moved);
    this.#fromSeq = move.fromSeq;
    this.#tight ||= move.tight;
    this.#coarse ||= move.coarse;
    if (this.#quota.take()) this.#report();
  }

  #add(moved: BootMoved): void {
    const before = this.#moves.get(moved.boot);
    // Records that were not handed over got their time in several steps, which count as one.
    const offset = before !== undefined && !before.handed && !moved.handed ? before.offset + moved.offset : moved.offset;
    this.#moves.set(moved.boot, { ...moved, offset });
    if (moved.boot === this.#side.boot && before?.handed === true && before.last < moved.last) this.#ownBefore.push(before);
  }

  /** The log was opened: what this start knew gave earlier boots their times. */
  began(watch: { readonly known: boolean; readonly offset: number; status(): { source: string } }, move: ClockMove): void {
    if (!move.moved.some((m) => m.boot !== this.#side.boot)) return;
    this.took({ ...{ offset: watch.offset, known: watch.known, wasKnown: false, step: 0 }, source: watch.status().source }, move);
  }

  /** A source cannot be used. @param known whether another one knows the time */
  fault(message: string, known: boolean): void {
    this.#faults.tell('source', { event: 'clock', severity: 'warning', message, data: { known } });
  }

  /** Reports what was not reported yet. */
  stop(): void {
    this.#quota.flush();
    this.#faults.flush();
  }

  #report(): void {
    const [first] = this.#changes;
    const last = this.#changes.at(-1);
    if (first === undefined || last === undefined) return;
    const { boot, log, logName } = this.#side;
    const own = this.#moves.get(boot);
    const earlier = [...this.#moves.values()].filter((m) => m.boot !== boot);
    const data: Record<string, string | number | boolean> = {
      ...{ log: logName(log), boot: bootName(boot), last: own?.last ?? this.#fromSeq - 1, offset: own?.offset ?? last.step },
      ...{ known: last.known, source: last.source, steps: this.#steps, boots: earlier.length },
    };
    this.#ownBefore.slice(-NAMED).forEach((m, i) => {
      data[`step${i + 1}.last`] = m.last;
      data[`step${i + 1}.offset`] = m.offset;
    });
    for (const m of earlier.slice(-NAMED)) {
      data[`${bootName(m.boot)}.log`] = logName(m.log);
      data[`${bootName(m.boot)}.last`] = m.last;
      data[`${bootName(m.boot)}.offset`] = m.offset;
      data[`${bootName(m.boot)}.estimated`] = m.estimated;
    }
    const words = [
      wordsOf(first, last, this.#steps),
      ...(this.#tight
        ? ['Earlier runs without a clock took longer than the time before this run. Their times overlap older readings.']
        : []),
      ...(this.#coarse ? ['The clock changed too often. Some times are marked as estimated and not corrected.'] : []),
    ];
    const severity = last.known && !this.#tight && !this.#coarse ? 'info' : 'warning';
    this.#changes = [];
    this.#steps = 0;
    this.#moves.clear();
    this.#ownBefore = [];
    this.#tight = false;
    this.#coarse = false;
    this.#side.tell({ event: 'clock', severity, message: words.join(' '), data });
  }
}

function wordsOf(first: ClockChange, last: ClockChange, steps: number): string {
  if (last.known && !first.wasKnown) return `The time is known now: ${last.source}.`;
  if (!last.known && first.wasKnown) return `The time is not known any more: ${last.source}.`;
  return steps === 1 ? 'The clock stepped.' : `The clock stepped ${steps} times.`;
}
