/** The topics of the formats that leave `sluice/<gateway>`: one table, from which the description makes channels and operations. */
type Json = Readonly<Record<string, unknown>>;

interface OwnTopic {
  /** The value of `format:` of a forwarder; its page describes the content. */
  readonly format: string;
  readonly address: string;
  readonly says: string;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** `receive`: the gateway subscribes. ThingsBoard has calls and replies on one topic. */
  readonly actions: readonly ('send' | 'receive')[];
  readonly payload: Json;
}

const OBJECT = { type: 'object' };
const AVAILABLE = { type: 'string', enum: ['online', 'offline'] };
const SENT = { qos: 1, retain: false, actions: ['send'], payload: OBJECT } as const;
const THINGSBOARD = { ...SENT, format: 'thingsboard' } as const;
const HOME = { ...SENT, format: 'homeassistant', retain: true } as const;
const PROTOBUF = { type: 'string', format: 'binary' } as const;
const SPARKPLUG = { ...SENT, qos: 0, format: 'sparkplug-b', payload: PROTOBUF } as const;
const COMMAND = { ...SPARKPLUG, actions: ['receive'] } as const;
const HOME_ROOT = 'homeassistant/sluice/{gateway}';

/** The topics by name. */
export const OWN_TOPICS = {
  thingsboardConnect: { ...THINGSBOARD, address: 'v1/gateway/connect', says: 'A device is there.' },
  thingsboardDisconnect: { ...THINGSBOARD, address: 'v1/gateway/disconnect', says: 'A device is silent.' },
  thingsboardAttributes: { ...THINGSBOARD, address: 'v1/gateway/attributes', says: 'Units and types of devices.' },
  thingsboardTelemetry: { ...THINGSBOARD, address: 'v1/gateway/telemetry', says: 'Readings of a device.' },
  thingsboardOwn: { ...THINGSBOARD, address: 'v1/devices/me/telemetry', says: 'Alarms and events, as telemetry of the gateway.' },
  thingsboardCall: {
    ...{ ...THINGSBOARD, address: 'v1/gateway/rpc', actions: ['receive', 'send'] },
    says: 'Remote calls that the configuration grants, and their replies.',
  },
  homeGateway: { ...HOME, address: 'homeassistant/device/{gateway}/config', says: 'Discovery of the gateway.' },
  homeDevice: { ...HOME, address: 'homeassistant/device/{gateway}_{device}/config', says: 'Discovery of a device.' },
  homeStatus: { ...HOME, address: `${HOME_ROOT}/status`, says: 'Whether the gateway is connected.', payload: AVAILABLE },
  homeState: { ...HOME, address: `${HOME_ROOT}/state/device/{device}`, says: 'The latest values of a device.' },
  homeAvailable: {
    ...{ ...HOME, address: `${HOME_ROOT}/state/available/{device}`, payload: AVAILABLE },
    says: 'Whether the device has a value.',
  },
  homeAlarm: { ...HOME, address: `${HOME_ROOT}/state/alarm/{rule}`, says: 'The newest transition of a rule.' },
  homeSet: {
    ...{ ...HOME, address: `${HOME_ROOT}/set/{device}/{point}`, retain: false, actions: ['receive'] },
    ...{ says: 'A new value of a point, where the configuration grants it.', payload: { type: 'string' } },
  },
  homeResult: { ...HOME, address: `${HOME_ROOT}/answer/result/{id}`, says: 'The result of a command.', retain: false },
  homeBirth: {
    ...{ ...HOME, address: 'homeassistant/status', retain: false, actions: ['receive'] },
    ...{ says: 'Home Assistant starts; the gateway then sends discovery again.', payload: AVAILABLE },
  },
  sparkplugNodeBirth: { ...SPARKPLUG, address: 'spBv1.0/{group}/NBIRTH/{node}', says: 'The gateway is there, with its metrics.' },
  sparkplugNodeData: { ...SPARKPLUG, address: 'spBv1.0/{group}/NDATA/{node}', says: 'Changes of metrics of the gateway.' },
  sparkplugNodeDeath: { ...SPARKPLUG, qos: 1, address: 'spBv1.0/{group}/NDEATH/{node}', says: 'The gateway is gone.' },
  sparkplugNodeCommand: {
    ...COMMAND,
    address: 'spBv1.0/{group}/NCMD/{node}',
    says: 'A command to the gateway, for example a rebirth.',
  },
  sparkplugBirth: {
    ...SPARKPLUG,
    address: 'spBv1.0/{group}/DBIRTH/{node}/{device}',
    says: 'A device is there, with its points.',
  },
  sparkplugData: { ...SPARKPLUG, address: 'spBv1.0/{group}/DDATA/{node}/{device}', says: 'Readings of a device.' },
  sparkplugDeath: { ...SPARKPLUG, address: 'spBv1.0/{group}/DDEATH/{node}/{device}', says: 'A device is silent.' },
  sparkplugCommand: {
    ...{ ...COMMAND, address: 'spBv1.0/{group}/DCMD/{node}/{device}' },
    says: 'A new value of a point, where the configuration grants it.',
  },
  sparkplugHost: {
    ...COMMAND,
    qos: 1,
    address: 'spBv1.0/STATE/{host}',
    says: 'Whether the primary host is there.',
    payload: OBJECT,
  },
} as const satisfies Readonly<Record<string, OwnTopic>>;

const topics: readonly (readonly [string, OwnTopic])[] = Object.entries(OWN_TOPICS);

/** @param parameters descriptions by name, of the parameters of an address @returns channels by name */
export function ownChannels(parameters: (address: string) => Json): Json {
  return Object.fromEntries(
    topics.map(([name, { format, address, says }]) => [
      name,
      {
        ...{ address, description: `${says} Only with \`format: ${format}\`.` },
        servers: (format === 'homeassistant' ? ['embedded', 'upstream'] : ['upstream']).map((at) => ({
          $ref: `#/servers/${at}`,
        })),
        parameters: parameters(address),
        messages: { [name]: { $ref: `#/components/messages/${name}` } },
      },
    ]),
  );
}

/** @returns operations by name */
export function ownOperations(): Json {
  return Object.fromEntries(
    topics.flatMap(([name, { says, qos, retain, actions }]) =>
      actions.map((action) => [
        `${action}${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
        {
          ...{ action, summary: says, channel: { $ref: `#/channels/${name}` } },
          messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
          bindings: { mqtt: { qos, ...(action === 'send' ? { retain } : {}), bindingVersion: '0.2.0' } },
        },
      ]),
    ),
  );
}

function contentTypeOf(payload: Json): string {
  if (payload === PROTOBUF) return 'application/octet-stream';
  return payload === OBJECT ? 'application/json' : 'text/plain';
}

/** @returns messages by name; the pages of the formats describe their content */
export function ownMessages(): Json {
  return Object.fromEntries(
    topics.map(([name, { format, says, payload }]) => [
      name,
      {
        ...{ name, summary: says, description: `See docs/reference/formats/${format}.md.` },
        ...{ contentType: contentTypeOf(payload), payload, 'x-format': format },
      },
    ]),
  );
}
