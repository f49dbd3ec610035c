/** Batches as packs of SenML, on the gateway's own topics: docs/reference/formats/senml.md. */
import * as z from 'zod';
import { COMPRESSIONS } from '../../../../codecs/compress.ts';
import { senml } from '../../../../codecs/format-senml.ts';
import type { LogDialect } from '../../dialect.ts';
import { OWN_ROOT, ownTopics } from '../own-topics.ts';

const options = z
  .strictObject({
    encoding: z.enum(['json', 'cbor']).prefault('json').describe('The encoding of a pack.'),
    units: z
      .enum(['all', 'primary'])
      .prefault('all')
      .describe(
        '`all` writes kWh and hPa as they are, and marks the pack with `"bver":26` (RFC 9100). `primary` turns them into J and Pa, for receivers that refuse this version.',
      ),
  })
  .describe('Of `format: senml`.');

export const senmlDialect: LogDialect = {
  kind: 'log',
  name: 'senml',
  doc: 'packs of SenML',
  root: OWN_ROOT,
  ruleMessages: {},
  visits: true,
  options: options.optional(),
  format: senml,
  compress: COMPRESSIONS,
  create(context) {
    const { encoding, units } = options.parse(context.options ?? {});
    return ownTopics(context, { encoding, units });
  },
};
