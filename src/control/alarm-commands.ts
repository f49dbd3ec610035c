/** What operators do with alarms: acknowledge, reset, shelve, take out of service (ISA-18.2). The rules decide what may be; the log keeps it like every transition. */

import type { AlarmTransition } from '../core/alarm.ts';
import type { AlarmCommand, AlarmResult } from '../core/commands.ts';
import type { AlarmChange, RuleEngine } from '../rules/engine.ts';
import type { Moment } from '../rules/rule-state.ts';
import type { Handlers } from './commands.ts';

export interface AlarmSide {
  readonly rules: RuleEngine;
  moment(): Moment;
  /** Puts transitions into the log and on their way, as those that readings make. */
  take(transitions: readonly AlarmTransition[]): void;
  /** The words of an alarm as everybody may have them. */
  words(alarm: AlarmChange['alarm']): string;
}

type AlarmWord = 'acknowledge' | 'shelve' | AlarmCommand['do'];

export function alarmCommands(side: () => AlarmSide): Required<Pick<Handlers, AlarmWord>> {
  const done = ({ take, words }: AlarmSide, { transitions, alarm }: AlarmChange): AlarmResult => {
    take(transitions);
    const { rule, state, shelvedUntil } = alarm;
    return { rule, state, message: words(alarm), ...(shelvedUntil !== undefined && { until: Math.round(shelvedUntil) }) };
  };
  return {
    async acknowledge({ rule, occurrence }, by) {
      const to = side();
      return done(to, to.rules.acknowledge(rule, by.who, to.moment(), occurrence));
    },
    async shelve({ rule, for: length, reason }, by) {
      const to = side();
      return done(to, to.rules.shelve(rule, length, by.who, to.moment(), reason));
    },
    async reset({ rule, occurrence }, by) {
      const to = side();
      return done(to, to.rules.reset(rule, by.who, to.moment(), occurrence));
    },
    async 'out-of-service'({ rule, reason, for: length }, by) {
      const to = side();
      return done(to, to.rules.outOfService(rule, reason, by.who, to.moment(), length));
    },
    async 'in-service'({ rule }, by) {
      const to = side();
      return done(to, to.rules.inService(rule, by.who, to.moment()));
    },
  };
}
