/** What a person writes under `sparkplug-b`. */
import * as z from 'zod';
import { duration } from '../../../../config/schema-parts.ts';

/** Milliseconds. The default of `resend` is the keep-alive of 30 s and the half more that a broker waits. */
const LONGEST_GAP = 600_000;

/** One level of a topic. */
const level = () =>
  z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^/+#\p{Cc}]*$/u, { error: 'this is one level of a topic: without /, +, # and control characters' });

export const options = z
  .strictObject({
    group: level().describe('The Sparkplug group of this edge node: the second level of its topics.'),
    node: level().optional().describe('The id of this edge node in its group. Without it: the id of the gateway.'),
    primaryHost: level()
      .optional()
      .describe(
        'The id of the primary host. With it the gateway sends nothing before this host is online, and keeps readings while it is not.',
      ),
    resend: duration({ min: 0, max: LONGEST_GAP })
      .prefault('45s')
      .describe(
        'The gateway sends again what it sent in this time before a lost connection, or before the primary host went offline.',
      ),
  })
  .describe('Of `format: sparkplug-b`.');
export type SparkplugOptions = z.output<typeof options>;
