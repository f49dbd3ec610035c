/** Messages and topics that the formats `aws-iot` and `azure-iot-hub` have beside those of docs/reference/topics.md. */

import { count } from '../openapi/parts.ts';
import { callMessage } from './command.ts';
import { inventory } from './messages.ts';
import type { Message, OwnTopic } from './parts.ts';

export const CLOUD_MESSAGES = {
  inventoryPart: {
    summary: 'A part of an inventory that is too large for a message.',
    schema: inventory.extend({ part: count('the number of this part, from 1'), parts: count('how many there are') }),
  },
  azureCall: {
    summary: 'The keys of a command without `id` and `do`. Empty: there are none.',
    ...{ schema: callMessage, format: 'azure-iot-hub', closed: true },
  },
} as const satisfies Readonly<Record<string, Message>>;

const UP = { qos: 1, retain: false, brokers: ['upstream'] } as const;
const AWS = { ...UP, format: 'aws-iot' } as const;
const AZURE = { ...UP, format: 'azure-iot-hub' } as const;
/** What a message is stands in the properties behind this. */
const events = (properties: string) => ({ address: `devices/{hubDevice}/messages/events/{marks}&kind=${properties}` });

export const CLOUD_TOPICS = {
  awsData: {
    ...{ ...AWS, address: '$aws/rules/{awsRule}/sluice/{gateway}/data', sends: ['batch'] },
    says: 'Current readings by basic ingest: a rule of AWS gets them, and no subscriber does.',
  },
  awsHistory: {
    ...{ ...AWS, address: '$aws/rules/{awsRule}/sluice/{gateway}/history', sends: ['batch'] },
    says: 'Readings that an outage kept back, by basic ingest.',
  },
  awsInventory: {
    ...{ ...AWS, retain: true, address: 'sluice/{gateway}/inventory/{part}', sends: ['inventoryPart', 'cleared'] },
    says: 'A part of an inventory that does not fit into a message.',
  },
  azureData: { ...AZURE, ...events('data'), says: 'Current readings.', sends: ['batch'] },
  azureHistory: { ...AZURE, ...events('history'), says: 'Readings that an outage kept back.', sends: ['batch'] },
  azureAlarm: { ...AZURE, ...events('alarm&rule={rule}'), says: 'Every transition of an alarm, in order.', sends: ['alarm'] },
  azureEvent: {
    ...{ ...AZURE, ...events('event&event={event}') },
    ...{ says: 'Events that an operator should know.', sends: ['event'] },
  },
  azureStatus: {
    ...{ ...AZURE, ...events('status'), says: 'The state of the connection. The will says that the gateway was lost.' },
    sends: ['status'],
  },
  azureInventory: {
    ...{ ...AZURE, ...events('inventory'), says: 'The devices and points, or a part of them.' },
    sends: ['inventory', 'inventoryPart'],
  },
  azureResult: {
    ...{ ...AZURE, ...events('result&id={id}'), sends: ['result'] },
    says: 'The answer to a command that came as a cloud-to-device message.',
  },
  azureResend: { ...AZURE, ...events('resend&id={id}'), says: 'Records again, on request.', sends: ['resent'] },
  azureMessage: {
    ...{ ...AZURE, address: 'devices/{hubDevice}/messages/devicebound/{properties}', receives: ['command'] },
    says: 'A cloud-to-device message: a whole command.',
  },
  azureMethod: {
    ...{ ...AZURE, address: '$iothub/methods/POST/{method}/?$rid={request}', receives: ['azureCall'] },
    says: 'A direct method: its name is the `do` of a command.',
  },
  azureMethodResult: {
    ...{ ...AZURE, address: '$iothub/methods/res/{status}/?$rid={request}', sends: ['result'] },
    says: 'The answer to a direct method.',
  },
} as const satisfies Readonly<Record<string, OwnTopic>>;
