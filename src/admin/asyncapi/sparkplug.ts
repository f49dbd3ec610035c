/** Messages and topics of `format: sparkplug-b`. */
import * as z from 'zod';
import { flag } from '../openapi/parts.ts';
import { BINARY, type Message, type OwnTopic } from './parts.ts';

const SPARKPLUG = { format: 'sparkplug-b' } as const;
const PROTOBUF = { ...SPARKPLUG, contentType: 'application/octet-stream', payload: BINARY } as const;

export const SPARKPLUG_MESSAGES = {
  sparkplugPayload: { ...PROTOBUF, summary: 'A payload of Sparkplug B 3.0 in Protocol Buffers.' },
  sparkplugState: {
    ...{ ...SPARKPLUG, summary: 'The state of a host.', foreign: true },
    schema: z.looseObject({
      online: flag('whether the host is there'),
      timestamp: z.int().min(0).describe('when that began, UTC milliseconds; an older state than the last one is ignored'),
    }),
  },
} as const satisfies Readonly<Record<string, Message>>;

const SENT = { ...SPARKPLUG, qos: 0, retain: false, brokers: ['upstream'], sends: ['sparkplugPayload'] } as const;
const TAKEN = { ...SPARKPLUG, qos: 0, retain: false, brokers: ['upstream'], receives: ['sparkplugPayload'] } as const;
const node = (word: string) => ({ address: `spBv1.0/{group}/${word}/{node}` });
const device = (word: string) => ({ address: `spBv1.0/{group}/${word}/{node}/{device}` });

export const SPARKPLUG_TOPICS = {
  sparkplugNodeBirth: { ...SENT, ...node('NBIRTH'), says: 'The gateway is there, with its metrics.' },
  sparkplugNodeData: { ...SENT, ...node('NDATA'), says: 'Changes of metrics of the gateway.' },
  sparkplugNodeDeath: { ...SENT, ...node('NDEATH'), qos: 1, says: 'The gateway is gone.' },
  sparkplugNodeCommand: { ...TAKEN, ...node('NCMD'), says: 'A command to the gateway, for example a rebirth.' },
  sparkplugBirth: { ...SENT, ...device('DBIRTH'), says: 'A device is there, with its points.' },
  sparkplugData: { ...SENT, ...device('DDATA'), says: 'Readings of a device.' },
  sparkplugDeath: { ...SENT, ...device('DDEATH'), says: 'A device is silent.' },
  sparkplugCommand: { ...TAKEN, ...device('DCMD'), says: 'A new value of a point, where the configuration grants it.' },
  sparkplugHost: {
    ...{ ...TAKEN, qos: 1, address: 'spBv1.0/STATE/{host}', receives: ['sparkplugState'] },
    says: 'Whether the primary host is there.',
  },
} as const satisfies Readonly<Record<string, OwnTopic>>;
