/** What stands on the open log: each is given the gateway and the log, and begins nothing yet. */
import { isLedgerState, Ledger } from '../control/remote/ledger.ts';
import type { Clock } from '../core/clock.ts';
import { Ingest } from '../pipeline/ingest.ts';
import { observationEvent } from '../pipeline/observation-event.ts';
import { eventWithoutValue, isUnnamed, withoutValue } from '../pipeline/withheld.ts';
import { ClockReport } from '../reports/clock.ts';
import { LogWatch, type LogWatchOptions } from '../reports/log-watch.ts';
import type { RuleEngine } from '../rules/engine.ts';
import { statesOf } from '../store/hot/saved-states.ts';
import type { Log } from '../store/log.ts';
import { ID_WITHIN, KeptInLog } from './kept-in-log.ts';
import type { Parts, PartsSide } from './parts.ts';

/** Tells faults, losses and salvage of the log. */
export function logWatchOf(g: PartsSide, options: Pick<LogWatchOptions, 'log' | 'openFaults' | 'onFatal'>): LogWatch {
  return new LogWatch({
    ...options,
    clock: g.clock,
    logger: g.logger,
    event: (event) => g.ingest.event(event),
    withheld: (point) => isUnnamed(g.config, point),
  });
}

/** The way of readings from the buses into the log, past the rules. */
export function ingestOf(
  g: PartsSide & Pick<Parts, 'latest'>,
  {
    log,
    rules,
    parts,
  }: {
    readonly log: Log;
    readonly rules: RuleEngine;
    readonly parts: Pick<Parts, 'samples' | 'records'> & {
      readonly alarmed: Pick<Parts['alarmed'], 'changed'>;
      readonly outside: Pick<Parts['outside'], 'tell'>;
      readonly actions: Pick<Parts['actions'], 'planned' | 'begin'>;
    };
  },
): Ingest {
  return new Ingest({
    ...{ log, rules, actions: parts.actions, clock: g.clock, latest: g.latest, parts: parts.records },
    disclose: (transition) => withoutValue(g.config, transition),
    shown: (event) => eventWithoutValue(g.config, event),
    offset: () => g.watch.offset,
    clockKnown: () => g.watch.known,
    derive: (sample) => parts.samples.sample(sample),
    onAlarm: (t) => {
      const { rule, state, severity, point } = t;
      // Behind the alarm itself: to write a line wakes a thread, and takes its time.
      setImmediate(() => g.logger[state === 'normal' ? 'info' : 'warn']({ rule, state, severity, point }, t.message));
      parts.alarmed.changed();
    },
    // A rule on trial may chatter: its events have a bound as those that outsiders cause.
    onObserved: (t) => parts.outside.tell('observation', observationEvent(t)),
  });
}

/** Tells changes of the clock. */
export function clockReportOf(g: PartsSide, log: Log): ClockReport {
  return new ClockReport({
    clock: g.clock,
    tell: (event) => g.ingest.event(event),
    logName: (ordinal) => log.opened.logs.find((l) => l.ordinal === ordinal)?.name ?? '',
    ...{ boot: log.opened.boot, log: log.ordinal },
  });
}

/** The ids of commands that act once. One that the log does not take is refused: nobody waits for a disk without end. */
export function ledgerOf(log: Log, clock: Clock): Ledger {
  const kept = new KeptInLog(() => log, clock, ID_WITHIN);
  return new Ledger({
    saved: statesOf(log.opened.savedStates, isLedgerState),
    save: (key, state) => log.saveState(key, state),
    soon: () => log.commitSoon(),
    flush: () => kept.assert(),
  });
}
