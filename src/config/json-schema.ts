/** The JSON Schema of a configuration, for editors: everything the loader checks that JSON Schema can say. */
import * as z from 'zod';
import { formatDuration, formatSize } from '../core/units.ts';
import { hookSchema } from './actions.ts';
import type { Kinds } from './kinds.ts';
import { nodeRedSection } from './node-red.ts';
import { privacySection } from './privacy-keys.ts';
import { DURATION_PATTERN, name, SIZE_PATTERN } from './schema-parts.ts';
import {
  brokerSection,
  bufferSection,
  DEVICE_POINTS,
  dashboardSection,
  deviceKeys,
  gatewaySection,
  ruleSchema,
} from './sections.ts';

/** The part of JSON Schema that is met here. */
export interface JsonSchema {
  type?: string | string[];
  /** `#/definitions/condition` */
  $ref?: string;
  definitions?: Record<string, JsonSchema>;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  propertyNames?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  [other: string]: unknown;
}

/** The schema of a whole file. Devices are one of the families; which one fits follows from the bus, and the loader says so. */
export function configSchema(kinds: Kinds): z.ZodType {
  const families = [...new Map(kinds.drivers.map((kind) => [kind.family, kind])).values()];
  const devices = families.map((kind) => {
    const points = z.record(name(), z.union([allOptional(kind.point), z.null()]));
    return z.strictObject({
      ...deviceKeys,
      ...allOptional(kind.device).shape,
      points: points.optional().describe(DEVICE_POINTS),
    });
  });
  return z.strictObject({
    gateway: gatewaySection.describe('The name of this gateway and the place of its files.'),
    buses: z
      .record(name(), oneOf(kinds.drivers.map((k) => z.strictObject({ protocol: z.literal(k.protocol), ...k.bus.shape }))))
      .optional()
      .describe('The wires: serial ports and network addresses.'),
    devices: z.record(name(), oneOf(devices)).optional().describe('The instruments on the buses.'),
    rules: z.record(name(), ruleSchema(kinds)).optional().describe('The conditions that raise an alarm.'),
    hooks: z.record(name(), hookSchema).optional().describe('The programs that rules may start. No rule starts another one.'),
    buffer: bufferSection.optional().describe('The log on disk.'),
    privacy: privacySection.optional().describe('How long readings of a class are kept, and with which precision they leave.'),
    broker: brokerSection.nullish().describe('The embedded MQTT broker. Without this section there is none.'),
    forwarders: z
      .record(name(), oneOf(kinds.forwarders.map((k) => z.strictObject({ type: z.literal(k.type), ...k.forwarder.shape }))))
      .optional()
      .describe('The destinations of the log.'),
    nodeRed: nodeRedSection.nullish().describe('Node-RED beside the gateway. Without this section there is none.'),
    dashboard: dashboardSection.nullish().describe('The local HTTP interface. Without this section there is none.'),
  });
}

export function configJsonSchema(kinds: Kinds): JsonSchema {
  const json = toJson(configSchema(kinds));
  const rule = json.properties?.rules?.additionalProperties;
  if (typeof rule === 'object')
    rule.oneOf = kinds.rules.map(({ key, own }) => ({ required: own === false ? [key] : ['point', key] }));
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Sluice gateway configuration',
    ...json,
  };
}

export function toJson(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    // What the YAML language server of editors understands best.
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const def = zodSchema._zod.def;
      // A default behind a transformation is milliseconds or bytes; people write durations and sizes.
      if (def.type === 'default') {
        const value = (def as z.core.$ZodDefaultDef).defaultValue;
        const text = typeof value === 'number' ? written(value, jsonSchema.pattern) : value;
        if (typeof text !== 'object') jsonSchema.default = text as string | number | boolean;
      }
    },
  });
  return json as JsonSchema;
}

function written(value: number, pattern: string | undefined): string | number {
  if (pattern === DURATION_PATTERN.source) return formatDuration(value);
  return pattern === SIZE_PATTERN.source ? formatSize(value) : value;
}

function allOptional(schema: z.ZodObject): z.ZodObject {
  return z.strictObject(
    Object.fromEntries(Object.entries(schema.shape).map(([key, field]) => [key, (field as z.ZodType).optional()])),
  );
}

function oneOf(schemas: readonly z.ZodObject[]): z.ZodType {
  const [only, ...others] = schemas;
  if (only === undefined) return z.never();
  return others.length === 0 ? only : z.union([only, ...others]);
}
