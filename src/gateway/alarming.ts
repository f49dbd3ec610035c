/** Rules that have an alarm: those that are only observed have none, so no topic of theirs holds one. */
import type { GatewayConfig } from '../config/kinds.ts';

type Rules = Pick<GatewayConfig, 'rules'>;

export function hasAlarm({ rules }: Rules, name: string): boolean {
  const rule = rules.get(name);
  return rule !== undefined && rule.observe === undefined;
}

export function alarming(config: Rules): Set<string> {
  return new Set([...config.rules.keys()].filter((name) => hasAlarm(config, name)));
}

/** Rules that had an alarm, and have none now. */
export function withoutAlarm(before: Rules, now: Rules): string[] {
  return [...alarming(before)].filter((name) => !hasAlarm(now, name));
}
