/** Topics that belong to one format, or to one broker: one table, from which the description makes channels and operations. */
import { SYSTEM, systemTexts } from '../../forwarders/broker/system-topics.ts';
import { CLOUD_MESSAGES, CLOUD_TOPICS } from './clouds.ts';
import { HOME_MESSAGES, HOME_TOPICS } from './home-assistant.ts';
import type { Message, OwnTopic } from './parts.ts';
import { SPARKPLUG_MESSAGES, SPARKPLUG_TOPICS } from './sparkplug.ts';
import { THINGSBOARD_MESSAGES, THINGSBOARD_TOPICS } from './thingsboard.ts';

/** What the embedded broker counts of itself. */
export const SYSTEM_COUNTS = Object.keys(
  systemTexts({ connected: 0, away: 0, received: 0, sent: 0, subscriptions: 0, retained: 0 }, 0),
);

/** The messages of these topics by name. */
export const OWN_MESSAGES = {
  ...THINGSBOARD_MESSAGES,
  ...HOME_MESSAGES,
  ...SPARKPLUG_MESSAGES,
  ...CLOUD_MESSAGES,
  systemCount: {
    ...{ summary: 'A count of the embedded broker.', contentType: 'text/plain' },
    payload: { type: 'string', pattern: '^(?:\\d+(?: seconds)?|sluice \\S+)$' },
  },
} as const satisfies Readonly<Record<string, Message>>;

/** The topics by name. */
export const OWN_TOPICS = {
  ...THINGSBOARD_TOPICS,
  ...HOME_TOPICS,
  ...SPARKPLUG_TOPICS,
  ...CLOUD_TOPICS,
  system: {
    ...{ address: `${SYSTEM}{count}`, qos: 0, retain: true, brokers: ['embedded'], sends: ['systemCount'] },
    says: 'Counts of the embedded broker, for administrators.',
  },
} as const satisfies Readonly<Record<string, OwnTopic>>;
