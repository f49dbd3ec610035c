/** The forwarder type `mqtt`: what the registry lists. */
import type { LogForwarderKind } from '../forwarder-kind.ts';
import { type MqttForwarderSettings, mqttDestination, mqttForwarderSchema } from './schema.ts';
import { Upstream } from './upstream.ts';

export const mqttForwarder: LogForwarderKind = {
  type: 'mqtt',
  forwarder: mqttForwarderSchema,
  destination: mqttDestination,
  create: ({ name, settings }, context) =>
    new Upstream({ ...context, name, settings: settings as unknown as MqttForwarderSettings }),
};
