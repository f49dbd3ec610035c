/** Batches as packed as the log keeps them, on the gateway's own topics: docs/reference/formats/columns.md. */
import { columns } from '../../../../codecs/format-columns.ts';
import type { LogDialect } from '../../dialect.ts';
import { OWN_ROOT, ownTopics } from '../own-topics.ts';

/** The readings of an hour of the log. */
const HOUR = 360_000;

export const columnsDialect: LogDialect = {
  kind: 'log',
  name: 'columns',
  doc: 'the smallest',
  root: OWN_ROOT,
  ruleMessages: {},
  visits: true,
  format: columns,
  maxReadings: HOUR,
  create: (context) => ownTopics(context),
};
