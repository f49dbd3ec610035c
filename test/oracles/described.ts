/**
 * Holds real messages against the description of the topics, both ways: each message fits, a further key anywhere in it is
 * refused by the schema of the source, and the published schema takes both. It notes which keys it saw.
 */
import assert from 'node:assert/strict';
import { Ajv, type ValidateFunction } from 'ajv';
import type * as z from 'zod';
import { MESSAGES, type MessageName, topicsDescription } from '../../src/admin/asyncapi/description.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** A key that no message has; it is also no name of a point. */
const FURTHER = 'Further Key';

const { components } = topicsDescription() as { readonly components: { readonly schemas: Readonly<Record<string, Schema>> } };

export class Described {
  readonly #published = new Map<MessageName, ValidateFunction>();
  readonly #seen = new Map<MessageName, Set<string>>();

  /** How many messages of that name fitted. */
  readonly counts = new Map<MessageName, number>();

  /** @param payload JSON @throws AssertionError */
  holds(name: MessageName, payload: string, where: string): void {
    const schema = schemaOf(name);
    const message = JSON.parse(payload) as unknown;
    const words = `${where}: ${name} ${payload.slice(0, 400)}`;
    const { success, error } = schema.safeParse(message);
    assert.ok(success, `${words}\n${error?.message}`);
    const published = this.#publishedOf(name);
    assert.ok(published(message), `${words}\n${JSON.stringify(published.errors)}`);
    // Data of an event and lists of names by point are open: the schema says what their values are.
    for (const other of withFurtherKey(message)) assert.equal(schema.safeParse(other).success, false, JSON.stringify(other));
    const seen = this.#seen.get(name) ?? new Set<string>();
    this.#seen.set(name, note(message, components.schemas[name] as Schema, '', seen));
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Keys of the schema that no message had. */
  unseen(name: MessageName): string[] {
    const all = new Set<string>();
    collect(components.schemas[name] as Schema, '', all);
    return [...all].filter((key) => this.#seen.get(name)?.has(key) !== true).sort();
  }

  #publishedOf(name: MessageName): ValidateFunction {
    const known = this.#published.get(name) ?? new Ajv({ strict: false }).compile(components.schemas[name] as Schema);
    this.#published.set(name, known);
    return known;
  }
}

function schemaOf(name: MessageName): z.ZodType {
  const message = MESSAGES[name];
  if (!('schema' in message)) throw new Error(`${name} has no schema`);
  return message.schema;
}

/** The message again and again, each time with one more key in one of its objects. */
function* withFurtherKey(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) for (const other of withFurtherKey(item)) yield value.with(i, other);
  } else if (typeof value === 'object' && value !== null) {
    yield { ...value, [FURTHER]: {} };
    for (const [key, item] of Object.entries(value)) for (const other of withFurtherKey(item)) yield { ...value, [key]: other };
  }
}

function variants(schema: Schema): readonly Schema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(variants), ...(schema.oneOf ?? []).flatMap(variants)];
}

function collect(schema: Schema, at: string, into: Set<string>): void {
  for (const { properties, additionalProperties, items } of variants(schema)) {
    for (const [key, of] of Object.entries(properties ?? {})) {
      into.add(`${at}.${key}`);
      collect(of, `${at}.${key}`, into);
    }
    if (typeof additionalProperties === 'object') collect(additionalProperties, `${at}.*`, into);
    if (items !== undefined) collect(items, `${at}[]`, into);
  }
}

function note(value: unknown, schema: Schema, at: string, into: Set<string>): Set<string> {
  for (const { properties, additionalProperties, items } of variants(schema)) {
    if (Array.isArray(value) && items !== undefined) for (const item of value) note(item, items, `${at}[]`, into);
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      const own = properties?.[key];
      if (own !== undefined) note(item, own, `${at}.${key}`, into.add(`${at}.${key}`));
      else if (typeof additionalProperties === 'object') note(item, additionalProperties, `${at}.*`, into);
    }
  }
  return into;
}
