/** What the tables of messages and topics consist of, and how they become parts of the description. */
import * as z from 'zod';

export type Json = Readonly<Record<string, unknown>>;
export type BrokerName = 'embedded' | 'upstream';

/** A message. Its payload has a schema of zod, or is no JSON of ours, and then it says what JSON Schema can say of it. */
export interface Message {
  readonly summary: string;
  /** JSON with this schema. */
  readonly schema?: z.ZodType;
  /** A text or bytes. */
  readonly payload?: Json;
  readonly contentType?: string;
  /** The value of `format:` of a forwarder. */
  readonly format?: string;
  /** Where its bytes are described, for a payload without a schema. */
  readonly page?: string;
  /** Another program makes it, so a key that is not here is no fault. Absent: the gateway makes it. */
  readonly foreign?: true;
  /** The gateway refuses a key that is not here. */
  readonly closed?: true;
}

/** Bytes. A page describes them. */
export const BINARY = { type: 'string', format: 'binary' } as const;

/** A topic of one format, or of one broker. */
export interface OwnTopic {
  /** The value of `format:` of a forwarder. Absent: any. */
  readonly format?: string;
  readonly address: string;
  readonly says: string;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** Names of messages that the gateway publishes, and of those that it takes. */
  readonly sends?: readonly string[];
  readonly receives?: readonly string[];
  readonly brokers: readonly BrokerName[];
}

/** @param messages names of both tables */
export function channel({ format, address, says, brokers, sends = [], receives = [] }: OwnTopic, parameters: Json): Json {
  return {
    ...{ address, description: format === undefined ? says : `${says} Only with \`format: ${format}\`.` },
    servers: brokers.map((at) => ({ $ref: `#/servers/${at}` })),
    parameters,
    messages: Object.fromEntries([...sends, ...receives].map((one) => [one, { $ref: `#/components/messages/${one}` }])),
  };
}

/** One for each direction. @param name of the channel */
export function operations(name: string, { says, qos, retain, sends = [], receives = [] }: OwnTopic): [string, Json][] {
  return (
    [
      ['send', sends],
      ['receive', receives],
    ] as const
  )
    .filter(([, messages]) => messages.length > 0)
    .map(([action, messages]) => [
      `${action}${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
      {
        ...{ action, summary: says, channel: { $ref: `#/channels/${name}` } },
        messages: messages.map((message) => ({ $ref: `#/channels/${name}/messages/${message}` })),
        bindings: { mqtt: { qos, ...(action === 'send' ? { retain } : {}), bindingVersion: '0.2.0' } },
      },
    ]);
}

export function messageOf(name: string, message: Message): Json {
  const { summary, schema, payload, format, page = format, contentType = 'application/json' } = message;
  return {
    ...{ name, summary },
    ...(page === undefined || page === 'json' ? {} : { description: `See docs/reference/formats/${page}.md.` }),
    contentType,
    payload: schema === undefined ? payload : { $ref: `#/components/schemas/${name}` },
    ...(format === undefined ? {} : { 'x-format': format }),
  };
}

/** Later versions may add keys to a message, so the schemas do not forbid them. A command with another key is refused. */
export function publishedSchema(schema: z.ZodType, closed = false): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    ...{ io: 'output', target: 'draft-7', unrepresentable: 'any' },
    override: ({ jsonSchema }) => {
      if (!closed && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return json;
}
