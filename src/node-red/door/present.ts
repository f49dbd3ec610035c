/** The alarms as they are now, in the form of their transitions. */
import type { DoorSource } from './source.ts';

/** The newest transition of each rule, or that the rule never had one. */
export function* presentAlarms(source: DoorSource): Generator<{ readonly rule: string; readonly [key: string]: unknown }> {
  const rules = source.rules();
  const reported = new Set<string>();
  for (const notice of source.alarms()) {
    if (!rules.has(notice.key)) continue;
    reported.add(notice.key);
    yield { ...(JSON.parse(notice.json) as object), rule: notice.key };
  }
  for (const [rule, { severity }] of rules)
    if (!reported.has(rule))
      yield { ...{ v: 1, rule, occurrence: 0, state: 'normal', severity, value: null }, time: source.now(), message: '' };
}
