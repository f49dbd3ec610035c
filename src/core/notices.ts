/** What a tool left in the state folder for the next start of the gateway, to be reported as events. */
import type { Severity } from './alarm.ts';
import type { GatewayEvent } from './ports.ts';

export const NOTICES_FILE = 'notices.json';
/** A tool that runs at every boot leaves one at most; a file with more is not read beyond these. */
export const MOST_NOTICES = 8;
/** Bytes of the file. */
export const MOST_NOTICES_BYTES = 16 * 1024;
const SEVERITIES: readonly Severity[] = ['info', 'warning', 'critical'];

/** Entries that are none are passed over: the file is no reason not to start. */
export function parseNotices(text: string): GatewayEvent[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return [];
  }
  return (Array.isArray(found) ? found : []).slice(0, MOST_NOTICES).flatMap((entry: Partial<GatewayEvent> | null) => {
    const { event, severity, message, data } = entry ?? {};
    if (typeof event !== 'string' || !/^[a-z-]{1,32}$/.test(event) || typeof message !== 'string') return [];
    if (severity === undefined || !SEVERITIES.includes(severity)) return [];
    const facts = Object.entries(data ?? {}).filter(([, value]) => typeof value === 'string' && value.length <= 200);
    return [{ event, severity, message: message.slice(0, 1000), data: Object.fromEntries(facts) }];
  });
}
