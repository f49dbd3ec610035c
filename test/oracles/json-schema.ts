/** Checks a value against JSON Schema as an editor would, for the keywords that our file uses; any other is an error of the test. */
import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from '../../src/config/json-schema.ts';

const SILENT = new Set([
  '$schema',
  'title',
  'description',
  'definitions',
  'default',
  'format',
  'properties',
  'required',
  'additionalProperties',
]);

/** @param root the whole schema, which has the definitions */
export function schemaFaults(schema: JsonSchema, value: unknown, at = '$', root: JsonSchema = schema): string[] {
  const faults: string[] = [];
  const fault = (text: string) => void faults.push(`${at}: ${text}`);
  const object =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  for (const [keyword, rule] of Object.entries(schema)) {
    switch (keyword) {
      case 'type':
        if (![rule].flat().some((type) => hasType(value, String(type)))) fault(`is no ${String(rule)}`);
        break;
      case 'enum':
        if (!(rule as unknown[]).some((item) => isDeepStrictEqual(item, value))) fault('is not in the list');
        break;
      case 'const':
        if (!isDeepStrictEqual(rule, value)) fault(`is not ${String(rule)}`);
        break;
      case 'pattern':
        if (typeof value === 'string' && !new RegExp(rule as string, 'u').test(value)) fault(`does not match ${rule as string}`);
        break;
      case 'minLength':
      case 'maxLength':
        if (typeof value === 'string' && (keyword === 'minLength' ? value.length < Number(rule) : value.length > Number(rule)))
          fault(keyword);
        break;
      case 'minItems':
      case 'maxItems':
        if (Array.isArray(value) && (keyword === 'minItems' ? value.length < Number(rule) : value.length > Number(rule)))
          fault(keyword);
        break;
      case 'minimum':
        if (typeof value === 'number' && value < Number(rule)) fault('is too small');
        break;
      case 'maximum':
        if (typeof value === 'number' && value > Number(rule)) fault('is too big');
        break;
      case 'exclusiveMinimum':
        if (typeof value === 'number' && value <= Number(rule)) fault('is too small');
        break;
      case 'items':
        if (Array.isArray(value))
          for (const [i, item] of value.entries()) faults.push(...schemaFaults(rule as JsonSchema, item, `${at}[${i}]`, root));
        break;
      case 'propertyNames':
        for (const key of Object.keys(object ?? {}))
          faults.push(...schemaFaults(rule as JsonSchema, key, `${at} key ${key}`, root));
        break;
      case '$ref': {
        const named = root.definitions?.[String(rule).replace('#/definitions/', '')];
        if (named === undefined) throw new Error(`the schema has no definition ${String(rule)}`);
        faults.push(...schemaFaults(named, value, at, root));
        break;
      }
      case 'anyOf':
        if (!(rule as JsonSchema[]).some((one) => schemaFaults(one, value, at, root).length === 0)) fault('fits no variant');
        break;
      case 'oneOf':
        if ((rule as JsonSchema[]).filter((one) => schemaFaults(one, value, at, root).length === 0).length !== 1)
          fault('does not fit exactly one variant');
        break;
      case 'allOf':
        for (const one of rule as JsonSchema[]) faults.push(...schemaFaults(one, value, at, root));
        break;
      default:
        if (!SILENT.has(keyword)) throw new Error(`the checker does not know the keyword ${keyword}`);
    }
  }
  if (object !== undefined) {
    for (const key of schema.required ?? []) if (!Object.hasOwn(object, key)) fault(`lacks ${key}`);
    for (const [key, item] of Object.entries(object)) {
      const property = schema.properties?.[key] ?? schema.additionalProperties;
      if (property === false) fault(`has the unknown key ${key}`);
      else if (typeof property === 'object') faults.push(...schemaFaults(property, item, `${at}.${key}`, root));
    }
  }
  return faults;
}

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}
