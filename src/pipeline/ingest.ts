/**
 * The way of a sample through the gateway: rules, log, latest value, live destinations. All of it happens in the call
 * that the driver makes, so an alarm is reported in the same turn as the reply that showed it; nothing here waits.
 * `report:` stands before the log and nowhere else: rules, latest values and live destinations see every sample.
 */

import type { AlarmTransition } from '../core/alarm.ts';
import type { Clock } from '../core/clock.ts';
import type { Duty } from '../core/duty.ts';
import { type LogRecord, plainValue, readingCount, type Sample, type Shape } from '../core/point.ts';
import type { GatewayEvent, LiveSink, NoticeMessage } from '../core/ports.ts';
import { FIGURES_KEY } from '../rules/alarm-figures.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Moment } from '../rules/rule-state.ts';
import type { Log } from '../store/log.ts';
import type { Latest } from './latest.ts';
import type { RecordParts } from './record-parts.ts';
import { Reports } from './report.ts';

export interface IngestOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly latest: Latest;
  readonly rules: RuleEngine;
  /** UTC ms minus monotonic ms, as known now. */
  readonly offset: () => number;
  readonly clockKnown: () => boolean;
  readonly onAlarm: (transition: AlarmTransition) => void;
  /** What rules do: hears of transitions before they are reported, and is called again afterwards. */
  readonly actions?: { planned(transitions: readonly AlarmTransition[]): void; begin(): void } | undefined;
  /** A rule that is only observed would have changed its alarm: the log and the destinations hear of no alarm. */
  readonly onObserved: (transition: AlarmTransition) => void;
  /** Computes points from the sample, and gives their samples in the same call. */
  readonly derive?: ((sample: Sample) => void) | undefined;
  /** The records of a sample. Absent: one. */
  readonly parts?: RecordParts | undefined;
  /** A transition without what nobody may get. Absent: as the rules made it. */
  readonly disclose?: ((transition: AlarmTransition) => AlarmTransition) | undefined;
  /** An event as everybody gets it. Absent: as it was made. */
  readonly shown?: ((event: GatewayEvent) => GatewayEvent) | undefined;
}

export class Ingest {
  readonly #options: IngestOptions;
  readonly #sinks = new Set<LiveSink>();
  #cancelTick: (() => void) | undefined;
  #tickAt = Number.POSITIVE_INFINITY;
  #stopped = false;
  readonly #reports = new Reports();
  /** `unkept`: without a number, for want of space. `unreported`: left out by `report:`. */
  readonly counts = { records: 0, readings: 0, unkept: 0, unreported: 0, transitions: 0, events: 0 };

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  add(sink: LiveSink): void {
    this.#sinks.add(sink);
  }
  remove(sink: LiveSink): void {
    this.#sinks.delete(sink);
  }

  /** Given to drivers as their sink. */
  readonly sample = (sample: Sample): void => {
    if (this.#stopped) return;
    const { latest, rules } = this.#options;
    const transitions = rules.sample(sample);
    const [record, ...more] = sample.shape.report === undefined ? this.#append(sample) : this.#reported(sample);
    latest.take(sample);
    for (const sink of this.#sinks) sink.sample(sample, record, more);
    this.#alarmed(transitions);
    this.#options.derive?.(sample);
    this.#schedule();
  };

  /** A device is read by other requests from now on: nothing else about its points changes. */
  exchange(before: readonly Shape[], after: readonly Shape[]): void {
    this.#reports.carry(before, after);
    this.#options.latest.exchange(after);
  }

  /** The part of the sample that `report:` keeps. */
  #reported(sample: Sample): readonly LogRecord[] {
    const kept = this.#reports.take(sample);
    this.counts.unreported += readingCount(sample) - (kept === undefined ? 0 : readingCount(kept));
    if (kept === undefined) return [];
    const { unkept } = this.counts;
    const records = this.#append(kept);
    // A record without a number was not kept, so later readings are not compared with it.
    if (this.counts.unkept > unkept) this.#reports.forget(sample.shape);
    return records;
  }

  /** @returns none where no number can be given */
  #append(sample: Sample): readonly LogRecord[] {
    const records: LogRecord[] = [];
    for (const part of this.#options.parts?.of(sample) ?? [sample]) {
      const readings = readingCount(part);
      const record = this.#options.log.append(part);
      this.counts.records++;
      this.counts.readings += readings;
      if (record === undefined) this.counts.unkept += readings;
      else records.push(record);
    }
    return records;
  }

  /** An event for operators: into the log, to every destination. */
  event(made: GatewayEvent): void {
    const event = this.#options.shown?.(made) ?? made;
    const at = this.#options.clock.monotonic();
    this.counts.events++;
    this.#notify(
      this.#options.log.notice('event', event.event, at, {
        time: Math.round(at) + this.#options.offset(),
        event: event.event,
        severity: event.severity,
        message: event.message,
        ...(event.data === undefined ? {} : { data: event.data }),
      }),
    );
  }

  /** Looks at delays and silence now; also after the rules were changed. */
  tick(): void {
    if (this.#stopped) return;
    this.#alarmed(this.#options.rules.tick(this.#options.clock.monotonic()));
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTick?.();
    this.#saveRules(true);
  }

  #alarmed(transitions: readonly AlarmTransition[]): void {
    // First the state, so that it is in the very commit that the transition asks for.
    this.#saveRules();
    if (transitions.length === 0) return;
    const { disclose, actions } = this.#options;
    const all = disclose === undefined ? transitions : transitions.map((made) => disclose(made));
    actions?.planned(all);
    for (const t of all) {
      if (t.observed) {
        this.#options.onObserved(t);
        continue;
      }
      this.counts.transitions++;
      this.#notify(
        this.#options.log.notice('alarm', t.rule, t.at, {
          rule: t.rule,
          occurrence: t.occurrence,
          state: t.state,
          severity: t.severity,
          value: t.value === undefined ? null : plainValue(t.value, t.type),
          time: Math.round(t.at) + this.#options.offset(),
          message: t.message,
          // A text that is the same for every reader needs to be there once.
          ...(typeof t.said === 'object' && { said: t.said }),
          cause: t.cause,
          ...(t.firstOut && { firstOut: true }),
        }),
      );
      this.#options.onAlarm(t);
    }
    this.#options.actions?.begin();
  }

  /** Transitions that no reading made: the rules were replaced, or an operator did something. */
  take(transitions: readonly AlarmTransition[]): void {
    this.#alarmed(transitions);
    this.tick();
  }

  /** The rules look at delays and silence when it is time. */
  duties(): Duty[] {
    return this.#stopped
      ? []
      : [{ name: 'the timer of the rules', due: this.#options.rules.nextDue() ?? Number.POSITIVE_INFINITY }];
  }

  moment(): Moment {
    const at = this.#options.clock.monotonic();
    return { at, wall: at + this.#options.offset(), wallKnown: this.#options.clockKnown() };
  }

  #saveRules(last = false): void {
    const { rules, log } = this.#options;
    const dirty = rules.takeDirty(this.moment(), last);
    for (const state of dirty.changed) log.saveState(state.rule, state);
    for (const rule of dirty.removed) log.saveState(rule, null);
    if (dirty.figures !== undefined) log.saveState(FIGURES_KEY, dirty.figures);
  }

  #notify(notice: NoticeMessage): void {
    for (const sink of this.#sinks) sink.notice(notice);
  }

  #schedule(): void {
    const due = this.#options.rules.nextDue() ?? Number.POSITIVE_INFINITY;
    if (due === this.#tickAt) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    this.#tickAt = due;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#cancelTick = this.#options.clock.after(Math.max(0, due - this.#options.clock.monotonic()), () => {
      this.#tickAt = Number.POSITIVE_INFINITY;
      this.#cancelTick = undefined;
      this.tick();
    });
  }
}
