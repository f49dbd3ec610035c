/** Alarms and events as they leave the log: to brokers and in bundles. */

/**
 * Every byte may cost money upstream, and `message` says it. So an alarm leaves without the same as data (`said`).
 * @param json as the log has it
 */
export function noticeJson(kind: 'alarm' | 'event', json: string): string {
  if (kind !== 'alarm' || !json.includes('"said"')) return json;
  const { said: _, ...alarm } = JSON.parse(json) as Record<string, unknown>;
  return JSON.stringify(alarm);
}
