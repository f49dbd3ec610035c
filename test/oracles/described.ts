/**
 * Holds real messages against the description of the topics, both ways: each message fits, a further key anywhere in it is
 * refused by the schema of the source, and the published schema takes both. It notes which keys it saw.
 */
import assert from 'node:assert/strict';
import { Ajv, type ValidateFunction } from 'ajv';
import { MESSAGES, type MessageName, topicsDescription } from '../../src/admin/asyncapi/description.ts';
import { OWN_MESSAGES } from '../../src/admin/asyncapi/dialects.ts';
import type { Message } from '../../src/admin/asyncapi/parts.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

export type DescribedName = MessageName | keyof typeof OWN_MESSAGES;

/** Letters of a message of which not each object gets a further key, and how many then do: an inventory can have thousands. */
const LARGE = 20_000;
const MOST_PLACES = 20;
/** A key that no message has; it is also no name of a point. */
const FURTHER = 'Further Key';

const messages: Readonly<Record<DescribedName, Message>> = { ...MESSAGES, ...OWN_MESSAGES };
const { components } = topicsDescription() as { readonly components: { readonly schemas: Readonly<Record<string, Schema>> } };

export class Described {
  readonly #published = new Map<DescribedName, ValidateFunction>();
  readonly #seen = new Map<DescribedName, Set<string>>();

  /** How many messages of that name fitted. */
  readonly counts = new Map<DescribedName, number>();

  /** @param payload JSON @throws AssertionError */
  holds(name: DescribedName, payload: string, where: string): void {
    const { schema, closed, foreign } = messages[name];
    if (schema === undefined) throw new Error(`${name} has no schema`);
    const message = JSON.parse(payload) as unknown;
    const words = `${where}: ${name} ${payload.slice(0, 400)}`;
    const { success, error } = schema.safeParse(message);
    assert.ok(success, `${words}\n${error?.message}`);
    const published = this.#publishedOf(name);
    assert.ok(published(message), `${words}\n${JSON.stringify(published.errors)}`);
    // Data of an event and lists of names by point are open: the schema says what their values are.
    if (foreign !== true)
      for (const other of withFurtherKey(message).take(payload.length > LARGE ? MOST_PLACES : LARGE)) {
        assert.equal(schema.safeParse(other).success, false, `${name} ${JSON.stringify(other)}`);
        if (closed) assert.equal(published(other), false, `${name} ${JSON.stringify(other)}`);
      }
    const seen = this.#seen.get(name) ?? new Set<string>();
    this.#seen.set(name, note(message, components.schemas[name] as Schema, '', seen));
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Keys of the schema that no message had. */
  unseen(name: DescribedName): string[] {
    const all = new Set<string>();
    collect(components.schemas[name] as Schema, '', all);
    return [...all].filter((key) => this.#seen.get(name)?.has(key) !== true).sort();
  }

  #publishedOf(name: DescribedName): ValidateFunction {
    const known = this.#published.get(name) ?? new Ajv({ strict: false }).compile(components.schemas[name] as Schema);
    this.#published.set(name, known);
    return known;
  }
}

/** The message again and again, each time with one more key in one of its objects. */
function* withFurtherKey(value: unknown): Generator<unknown, void, undefined> {
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
