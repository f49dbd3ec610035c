import type { ForwarderKind } from '../../config/kinds.ts';
import { mqttDestination, mqttForwarderSchema } from './schema.ts';

export const mqttForwarder: ForwarderKind = { type: 'mqtt', forwarder: mqttForwarderSchema, destination: mqttDestination };
