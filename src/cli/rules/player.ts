/**
 * Plays a recording through the rule engine of the gateway, exact about time:
 *
 * - The clock of the play is the time of the recording. What comes due between two readings happens at its own time.
 * - A gap of the recording is time in which no reading came, as it would be for the gateway.
 * - Another start of the gateway in the recording is a restart: states go through the form in which the log keeps them.
 * - A reading that is older than the newest one of its point says nothing, and neither does one that comes far too late.
 * - Bounded: what the engine keeps, a state for each point, and counters. So is a gap, since a rule may have to be asked every hour of it.
 */
import type { AlarmTransition } from '../../core/alarm.ts';
import { SluiceError } from '../../core/errors.ts';
import type { PointInfo, Sample, Shape, Value } from '../../core/point.ts';
import { ABSENT, qualityOf } from '../../core/reasons.ts';
import type { RuleEngine } from '../../rules/engine.ts';
import { type Moment, parseRuleState, type RuleState } from '../../rules/rule-state.ts';
import { localDate } from '../local-time.ts';
import { Gaps } from './gaps.ts';
import { atLine } from './lines.ts';
import type { Recorded, RecordedSample, Wanted } from './recording.ts';

/** So late (ms) a record may come behind one of another device, as a slow bus brings it; the gateway takes it too. */
const LATE = 60_000;
/** A longer gap (ms) is a wrong time: 100 years. */
const LONGEST_GAP = 100 * 365.25 * 86_400_000;
/** Places of left out readings that are kept. */
const PLACES = 5;

export interface PlayerOptions {
  /** As the gateway makes it. @param saved states of an earlier start, as the log gives them */
  readonly engine: (start: Moment, shapes: readonly Shape[], saved: readonly RuleState[]) => RuleEngine;
  readonly wanted: Wanted;
  /** UTC ms at which the rules begin; undefined: with the first reading. */
  readonly from: number | undefined;
  readonly onTransition: (transition: AlarmTransition) => void;
  /** A reading that the rules saw. */
  readonly onReading: (time: number, reading: Recorded) => void;
}

export interface Played {
  /** UTC ms of the first and the last moment. */
  readonly from: number;
  readonly to: number;
  readonly samples: number;
  readonly readings: number;
  readonly bad: number;
  readonly uncertain: number;
  /** Points that occurred, as `device.point`. */
  readonly points: ReadonlySet<string>;
  /** Readings out of order that were left out, and lines of the first of them. */
  readonly leftOut: number;
  readonly leftOutAt: readonly number[];
  readonly estimated: number;
  readonly starts: number;
  readonly gaps: Gaps;
  /** The rules at the end: delays that run, alarms that stand. */
  readonly states: readonly RuleState[];
}

export class Player {
  readonly #options: PlayerOptions;
  readonly #shapes = new Map<string, Shape>();
  readonly #newest = new Map<string, number>();
  readonly #gaps = new Gaps();
  #engine: RuleEngine | undefined;
  #boot: string | undefined;
  /** What the log of a gateway would keep of the rules: less than they know, as a restart finds it. One a rule. */
  readonly #stored = new Map<string, RuleState>();
  #now = Number.NEGATIVE_INFINITY;
  #from = 0;
  readonly #counts = { samples: 0, readings: 0, bad: 0, uncertain: 0, leftOut: 0, estimated: 0, starts: 1 };
  readonly #leftOutAt: number[] = [];

  constructor(options: PlayerOptions) {
    this.#options = options;
  }

  take(sample: RecordedSample): void {
    const { time, boot } = sample;
    if (this.#engine === undefined) this.#begin(Math.min(this.#options.from ?? time, time));
    else if (boot !== undefined && this.#boot !== undefined && boot !== this.#boot) this.#restart(Math.max(time, this.#now));
    if (boot !== undefined) this.#boot = boot;
    if (this.#counts.samples === 0) this.#collect(this.#engine?.tick(this.#now) ?? []);
    this.#advance(time, sample.line);
    this.#counts.samples++;
    if (sample.estimated) this.#counts.estimated++;
    const { readings } = sample;
    for (let first = 0; first < readings.length; ) {
      const { device } = readings[first] as Recorded;
      let end = first + 1;
      while (end < readings.length && readings[end]?.device === device) end++;
      this.#play(sample, device, readings.slice(first, end));
      first = end;
    }
  }

  /** @param to UTC ms until which the rules are watched; undefined: the last reading @returns undefined when there was nothing */
  end(to: number | undefined): Played | undefined {
    if (this.#engine === undefined) {
      if (this.#options.from === undefined || to === undefined) return undefined;
      this.#begin(this.#options.from);
    }
    if (to !== undefined) this.#advance(to);
    return {
      ...{ ...this.#counts, from: this.#from, to: this.#now, points: new Set(this.#newest.keys()), gaps: this.#gaps },
      ...{ leftOutAt: this.#leftOutAt, states: this.#engine?.state(moment(this.#now)) ?? [] },
    };
  }

  #begin(at: number): void {
    this.#from = at;
    this.#now = at;
    this.#engine = this.#options.engine(moment(at), this.#shapesOfAll(), []);
  }

  #restart(at: number): void {
    this.#store(true);
    const saved = [...this.#stored.values()].flatMap((state) => parseRuleState(JSON.stringify(state)) ?? []);
    this.#engine = this.#options.engine(moment(at), [...this.#shapes.values()], saved);
    this.#counts.starts++;
    this.#now = at;
    this.#collect(this.#engine.tick(at));
  }

  /** Does what comes due up to and including `time`, each thing at its own time. @throws SluiceError recording */
  #advance(time: number, line?: number): void {
    const engine = this.#engine;
    if (engine === undefined || time <= this.#now) return;
    if (time - this.#now > LONGEST_GAP) {
      const words = `${localDate(this.#now)} and ${localDate(time)} are more than 100 years apart; correct the time, or leave it out with --from and --to`;
      throw line === undefined ? new SluiceError('recording', words) : atLine(line, words);
    }
    for (let due = engine.nextDue(); due !== undefined && due <= time; due = engine.nextDue()) {
      this.#now = Math.max(this.#now, due);
      this.#collect(engine.tick(due));
    }
    this.#now = time;
  }

  #play({ time, line, computed }: RecordedSample, device: string, readings: readonly Recorded[]): void {
    const shape = this.#shapeOf(device);
    const values: Value[] = new Array<Value>(shape.points.length).fill(0);
    const reasons = new Uint8Array(shape.points.length).fill(ABSENT);
    let any = false;
    for (const reading of readings) {
      const name = `${device}.${reading.point}`;
      const newest = this.#newest.get(name);
      const index = shape.points.findIndex((point) => point.name === reading.point);
      if (index === -1) continue;
      if ((newest !== undefined && time < newest) || (computed !== true && time < this.#now - LATE)) {
        if (this.#counts.leftOut++ < PLACES) this.#leftOutAt.push(line);
        continue;
      }
      this.#newest.set(name, time);
      this.#gaps.take(name, time);
      this.#count(reading);
      this.#options.onReading(time, reading);
      if (reading.value !== undefined) values[index] = reading.value;
      reasons[index] = reading.reason;
      any = true;
    }
    if (!any) return;
    const sample: Sample = { shape, at: time, values, reasons };
    this.#collect(this.#engine?.sample(sample) ?? []);
  }

  #count({ reason }: Recorded): void {
    this.#counts.readings++;
    const quality = qualityOf(reason);
    if (quality !== 'good') this.#counts[quality]++;
  }

  #collect(transitions: readonly AlarmTransition[]): void {
    this.#store();
    for (const transition of transitions) this.#options.onTransition(transition);
  }

  /** Saves as the gateway does with every reading. @param last the start of the gateway ends */
  #store(last = false): void {
    if (this.#boot === undefined || this.#engine === undefined) return;
    for (const state of this.#engine.takeDirty(moment(this.#now), last).changed) this.#stored.set(state.rule, state);
  }

  #shapeOf(device: string): Shape {
    return this.#shapes.get(device) ?? { device, points: [] };
  }

  #shapesOfAll(): readonly Shape[] {
    for (const [device, points] of Map.groupBy(this.#options.wanted.values(), ({ device }) => device))
      this.#shapes.set(device, { device, points: points.map(infoOf) });
    return [...this.#shapes.values()];
  }
}

function infoOf({ name, type, storage, unit }: PointInfo): PointInfo {
  return { name, type, storage, unit };
}

/** The clock of the play: UTC milliseconds on both sides. */
export function moment(at: number): Moment {
  return { at, wall: at, wallKnown: true };
}
