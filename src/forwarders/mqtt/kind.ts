/** The forwarder type `mqtt`, with the dialects that the registry lists. */
import { SluiceError } from '../../core/errors.ts';
import type { Forwarder } from '../../core/ports.ts';
import type { ForwarderContext, MadeForwarderKind } from '../forwarder-kind.ts';
import type { Dialect } from './dialect.ts';
import { namedTargets } from './filter-keys.ts';
import type { LinkOptions } from './link.ts';
import { LiveForwarder } from './live-forwarder.ts';
import { LogForwarder } from './log-forwarder.ts';
import { type MqttForwarderSettings, mqttDestination, mqttForwarderSchema } from './schema.ts';

export function mqttForwarder(dialects: readonly Dialect[]): MadeForwarderKind {
  return {
    type: 'mqtt',
    forwarder: mqttForwarderSchema(dialects),
    destination: (settings) => mqttDestination(settings, dialects),
    targets: (settings) => namedTargets(settings),
    messageFault: ({ format }, topic) => topicFault(dialects.find(({ name }) => name === format)?.ruleMessages, topic),
    create: ({ name, settings }, context) =>
      createMqttForwarder(dialects, { ...context, name, settings: settings as unknown as MqttForwarderSettings }),
  };
}

function topicFault(takes: Dialect['ruleMessages'] | undefined, topic: string): string | undefined {
  if (takes === undefined) return undefined;
  if (typeof takes === 'string')
    return `${takes}; name a forwarder with the format json, columns, line-protocol, senml or aws-iot`;
  const { levels = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = takes;
  const [has, long] = [topic.split('/').length, Buffer.byteLength(topic)];
  if (has > levels) return `the whole topic ${topic} has ${has} levels, and the platform takes ${levels}; write fewer`;
  if (long > bytes) return `the whole topic ${topic} has ${long} bytes, and the platform takes ${bytes}; write a shorter one`;
  return undefined;
}

/** @throws SluiceError internal: the schema lets no other dialect through */
export function createMqttForwarder(dialects: readonly Dialect[], options: ForwarderContext & LinkOptions): Forwarder {
  const { format } = options.settings;
  const dialect = dialects.find((d) => d.name === format);
  if (dialect === undefined) throw new SluiceError('internal', `the dialect ${format} is not registered`);
  return dialect.kind === 'log' ? new LogForwarder({ ...options, dialect }) : new LiveForwarder({ ...options, dialect });
}
