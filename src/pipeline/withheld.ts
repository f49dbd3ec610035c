/**
 * Alarms and events about points that say something about people, or that leave coarser than they were read. They go everywhere, so
 * they have no value: their own text, or one that is made here, since words may have the value in them.
 */

import type { GatewayConfig, ResolvedRule } from '../config/kinds.ts';
import type { AlarmState, AlarmTransition } from '../core/alarm.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { classNamed, classNow, isPersonal, leaves, namedIn, type Outward, type PrivacyClass, roundTo } from '../core/privacy.ts';
import { phrase, type Sentence, wordsIn } from '../core/sentence.ts';

type Site = Pick<GatewayConfig, 'privacy' | 'rules'>;

/** Whether the values of a point stay out of alarms and events. @param point `device.point` */
export function isWithheld({ privacy }: Pick<GatewayConfig, 'privacy'>, point: string): boolean {
  const of = classOf(privacy, point);
  return isPersonal(of) || privacy?.upstream[of] !== undefined;
}

/** Without a word it is technical. */
function classOf(privacy: GatewayConfig['privacy'], point: string): PrivacyClass {
  const dot = point.indexOf('.');
  return classNow(privacy?.points ?? {}, point.slice(0, dot), point.slice(dot + 1)) ?? 'technical';
}

/** Whether the gateway names a point to nobody. @param point `device.point` */
export function isUnnamed({ privacy }: Pick<GatewayConfig, 'privacy'>, point: string): boolean {
  const of = classOf(privacy, point);
  return isPersonal(of) || privacy?.upstream[of] === 'never';
}

/** The points without values that a text names. */
function withheldIn(site: Pick<GatewayConfig, 'privacy'>, text: string): string[] {
  if (site.privacy === undefined) return [];
  const { points } = site.privacy;
  const names = new Set<string>();
  for (const [device, point] of namedIn(text))
    if (classNamed(points, device, point) !== undefined && isWithheld(site, `${device}.${point}`))
      names.add(`${device}.${point}`);
  return [...names];
}

/** What an event about such a point may show. A list of what it may not show would let the next new key through. */
const SHOWN = new Set([
  ...[
    'point',
    'rule',
    'occurrence',
    'state',
    'severity',
    'action',
    'of',
    'at',
    'result',
    'code',
    'why',
    'do',
    'via',
    'who',
    'role',
  ],
  ...['forwarder', 'bus', 'device', 'offline', 'suppressed', 'done', 'refused', 'failed'],
]);

/** The one gate for events: whoever made this one, it goes on without the values of such points. */
export function eventWithoutValue(site: Pick<GatewayConfig, 'privacy'>, event: GatewayEvent): GatewayEvent {
  const { data = {}, message, bare } = event;
  // What a fault suggests names points without their device.
  if (site.privacy !== undefined && bare !== undefined && (event.event === 'config' || data.code === 'config-invalid'))
    return { ...event, message: bare };
  const names = withheldIn(site, [message, ...Object.values(data).filter((one) => typeof one === 'string')].join(' '));
  // A point that is not written down is technical, and no text is searched for its name.
  if (typeof data.point === 'string' && names.length === 0 && isWithheld(site, data.point)) names.push(data.point);
  if (names.length === 0) return event;
  const shown = Object.fromEntries(Object.entries(data).filter(([key]) => SHOWN.has(key)));
  const { result, code } = data;
  const words = [names.join(', '), ...[result, code].filter((word) => word !== undefined)].join(': ');
  return { ...event, message: bare ?? `${event.event} of ${words}. Values of this point are not shown.`, data: shown };
}

function ruleIsWithheld(site: Site, { device, point, inputs = [] }: ResolvedRule): boolean {
  return [`${device}.${point}`, ...inputs].some((input) => isWithheld(site, input));
}

/** A remark on an action may be about another point than the rule. */
function speaksOfOne(site: Site, rule: ResolvedRule | undefined, message: string): boolean {
  return (rule !== undefined && ruleIsWithheld(site, rule)) || withheldIn(site, message).length > 0;
}

/** As it leaves. */
export function withoutValue(site: Site, transition: AlarmTransition): AlarmTransition {
  if (site.privacy === undefined) return transition;
  const rule = site.rules.get(transition.rule);
  if (!isWithheld(site, transition.point) && !speaksOfOne(site, rule, transition.message)) return transition;
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
  if (rule === undefined || isOwn(rule, alarm.message) || !speaksOfOne(site, rule, alarm.message)) return alarm.message;
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
  if (alarm === undefined || rule === undefined || !speaksOfOne(site, rule, alarm.message)) return alarm;
  const { value: _, messages: __, ...rest } = alarm;
  return { ...rest, message: wordsOf(site, alarm) };
}

/** Where a message goes, and what may go there. */
export interface Destination {
  /** undefined: all of it. */
  readonly outward: Outward | undefined;
  /** Every class that a point had: a message may have waited through a change. */
  readonly classes: (device: string, point: string) => ReadonlySet<PrivacyClass>;
  /** As inventories say it; undefined: the configuration has no such point. */
  readonly typeOf: (device: string, point: string) => string | undefined;
}

/**
 * What an action says of an alarm at a destination. All points of the rule count, since its words and its value may be of any of them.
 * Where one of them does not go there, there is no value, no name and no sentence that was made of them; where it goes rounded, the value
 * is rounded.
 */
export function shownAt<
  F extends {
    readonly rule: string;
    readonly point: string;
    readonly state: AlarmState;
    readonly value: string;
    readonly message: string;
  },
>(site: Site, facts: F, { outward, classes, typeOf }: Destination): F {
  const rule = site.rules.get(facts.rule);
  const points = [facts.point, ...(rule === undefined ? [] : [`${rule.device}.${rule.point}`, ...(rule.inputs ?? [])])];
  let step = 0;
  for (const point of new Set(points)) {
    const [device = '', name = ''] = point.split('.');
    const type = typeOf(device, name) ?? 'string';
    const all = [undefined, ...classes(device, name)];
    const steps = all.map((privacy) => (outward === undefined ? 0 : leaves(outward, device, { name, type, privacy })));
    if (isPersonal(classOf(site.privacy, point)) || steps.includes(undefined))
      return { ...facts, ...wordless(rule, facts), point: '', value: '' };
    step = Math.max(step, ...steps.map((one) => one ?? 0));
  }
  if (step === 0) return facts;
  // A text has no step.
  const value = facts.value.trim() === '' ? Number.NaN : Number(facts.value);
  return { ...facts, ...wordless(rule, facts), value: Number.isFinite(value) ? String(roundTo(value, step)) : '' };
}

/** The words without a value. */
function wordless(
  rule: ResolvedRule | undefined,
  facts: { readonly rule: string; readonly state: AlarmState; readonly message: string },
): { readonly message: string } {
  return { message: isOwn(rule, facts.message) ? facts.message : wordsIn(withheld(facts), rule?.language ?? 'en') };
}

/** Its own text stays: a person wrote it, and it has no value. */
function isOwn(rule: ResolvedRule | undefined, message: string): boolean {
  return rule?.message !== undefined && rule.message === message;
}

function withheld({ rule, state }: { readonly rule: string; readonly state: AlarmState }): Sentence {
  return phrase('withheld', { rule, state: phrase(`state-${state}`) });
}
