/**
 * The description of the topics in AsyncAPI 3.0, made from the table below and the schemas of the messages. A test holds
 * docs/reference/asyncapi.json equal to it, and another one checks every message of a running gateway against it.
 */
import { VERSION } from '../../core/version.ts';
import { commandMessage } from './command.ts';
import { OWN_MESSAGES, OWN_TOPICS, SYSTEM_COUNTS } from './dialects.ts';
import { alarm, batch, event, inventory, latest, resent, result, status, summary } from './messages.ts';
import {
  BINARY,
  type BrokerName,
  channel,
  type Json,
  type Message,
  messageOf,
  type OwnTopic,
  operations,
  publishedSchema,
} from './parts.ts';
import { senmlPack } from './senml.ts';

/** The messages by name. The formats of batches have pages of their own, since their bytes are not JSON of ours. */
export const MESSAGES = {
  status: { summary: 'Whether the gateway is connected.', schema: status },
  inventory: { summary: 'Devices, points, units and types.', schema: inventory },
  batch: { summary: 'A batch of records.', schema: batch, format: 'json' },
  batchColumns: {
    ...{ summary: 'A batch of records in columns.', contentType: 'application/octet-stream', format: 'columns' },
    payload: BINARY,
  },
  batchLines: {
    ...{ summary: 'A batch of records as lines.', contentType: 'text/plain', format: 'line-protocol' },
    payload: { type: 'string', minLength: 1 },
  },
  batchSenml: {
    ...{ summary: 'A batch of records as a pack of SenML in JSON.', format: 'senml' },
    ...{ contentType: 'application/senml+json', schema: senmlPack },
  },
  batchSenmlCbor: {
    ...{ summary: 'A batch of records as a pack of SenML in CBOR.', format: 'senml' },
    ...{ contentType: 'application/senml+cbor', payload: BINARY },
  },
  value: { summary: 'The latest reading of a point.', schema: latest },
  alarm: { summary: 'A transition of an alarm.', schema: alarm },
  event: { summary: 'An event that an operator should know.', schema: event },
  action: {
    summary: 'The text of an action `publish`, as its rule gives it.',
    ...{ contentType: 'text/plain', payload: { type: 'string', maxLength: 8192 } },
  },
  command: { summary: 'A command of a platform.', schema: commandMessage, closed: true },
  result: { summary: 'The answer to a command.', schema: result },
  summary: { summary: 'Readings that a budget holds back, summed up.', schema: summary },
  resent: { summary: 'Records again, on request.', schema: resent },
  cleared: {
    summary: 'An empty message, which clears the retained message of what was removed.',
    ...{ contentType: 'text/plain', payload: { type: 'string', maxLength: 0 } },
  },
} as const satisfies Readonly<Record<string, Message>>;
export type MessageName = keyof typeof MESSAGES;

/** The parameters of topics. */
const PARAMETERS = {
  gateway: '`gateway.id` of the configuration',
  device: 'the name of a device',
  point: 'the name of a point',
  rule: 'the name of a rule',
  topic: 'the topic under `publish` of the action, with one level or more',
  id: 'the id of a command',
  group: '`sparkplug-b.group` of the forwarder',
  node: '`sparkplug-b.node` of the forwarder, or the id of the gateway',
  host: '`sparkplug-b.primaryHost` of the forwarder',
  awsRule: '`aws-iot.basicIngest` of the forwarder',
  part: 'the number of the part, from 1',
  hubDevice: '`azure-iot-hub.device` of the forwarder',
  marks: 'the pairs `$.ct` and `$.ce`, and `$.mid` where the message has a mark; encoded as in an address of the web',
  event: 'the name of the event',
  properties: 'properties of the message',
  method: 'the `do` of a command',
  request: 'the number that Azure IoT Hub gave the call',
  status: 'how it went, in the manner of HTTP',
  count: 'what is counted',
} as const;

interface Topic {
  /** Below `sluice/{gateway}`. */
  readonly topic: string;
  readonly says: string;
  /** The first one has the schema. */
  readonly messages: readonly MessageName[];
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** `receive`: the gateway subscribes. */
  readonly action: 'send' | 'receive';
  /** Where it is. */
  readonly brokers: readonly BrokerName[];
}

const BATCHES = ['batch', 'batchColumns', 'batchLines', 'batchSenml', 'batchSenmlCbor'] as const;
const BOTH = ['embedded', 'upstream'] as const;
const SENT = { qos: 1, retain: false, action: 'send', brokers: BOTH } as const;

/** The topics by name, in the order of docs/reference/topics.md. */
export const TOPICS = {
  status: {
    ...{ ...SENT, topic: 'status', messages: ['status'], retain: true },
    says: 'The state of the connection. The will says that the gateway was lost.',
  },
  inventory: {
    ...{ ...SENT, topic: 'inventory', messages: ['inventory', 'cleared'], retain: true },
    says: 'The devices and points. Batches name its revision. With `format: aws-iot` it is cleared when it comes in parts.',
  },
  data: {
    ...{ ...SENT, topic: 'data', messages: BATCHES },
    says: 'Current readings. Repeats are possible; one mark for each source, gateway, log and topic drops them.',
  },
  history: {
    ...{ ...SENT, topic: 'history', messages: BATCHES, brokers: ['upstream'] },
    says: 'Readings that an outage kept back. A record is on this topic or on data, and never on both.',
  },
  summary: {
    ...{ ...SENT, topic: 'summary', messages: ['summary'], brokers: ['upstream'] },
    says: 'Count, minimum, mean and maximum of readings that a budget holds back. It moves no mark.',
  },
  value: {
    ...{ ...SENT, topic: 'value/{device}/{point}', messages: ['value', 'cleared'], qos: 0, retain: true, brokers: ['embedded'] },
    says: 'The latest reading of a point. Values in between are left out here.',
  },
  alarm: {
    ...{ ...SENT, topic: 'alarm/{rule}', messages: ['alarm', 'cleared'], retain: true },
    says: 'Every transition of an alarm, in order. The retained copy may come before older ones; store by key.',
  },
  event: {
    ...{ ...SENT, topic: 'event', messages: ['event'] },
    says: 'Events that an operator should know. Store by key.',
  },
  action: {
    ...{ ...SENT, topic: 'action/{rule}/{topic}', messages: ['action'] },
    says: 'A message of a rule, at the broker that the rule names. An interruption in the middle can repeat it.',
  },
  command: {
    ...{ ...SENT, topic: 'command', messages: ['command'], action: 'receive' },
    says: 'Commands that the configuration grants. A message has at most 8 KB, one with a configuration at most 60 KB, and no retain flag.',
  },
  result: {
    ...{ ...SENT, topic: 'result/{id}', messages: ['result'] },
    says: 'The answer to the command with this id.',
  },
  resend: {
    ...{ ...SENT, topic: 'resend/{id}', messages: ['resent'] },
    says: 'Records again, on request. They move no mark; store by key.',
  },
} as const satisfies Readonly<Record<string, Topic>>;

/** All topics by name, with their addresses. */
export function channels(): readonly (readonly [name: string, topic: OwnTopic])[] {
  const common = Object.entries(TOPICS as Readonly<Record<string, Topic>>).map(
    ([name, { topic, action, messages, ...others }]) =>
      [name, { ...others, address: `sluice/{gateway}/${topic}`, [action === 'send' ? 'sends' : 'receives']: messages }] as const,
  );
  return [...common, ...Object.entries<OwnTopic>(OWN_TOPICS)];
}

/** @returns JSON that is valid against the published schema of AsyncAPI 3.0.0 */
export function topicsDescription(): Json {
  const all = channels();
  const messages: readonly (readonly [string, Message])[] = Object.entries({ ...MESSAGES, ...OWN_MESSAGES });
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Topics of a Sluice gateway',
      version: VERSION,
      description:
        'Messages that a gateway publishes and takes over MQTT. Later versions may add keys, so the schemas do not forbid other keys. A ' +
        'forwarder with `format: thingsboard`, `homeassistant`, `sparkplug-b` or `azure-iot-hub` has the topics that name this format, and ' +
        'not the others. One with `aws-iot` has both. With `compress` a payload of `data` and `history` is what is described here, ' +
        'compressed. Devices that publish to the embedded broker have topics of their own, which their profiles name.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      upstream: {
        ...{ host: '{broker}', protocol: 'mqtt', protocolVersion: '3.1.1', description: 'the broker of a forwarder' },
        variables: { broker: { description: 'name and port of `url` of the forwarder', default: 'broker.example:1883' } },
      },
      embedded: {
        ...{ host: '{listen}', protocol: 'mqtt', protocolVersion: '3.1.1', description: 'the broker of the gateway' },
        variables: { listen: { description: 'address and port of `broker.listen`', default: '127.0.0.1:1883' } },
      },
    },
    channels: Object.fromEntries(all.map(([name, topic]) => [name, channel(topic, parametersOf(topic.address))])),
    operations: Object.fromEntries(all.flatMap(([name, topic]) => operations(name, topic))),
    components: {
      messages: Object.fromEntries(messages.map(([name, message]) => [name, messageOf(name, message)])),
      schemas: Object.fromEntries(
        messages.flatMap(([name, { schema, closed }]) => (schema === undefined ? [] : [[name, publishedSchema(schema, closed)]])),
      ),
    },
  };
}

function parametersOf(address: string): Json {
  return Object.fromEntries(
    Object.entries(PARAMETERS).flatMap(([name, description]) =>
      address.includes(`{${name}}`) ? [[name, { description, ...(name === 'count' && { enum: SYSTEM_COUNTS }) }]] : [],
    ),
  );
}
