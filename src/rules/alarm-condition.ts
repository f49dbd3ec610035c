/**
 * The condition of one alarm: the verdicts of its kind on readings and silence, the meaning of bad readings, and the on-delay or off-delay
 * that runs. It says when the alarm begins and ends. It reads the life of the alarm (alarm-life.ts) and changes nothing of it: the rule
 * does that (rule-machine.ts). The invariants stand in engine.ts.
 */
import type { ResolvedRule } from '../config/kinds.ts';
import type { PointInfo, Value } from '../core/point.ts';
import type { Sentence } from '../core/sentence.ts';
import type { AlarmLife } from './alarm-life.ts';
import type { Delay } from './delay.ts';
import { LastReadings } from './last-readings.ts';
import { PastRun } from './past-run.ts';
import type { Condition, MemoryVerdict } from './rule-kind.ts';
import { type Moment, type RuleState, restoreValue, saveValue } from './rule-state.ts';
import { Silence } from './silence.ts';
import type { WallClock } from './wall-clock.ts';
import { type Advice, type Watch, watchOf } from './watch.ts';
import type { Said, Seen } from './words.ts';

/**
 * The change that a reading or a time made.
 * - `begins`, `ends`: the alarm does so, its delay is over. `silent`: it begins, since the point gave no value for too long.
 * - `delay`: a delay began, or was dropped. `proof`: a delay that waited for proof has it, and may have run out before.
 * - `due`: only the time at which something comes due may be another one.
 */
export type ConditionChange = 'begins' | 'silent' | 'ends' | 'delay' | 'proof' | 'due';

/** The start of a condition. */
export interface ConditionStart {
  readonly start: Moment;
  readonly saved: RuleState | undefined;
  readonly clock: WallClock;
  readonly advice: Advice | undefined;
}

/** Times are monotonic. `at` is the time that a change is dated to, and not before the latest transition of the alarm. */
export class AlarmCondition {
  readonly last: LastReadings;
  readonly #rule: ResolvedRule;
  readonly #kind: Condition;
  readonly #life: AlarmLife;
  #delay: Delay | undefined;
  /** Judges readings; absent where silence is all that counts. */
  readonly #watch: Watch | undefined;
  /** The time since the point gave its last value. */
  readonly #silence: Silence;
  #past: PastRun;

  constructor(rule: ResolvedRule, kind: Condition, life: AlarmLife, { start, saved, clock, advice }: ConditionStart) {
    this.#rule = rule;
    this.#kind = kind;
    this.#life = life;
    this.#past = new PastRun(saved, start);
    this.last = new LastReadings(rule);
    this.#silence = new Silence(start.at, saved?.silentFor ?? 0);
    const memory = {
      at: start.at,
      saved: saved?.memory ?? advice?.learned,
      off: this.#past.memoryOff,
      clock,
      suspect: advice?.suspect ?? (() => false),
    };
    this.#watch = watchOf(kind, rule.inputs?.length ?? 0, memory);
  }

  /** Takes up the value and the delay that an earlier run saved. The life of the alarm must be taken up before. @param start monotonic */
  takeUp(saved: RuleState, start: number): void {
    this.last.value = restoreValue(saved.value);
    if (saved.pending?.kind === (this.#life.holds ? 'off' : 'on')) {
      const { kind, elapsed } = saved.pending;
      const since = start - elapsed - this.off;
      this.#delay = { kind, since, due: this.#delayEnd(kind, since), confirmed: false };
    }
    this.#past.restored(this.#delay);
  }

  /** A changed rule takes over a time of the rule before it, which counts the time that the gateway was off. */
  inheritTimes(before: RuleState, start: Moment): void {
    this.#past = new PastRun(before, start);
  }

  get type(): Condition['type'] {
    return this.#kind.type;
  }
  /** Milliseconds that the gateway was off; 0 while nobody knows it. */
  get off(): number {
    return this.#past.off ?? 0;
  }
  get delay(): Delay['kind'] | undefined {
    return this.#delay?.kind;
  }
  /** The delay that ends now ran out while the gateway was off. */
  get ranOutBefore(): boolean {
    return this.#past.ranOut(this.#delay);
  }

  /** The words of the condition while it holds. */
  get said(): Said {
    if (this.last.meaning.decide) return 'bad';
    return this.#kind.type === 'silence' ? this.#kind : (this.#watch as Watch);
  }
  get seen(): Seen {
    return this.last.seen(this.#watch);
  }
  /** Its own words for its end. */
  get ended(): Sentence | undefined {
    return this.#watch?.ended;
  }

  /** When `advance` has something to do; Infinity: never. */
  get due(): number {
    const due = Math.min(this.#past.due(this.#delay), this.#watch?.due ?? Number.POSITIVE_INFINITY);
    // While a silent alarm is active, more silence matters only to an off-delay.
    if (this.#kind.type !== 'silence' || (this.#life.holds && this.#delay === undefined)) return due;
    return Math.min(due, this.#silence.due(this.#length('on')));
  }

  /** A reading with a value. @param time of the reading @param more of the record's inputs follow: it is judged behind them */
  value(at: number, time: number, value: Value, input: number, more: boolean): ConditionChange | undefined {
    if (!this.last.isNew(time, input)) return undefined;
    this.last.take(value, input);
    if (this.#watch !== undefined) {
      const verdict = this.#watch.value(time, value, input, more);
      return more ? undefined : this.#judged(at, verdict);
    }
    this.#silence.heard(at);
    return (this.#life.holds ? this.#hold('off', at) : undefined) ?? 'due';
  }

  /** A bad reading. @param unused an uncertain value, which says nothing whatever a bad one means */
  bad(at: number, time: number, input: number, more: boolean, unused: boolean): ConditionChange | undefined {
    if (!this.last.isNew(time, input)) return undefined;
    const verdict = this.#watch?.bad(time, input);
    const doubted = this.#doubt();
    this.last.doubt(input, unused);
    if (more) return doubted;
    // What several inputs say together may be certain without this one.
    if (verdict === 'alarm' || (this.#rule.inputs?.length ?? 0) > 0 || this.last.meaning.decide)
      return this.#judged(at, verdict ?? 'unknown') ?? doubted;
    return this.#watch?.changed === true ? 'due' : doubted;
  }

  /** Looks at what has come due. @param due the time at which it came due */
  advance(at: number, due: number): ConditionChange | undefined {
    // Silence at the very end of an off-delay wins: the alarm stays, it does not end and begin at once.
    if (this.#kind.type === 'silence' && this.#silence.due(this.#length('on')) <= due)
      return this.#life.holds ? this.drop() : 'silent';
    if (this.#delay !== undefined && this.#past.due(this.#delay) <= due) return this.#delay.kind === 'on' ? 'begins' : 'ends';
    return this.#watch === undefined ? undefined : this.#judged(at, this.#watch.advance(due));
  }

  /** A person acknowledged the alarm. @param time at which that was */
  acknowledged(at: number, time: number): ConditionChange | undefined {
    return this.#judged(at, this.#watch?.acknowledged(time));
  }

  /** The wall clock became known or stepped. @returns the time that the gateway was off, where only now it is known */
  countOff(moment: Moment): number | undefined {
    return this.#past.counted(moment, this.#delay);
  }

  /** The wall clock became known or stepped: conditions that depend on it look again. */
  clockChanged(moment: Moment): ConditionChange | undefined {
    return this.#judged(moment.at, this.#watch?.clockChanged(moment.at, this.#past.memoryCounted(moment)));
  }

  know(info: PointInfo, input: number): void {
    this.#watch?.know(input, info.unit);
    if (input === 0) this.last.know(info);
  }

  /** A delay that runs is over. */
  drop(): ConditionChange {
    this.#delay = undefined;
    return 'delay';
  }

  /** The delay that runs, as words: it is saved again when another one runs. */
  get key(): string {
    return `${this.#delay?.kind} ${this.#delay?.since}`;
  }
  /** How long the delay that runs may last, ms. */
  get delayLength(): number | undefined {
    return this.#delay && Math.max(this.#length(this.#delay.kind), this.#rule.hold ?? 0);
  }
  /** How often a memory that grew is saved, ms; undefined: it did not grow. */
  get grown(): number | undefined {
    return this.#watch?.changed === true ? this.#watch.resave : undefined;
  }
  /** The silence that an alarm waits for; undefined: none. */
  listens(at: number): { readonly silent: number; readonly due: number } | undefined {
    if (this.#kind.type !== 'silence' || this.#life.holds) return undefined;
    return { silent: this.silentFor(at), due: this.#length('on') };
  }
  /** The silence as it is saved; 0 for a condition that does not listen. */
  silentFor(at: number): number {
    return this.#kind.type === 'silence' ? this.#silence.savedAt(at, this.#length('on')) : 0;
  }

  save(
    moment: Moment,
  ): Pick<RuleState, 'savedAt' | 'wallKnown'> &
    Partial<Pick<RuleState, 'memoryAt' | 'pending' | 'silentFor' | 'value' | 'memory'>> {
    const { at } = moment;
    const { standing, since, hasOwnEnd } = this.#life;
    const silentFor = this.silentFor(at);
    const memory = this.#watch?.save(at);
    return {
      ...this.#past.clock(moment, this.#delay, standing ? since : undefined, hasOwnEnd),
      ...(this.#delay && { pending: { kind: this.#delay.kind, elapsed: Math.max(0, at - this.#delay.since) } }),
      ...(silentFor > 0 && { silentFor }),
      ...(this.last.value !== undefined && { value: saveValue(this.last.value) }),
      ...(memory !== undefined && { memory }),
    };
  }

  /** The state that `save` gave is on its way to the log. */
  saved(): void {
    this.#watch?.saved();
  }

  /** @param said by the kind; undefined: nothing happened */
  #judged(at: number, said: MemoryVerdict | undefined): ConditionChange | undefined {
    const verdict = this.last.meaning.verdict(said);
    const change = verdict === undefined ? undefined : this.#weighed(at, verdict);
    return change ?? (this.#kind.type === 'memory' ? 'due' : undefined);
  }

  #weighed(at: number, verdict: MemoryVerdict): ConditionChange | undefined {
    if (verdict === 'unknown') return this.#doubt();
    const { holds } = this.#life;
    if (!holds && verdict === 'alarm') return this.#hold('on', at);
    if (holds && verdict === 'normal') return this.#hold('off', at);
    return this.#delay === undefined ? undefined : this.drop();
  }

  /** Nothing says any more that all is well, so an off-delay waits for proof. */
  #doubt(): ConditionChange | undefined {
    if (this.#delay?.kind !== 'off' || !this.#delay.confirmed) return undefined;
    this.#delay.confirmed = false;
    return 'due';
  }

  /** The condition for ending (or beginning) the alarm holds: its delay begins, or has its proof. */
  #hold(kind: 'on' | 'off', at: number): ConditionChange | undefined {
    const delay = this.#delay;
    if (delay === undefined) {
      const due = kind === 'on' ? at + this.#rule.onDelay : this.#delayEnd(kind, at);
      if (due <= at) return kind === 'on' ? 'begins' : 'ends';
      this.#delay = { kind, since: at, due, confirmed: true };
      return 'delay';
    }
    if (delay.confirmed) return undefined;
    delay.confirmed = true;
    delay.due = Math.max(delay.due, at);
    return 'proof';
  }

  #length(kind: 'on' | 'off'): number {
    if (kind === 'off') return this.#rule.offDelay;
    return this.#rule.onDelay + (this.#kind.type === 'silence' ? this.#kind.after : 0);
  }

  /** When a delay that began at `since` ends. An alarm that is held does not end before. */
  #delayEnd(kind: 'on' | 'off', since: number): number {
    const end = since + this.#length(kind);
    return kind === 'off' && this.#rule.hold !== undefined ? Math.max(end, this.#life.since + this.#rule.hold) : end;
  }
}
