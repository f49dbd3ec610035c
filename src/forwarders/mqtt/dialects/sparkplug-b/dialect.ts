/** An edge node of Sparkplug B 3.0: docs/reference/formats/sparkplug-b.md. */
import { sparkplugB } from '../../../../codecs/format-sparkplug-b.ts';
import type { LogDialect } from '../../dialect.ts';
import { EdgeNode } from './edge-node.ts';
import { options, type SparkplugOptions } from './options.ts';

export const sparkplugBDialect: LogDialect = {
  kind: 'log',
  name: 'sparkplug-b',
  doc: 'for hosts of Sparkplug B 3.0',
  root: 'spBv1.0',
  ruleMessages: 'hosts of Sparkplug read the topics of Sparkplug alone',
  options,
  format: sparkplugB,
  cleanSession: true,
  typed: 'each metric keeps the type of its birth',
  create: (context) => new EdgeNode(context, context.options as SparkplugOptions),
};
