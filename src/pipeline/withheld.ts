/**
 * Alarms on points that say something about people. Their transitions go everywhere with their state and without a value: their own
 * text, or one that is made here, since the words of a rule may have the value in them.
 */

import type { GatewayConfig, ResolvedRule } from '../config/kinds.ts';
import type { AlarmState, AlarmTransition } from '../core/alarm.ts';
import { classNow, isPersonal } from '../core/privacy.ts';
import { phrase, type Sentence, wordsIn } from '../core/sentence.ts';

type Site = Pick<GatewayConfig, 'privacy' | 'rules'>;

/** Whether the values of a point stay out of alarms and of the audit. @param point `device.point` */
export function isWithheld({ privacy }: Pick<GatewayConfig, 'privacy'>, point: string): boolean {
  if (privacy === undefined) return false;
  const dot = point.indexOf('.');
  return isPersonal(classNow(privacy.points, point.slice(0, dot), point.slice(dot + 1)));
}

function ruleIsWithheld(site: Site, { device, point, inputs = [] }: ResolvedRule): boolean {
  return [`${device}.${point}`, ...inputs].some((input) => isWithheld(site, input));
}

/** As it leaves. */
export function withoutValue(site: Site, transition: AlarmTransition): AlarmTransition {
  if (site.privacy === undefined) return transition;
  const rule = site.rules.get(transition.rule);
  if (!isWithheld(site, transition.point) && (rule === undefined || !ruleIsWithheld(site, rule))) return transition;
  const { value: _, type: __, ...rest } = transition;
  if (isOwn(rule, transition.message)) return rest;
  const said = withheld(transition);
  return { ...rest, said, message: wordsIn(said, rule?.language ?? 'en') };
}

/** What may be shown of the words of an alarm, to whoever asks from outside. */
export function wordsOf(
  site: Site,
  alarm: { readonly rule: string; readonly state: AlarmState; readonly message: string },
): string {
  const rule = site.rules.get(alarm.rule);
  if (rule === undefined || !ruleIsWithheld(site, rule) || isOwn(rule, alarm.message)) return alarm.message;
  return wordsIn(withheld(alarm), rule.language ?? 'en');
}

/** An alarm as rules that act and interlocks speak of it: their words reach events, messages and the far side. */
export function lookWithoutValue<
  A extends {
    readonly rule: string;
    readonly state: AlarmState;
    readonly message: string;
    readonly messages?: unknown;
    readonly value?: unknown;
  },
>(site: Site, alarm: A | undefined): (Omit<A, 'value' | 'messages'> & Partial<Pick<A, 'value' | 'messages'>>) | undefined {
  const rule = alarm && site.rules.get(alarm.rule);
  if (alarm === undefined || rule === undefined || !ruleIsWithheld(site, rule)) return alarm;
  const { value: _, messages: __, ...rest } = alarm;
  return { ...rest, message: wordsOf(site, alarm) };
}

/** Its own text stays: a person wrote it, and it has no value. */
function isOwn(rule: ResolvedRule | undefined, message: string): boolean {
  return rule?.message !== undefined && rule.message === message;
}

function withheld({ rule, state }: { readonly rule: string; readonly state: AlarmState }): Sentence {
  return phrase('withheld', { rule, state: phrase(`state-${state}`) });
}
