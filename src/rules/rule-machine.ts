import type { ResolvedRule } from '../config/kinds.ts';
import type { PointInfo, PointType, Value } from '../core/point.ts';
import type { AlarmState, AlarmTransition } from '../core/ports.ts';
import type { Condition } from './rule-kind.ts';
import type { Moment, RuleState } from './rule-state.ts';
import { fingerprint, restoreValue, saveValue } from './rule-state.ts';
import { activeMessage, normalMessage, pointOf } from './words.ts';

/**
 * After a start, an on-delay that ran out while nobody looked, and silence, get this long (ms) for a first reading to
 * prove them right or wrong; ports and devices need some time, and an alarm raised from memory alone would often be false.
 */
export const FIRST_READING_GRACE = 60_000;
/** A running delay is saved again when it has grown by a twentieth of its length, and never more often than this (ms). */
const RESAVE_MIN = 10_000;
const RESAVE_SHARE = 20;

interface Delay {
  readonly kind: 'on' | 'off';
  since: number;
  due: number;
  /** False: a reading must first show that the condition still holds (after a restart; an off-delay after a bad reading). */
  confirmed: boolean;
}

/** What is active now, for pages. */
export interface AlarmView {
  readonly rule: string;
  /** `device.point` */
  readonly point: string;
  readonly state: AlarmState;
  readonly severity: AlarmTransition['severity'];
  /** UTC milliseconds as known now. */
  readonly since: number;
  readonly occurrence: number;
  /** The last value of the point that the rule has seen. */
  readonly value?: Value | undefined;
  /** Of the point, once a shape told it. */
  readonly type: PointType | undefined;
  /** The words with which the alarm began. */
  readonly message: string;
}

/** One rule with its timers. The invariants stand in engine.ts. */
export class RuleMachine {
  readonly fingerprint: string;
  readonly condition: Condition;
  /** Monotonic time at which `advance` will do something; Infinity when never. */
  wake = Number.POSITIVE_INFINITY;
  occurrence = 0;
  /** Unit of the point, once a shape told it. */
  unit: string | undefined;
  #type: PointType | undefined;
  #rule: ResolvedRule;
  #state: AlarmState = 'normal';
  #delay: Delay | undefined;
  #activeSince = 0;
  #message = '';
  #value: Value | undefined;
  #fresh = false;
  #silentSince: number;
  readonly #start: number;
  /** Nothing is ever dated before this: the start of the rule, then its latest transition. */
  #floor: number;
  /** The delay that the last run left, and its wall time while this run's clock is not known. */
  readonly #restored: Delay | undefined;
  #unmapped: number | undefined;
  #touched = false;
  #savedKey: string;
  #savedTime: number;
  #savedSilence = 0;
  readonly #emit: (transition: AlarmTransition) => void;

  constructor(
    rule: ResolvedRule,
    condition: Condition,
    start: Moment,
    emit: (transition: AlarmTransition) => void,
    saved?: RuleState | undefined,
  ) {
    this.fingerprint = fingerprint(rule);
    this.condition = condition;
    this.#rule = rule;
    this.#emit = emit;
    this.#start = start.at;
    this.#floor = start.at;
    this.#silentSince = start.at;
    this.#savedTime = start.at;
    if (saved !== undefined) {
      const off = saved.wallKnown && start.wallKnown ? Math.max(0, start.wall - saved.savedAt) : 0;
      if (saved.wallKnown && !start.wallKnown) this.#unmapped = saved.savedAt;
      this.#state = saved.state;
      this.occurrence = saved.occurrence;
      this.#activeSince = start.at - (saved.activeFor ?? 0) - off;
      this.#message = saved.message ?? '';
      this.#value = restoreValue(saved.value);
      // Only silence that was listened to counts; the time in between proves nothing about the device.
      this.#silentSince = start.at - (saved.silentFor ?? 0);
      this.#savedSilence = saved.silentFor ?? 0;
      if (saved.pending?.kind === (this.active ? 'off' : 'on')) {
        const { kind, elapsed } = saved.pending;
        const since = start.at - elapsed - off;
        this.#delay = { kind, since, due: since + this.#length(kind), confirmed: false };
      }
    }
    this.#restored = this.#delay;
    this.#savedKey = this.#key();
    // Times saved under an unknown clock must be saved again under a known one, or the next time off would not count.
    if (saved?.wallKnown === false && start.wallKnown && (this.#delay !== undefined || this.active)) this.touch();
    this.#schedule();
  }

  get name(): string {
    return this.#rule.name;
  }
  get point(): string {
    return pointOf(this.#rule);
  }
  get active(): boolean {
    return this.#state !== 'normal';
  }

  /** A reading with a value. */
  value(time: number, value: Value): void {
    const at = Math.max(time, this.#floor);
    if (this.wake <= at) this.advance(at);
    this.#value = value;
    this.#fresh = true;
    const { condition } = this;
    if (condition.type === 'value') {
      const verdict = condition.judge(value);
      if (this.#state === 'normal') {
        if (verdict === 'alarm') this.#hold('on', at);
        else if (this.#delay !== undefined) this.#drop();
      } else if (verdict === 'normal') this.#hold('off', at);
      else if (this.#delay !== undefined) this.#drop();
    } else {
      this.#silentSince = at;
      if (this.#state !== 'normal') this.#hold('off', at);
      this.#schedule();
    }
  }

  /** A bad reading: it says nothing about the point, but an alarm does not end without proof. */
  bad(time: number): void {
    const at = Math.max(time, this.#floor);
    if (this.wake <= at) this.advance(at);
    this.#fresh = false;
    if (this.#delay?.kind !== 'off' || !this.#delay.confirmed) return;
    this.#delay.confirmed = false;
    this.#schedule();
  }

  /** Does what has come due up to and including `now`, each thing at its own time. */
  advance(now: number): void {
    while (this.wake <= now) {
      const at = Math.max(this.wake, this.#floor);
      // Silence at the very end of an off-delay wins: the alarm goes on, it does not end and begin at once.
      if (this.condition.type === 'silence' && this.#silentDue() <= this.wake) {
        if (this.#state === 'normal') this.#activate(at);
        else this.#drop();
      } else if (this.#delay?.kind === 'on') this.#activate(at);
      else this.#return(at);
    }
  }

  /** The wall clock has become known: the time that the gateway was off can be counted now. */
  clockKnown(moment: Moment): void {
    if (this.#delay !== undefined || this.active) this.touch();
    if (this.#unmapped === undefined) return;
    const off = Math.max(0, moment.wall - (moment.at - this.#start) - this.#unmapped);
    this.#unmapped = undefined;
    if (this.active && this.#activeSince <= this.#start) this.#activeSince -= off;
    const delay = this.#delay;
    if (delay !== undefined && delay === this.#restored) {
      delay.since -= off;
      delay.due = Math.max(delay.due - off, moment.at);
      this.#schedule();
    }
  }

  /** The same rule with other words or another severity. */
  rename(rule: ResolvedRule): void {
    this.#rule = rule;
  }

  know(info: PointInfo): void {
    this.unit = info.unit;
    this.#type = info.type;
  }

  /** The state must be saved even if it looks as it was saved last. */
  touch(): void {
    this.#savedKey = '';
    this.#touched = true;
  }

  /** Something would be lost by a restart now. */
  unsaved(at: number): boolean {
    if (this.#touched && this.#key() !== this.#savedKey) return true;
    this.#touched = false;
    if (this.#delay !== undefined && at - this.#savedTime >= resave(this.#length(this.#delay.kind))) return true;
    if (this.condition.type !== 'silence' || this.#state !== 'normal') return false;
    const silent = this.#silence(at);
    return silent < this.#savedSilence || silent >= this.#savedSilence + resave(this.#length('on'));
  }

  save(moment: Moment): RuleState {
    const { at } = moment;
    // While only times of the last run are kept, they stay tied to its clock, and this run's time is added on both sides.
    const fromBefore =
      this.#unmapped !== undefined &&
      !moment.wallKnown &&
      (this.#delay === undefined || this.#delay === this.#restored) &&
      (!this.active || this.#activeSince <= this.#start);
    const silentFor = this.#silence(at);
    return {
      rule: this.name,
      fingerprint: this.fingerprint,
      point: this.point,
      severity: this.#rule.severity,
      state: this.#state,
      occurrence: this.occurrence,
      savedAt: fromBefore ? (this.#unmapped as number) + (at - this.#start) : moment.wall,
      wallKnown: fromBefore || moment.wallKnown,
      ...(this.#delay && { pending: { kind: this.#delay.kind, elapsed: Math.max(0, at - this.#delay.since) } }),
      ...(this.active && { activeFor: Math.max(0, at - this.#activeSince), message: this.#message }),
      ...(silentFor > 0 && { silentFor }),
      ...(this.#value !== undefined && { value: saveValue(this.#value) }),
    };
  }

  /** What `save` gave at `at` is on its way to the log. */
  saved(at: number): void {
    this.#touched = false;
    this.#savedKey = this.#key();
    this.#savedTime = at;
    this.#savedSilence = this.#silence(at);
  }

  view(moment: Moment): AlarmView {
    return {
      rule: this.name,
      point: this.point,
      state: this.#state,
      severity: this.#rule.severity,
      since: moment.wall - (moment.at - this.#activeSince),
      occurrence: this.occurrence,
      value: this.#value,
      type: this.#type,
      message: this.#message,
    };
  }

  /** The condition for ending (or beginning) the alarm holds: starts the delay, or goes on with it. */
  #hold(kind: 'on' | 'off', at: number): void {
    const delay = this.#delay;
    if (delay === undefined) {
      const length = kind === 'on' ? this.#rule.onDelay : this.#rule.offDelay;
      if (length > 0) {
        this.#delay = { kind, since: at, due: at + length, confirmed: true };
        this.#touched = true;
        this.#schedule();
      } else if (kind === 'on') this.#activate(at);
      else this.#return(at);
    } else if (!delay.confirmed) {
      delay.confirmed = true;
      delay.due = Math.max(delay.due, at);
      this.#schedule();
      this.advance(at);
    }
  }

  #drop(): void {
    this.#delay = undefined;
    this.#touched = true;
    this.#schedule();
  }

  #activate(at: number): void {
    this.occurrence++;
    this.#activeSince = at;
    this.#message = activeMessage(this.#rule, this.condition, this.#seen());
    this.#change('active-unacknowledged', at, this.#message, this.condition.type === 'silence' ? undefined : this.#value);
  }

  #return(at: number): void {
    this.#change('normal', at, normalMessage(this.#rule, this.#seen()), this.#value);
  }

  #change(state: AlarmState, at: number, message: string, value: Value | undefined): void {
    this.#state = state;
    this.#floor = at;
    this.#drop();
    const { name: rule, severity } = this.#rule;
    this.#emit({ rule, occurrence: this.occurrence, state, severity, point: this.point, value, type: this.#type, at, message });
  }

  #seen() {
    return { value: this.#value, fresh: this.#fresh, unit: this.unit };
  }

  #length(kind: 'on' | 'off'): number {
    if (kind === 'off') return this.#rule.offDelay;
    return this.#rule.onDelay + (this.condition.type === 'silence' ? this.condition.after : 0);
  }

  /** How long the point has been silent, as it is saved: what lies within a few polls is none, so that polls cost no writes. */
  #silence(at: number): number {
    const silent = this.condition.type === 'silence' ? at - this.#silentSince : 0;
    return silent >= resave(this.#length('on')) ? silent : 0;
  }

  #silentDue(): number {
    const length = this.#length('on');
    const due = this.#silentSince + length;
    return this.#silentSince < this.#start ? Math.max(due, this.#start + Math.min(length, FIRST_READING_GRACE)) : due;
  }

  #schedule(): void {
    const delay = this.#delay;
    let wake = Number.POSITIVE_INFINITY;
    if (delay?.confirmed) wake = delay.due;
    else if (delay?.kind === 'on') wake = Math.max(delay.due, this.#start + FIRST_READING_GRACE);
    // While a silent alarm is active, more silence matters only to an off-delay.
    if (this.condition.type === 'silence' && (this.#state === 'normal' || delay !== undefined))
      wake = Math.min(wake, this.#silentDue());
    this.wake = wake;
  }

  #key(): string {
    return `${this.#state} ${this.occurrence} ${this.#delay?.kind} ${this.#delay?.since}`;
  }
}

function resave(length: number): number {
  return Math.max(RESAVE_MIN, length / RESAVE_SHARE);
}
