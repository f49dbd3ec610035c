/** The keys about privacy: `privacy` of a point and of a device, the section `privacy`, `purpose` of a forwarder. */
import * as z from 'zod';
import { PRIVACY_CLASSES } from '../core/privacy.ts';
import { duration } from './schema-parts.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const classWord = () => z.enum(PRIVACY_CLASSES, { error: `write one of the classes: ${PRIVACY_CLASSES.join(', ')}` }).optional();

export const privacyKey = () =>
  classWord().describe(
    'How private the readings are. Without it `technical`; `location` for the position of an NMEA receiver. No forwarder without a `purpose` gets `household`, `location` and `health`.',
  );

export const devicePrivacyKey = () =>
  classWord().describe('The class of the points of this device that have none of their own, also of points that come later.');

export const purposeKey = () =>
  z
    .string()
    .trim()
    .min(1)
    .max(200)
    .optional()
    .describe(
      'The use of the readings there, in words that the people concerned understand: "billing by the utility". Without it, points of the classes `household`, `location` and `health` do not leave. `sluice privacy` shows it.',
    );

const upstream = z
  .strictObject({
    aggregate: duration({ min: 60_000, max: HOUR })
      .refine((ms) => DAY % ms === 0, { error: 'a day has to be a multiple of this: 1m, 5m, 15m, 30m, 1h' })
      .optional()
      .describe(
        'Numbers leave as means of windows of this width or more, through a forwarder with `filter: {every: …}`. They leave in no other way. Texts and booleans do not leave.',
      ),
    round: z
      .number()
      .positive()
      .optional()
      .describe('Numbers leave as the nearest multiple of this, in the unit of the point. Texts and booleans do not leave.'),
  })
  .refine(({ aggregate, round }) => aggregate !== undefined || round !== undefined, {
    error: 'this changes nothing; write aggregate: 15m, round: 1, or upstream: never',
  });

const classRule = z
  .strictObject({
    keep: duration({ min: HOUR })
      .optional()
      .describe(
        'How long readings of this class are kept, where that is less than `buffer.maxAge`. The gateway then deletes them from the log, within two hours while it runs and knows the time.',
      ),
    upstream: z
      .union([z.literal('never'), upstream], { error: 'write never, {aggregate: 15m} or {round: 1}' })
      .optional()
      .describe('The precision with which readings of this class leave. `never`: they stay on the gateway.'),
  })
  .optional();

export const privacySection = z.strictObject(
  Object.fromEntries(
    PRIVACY_CLASSES.map((name) => [name, classRule.describe(`The rules for points of the class ${name}.`)]),
  ) as Record<(typeof PRIVACY_CLASSES)[number], typeof classRule>,
);
export type PrivacySettings = z.output<typeof privacySection>;
