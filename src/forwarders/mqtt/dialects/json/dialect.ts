/** The gateway's own topics and batches: docs/reference/topics.md. */
import { COMPRESSIONS } from '../../../../codecs/compress.ts';
import { json } from '../../../../codecs/format-json.ts';
import type { LogDialect } from '../../dialect.ts';
import { OWN_ROOT, ownTopics } from '../own-topics.ts';

export const jsonDialect: LogDialect = {
  kind: 'log',
  name: 'json',
  doc: 'the topics and batches of this gateway',
  root: OWN_ROOT,
  ruleMessages: {},
  visits: true,
  format: json,
  compress: COMPRESSIONS,
  create: (context) => ownTopics(context),
};
