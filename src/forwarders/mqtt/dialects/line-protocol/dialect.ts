/** Batches for Telegraf and InfluxDB, on the gateway's own topics: docs/reference/formats/line-protocol.md. */
import * as z from 'zod';
import { COMPRESSIONS } from '../../../../codecs/compress.ts';
import { DEFAULT_MEASUREMENT, lineProtocol, OWN_TAGS } from '../../../../codecs/format-line-protocol.ts';
import type { LogDialect } from '../../dialect.ts';
import { OWN_ROOT, ownTopics } from '../own-topics.ts';

/** A database keeps these for itself. */
const RESERVED = [...OWN_TAGS, 'time', '_measurement', '_field', '_value', '_time', '_start', '_stop'];
const MOST_TAGS = 16;
/** No control character, and no backslash: the format cannot write one before a separator. */
const word = () =>
  z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^\p{Cc}\\]*$/u, { error: 'a backslash or a control character cannot be sent; remove it' });

const options = z
  .strictObject({
    measurement: word()
      .regex(/^[^_#]/, { error: 'a measurement does not begin with _ or #; write another first letter' })
      .prefault(DEFAULT_MEASUREMENT)
      .describe('The measurement of every line.'),
    tags: z
      .record(
        word().refine((name) => !RESERVED.includes(name), {
          error: `the gateway or the database uses this name; not allowed are ${RESERVED.join(', ')}`,
        }),
        word(),
      )
      .refine((tags) => Object.keys(tags).length <= MOST_TAGS, { error: `write at most ${MOST_TAGS}` })
      .prefault({})
      .describe(
        `Names and values that every line has, beside ${OWN_TAGS.map((tag) => `\`${tag}\``).join(', ')}: \`{site: north}\`.`,
      ),
  })
  .describe('Of `format: line-protocol`.');

export const lineProtocolDialect: LogDialect = {
  kind: 'log',
  name: 'line-protocol',
  doc: 'for Telegraf',
  root: OWN_ROOT,
  ruleMessages: {},
  visits: true,
  options: options.optional(),
  format: lineProtocol,
  compress: COMPRESSIONS,
  create(context) {
    const { measurement, tags } = options.parse(context.options ?? {});
    return ownTopics(context, { measurement, tags: JSON.stringify(tags) });
  },
};
