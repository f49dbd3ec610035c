/** The key `budget` of a forwarder. */
import * as z from 'zod';
import { size } from '../../../config/schema-parts.ts';

const CLOCK = /^([01]\d|2[0-3]):([0-5]\d)$/;

const timeOfDay = z
  .string({ error: "write a time of the day in quotes: '01:00'" })
  .regex(CLOCK, { error: "a time of the day has the form '01:00', from '00:00' to '23:59'" })
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));

export const budgetKey = () =>
  z
    .strictObject({
      perDay: size({ min: 2048 })
        .optional()
        .describe(
          'Bytes a day, both ways, with headers of TCP and IP and handshakes. Alarms leave even when it is spent. A day is one of the time zone of the gateway.',
        ),
      between: z
        .tuple([timeOfDay, timeOfDay], { error: "write two times: ['01:00', '05:00']" })
        .transform(([from, to]) => ({ from, to }))
        .optional()
        .describe(
          'Readings leave between these two times only, once in each such window. A window may last over midnight. Without it they leave over the whole day.',
        ),
      summary: z
        .boolean()
        .prefault(true)
        .describe(
          'With `perDay`: whether a summary (count, minimum, mean, maximum) leaves on `…/summary` before the readings, where they do not all fit.',
        ),
    })
    .refine(({ perDay, between }) => perDay !== undefined || between !== undefined, 'write perDay, between, or both')
    .optional()
    .describe(
      'For a metered link: the gateway connects for alarms and for readings that are worth it, and holds no connection. For formats with the topics of this gateway.',
    );
