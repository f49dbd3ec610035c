/**
 * The description of the API in OpenAPI 3.1, made from the table of routes and the schemas that check requests. A test holds
 * docs/reference/openapi.json equal to it, and another one asks every route and checks each answer against it.
 */
import * as z from 'zod';
import { PERMISSIONS } from '../../access/roles.ts';
import { VERSION } from '../../core/version.ts';
import { SECURE_COOKIES } from '../cookies.ts';
import { JSON_TYPE, LINES_TYPE } from '../respond.ts';
import type { Route } from '../routes/route.ts';
import { ANSWERS } from './answers.ts';

/** The part of JSON Schema 2020-12 that is met here. */
export interface Schema {
  $ref?: string;
  type?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  const?: unknown;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  additionalProperties?: unknown;
  contentSchema?: Schema;
  [other: string]: unknown;
}
export interface Parameter {
  readonly name: string;
  readonly in: 'query';
  readonly required: boolean;
  readonly description?: string | undefined;
  readonly schema: Schema;
}
interface Content {
  readonly [type: string]: { readonly schema: Schema; readonly example?: object | undefined };
}
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  /** The least role that may. */
  readonly 'x-role': string;
  /** Empty: nobody has to log in. */
  readonly security?: readonly object[];
  /** An example of the query or the body. */
  readonly 'x-example'?: object;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: Content }>>;
}
export interface Description {
  readonly openapi: '3.1.0';
  readonly info: object;
  readonly servers: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly securitySchemes: object };
  /** One of these. */
  readonly security: readonly object[];
}

const ERROR: Schema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: {
        code: { type: 'string', description: 'a code of the errors' },
        message: { type: 'string', description: 'what is wrong and what to do, in words' },
      },
      required: ['code', 'message'],
    },
  },
  required: ['error'],
};

/** On the Unix socket the kernel says who calls. */
const SECURITY = {
  token: { type: 'http', scheme: 'bearer', description: 'a token, of `sluice token add`' },
  session: {
    ...{ type: 'apiKey', in: 'cookie', name: SECURE_COOKIES.session },
    description: 'a session; a POST also needs the header `X-Sluice-CSRF` and the `Origin` of the gateway',
  },
} as const;

let text: string | undefined;

/** Made once. */
export function descriptionText(routes: readonly Route[]): string {
  text ??= `${JSON.stringify(description(routes))}\n`;
  return text;
}

export function description(routes: readonly Route[]): Description {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    path[route.method.toLowerCase()] = operationOf(route);
    paths[route.path] = path;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice gateway',
      version: VERSION,
      description:
        'The calls that a gateway answers on its Unix socket and over HTTPS. `x-role` is the least role that may call.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'the gateway' }],
    paths,
    components: { schemas: { ...answerSchemas(), Error: ERROR }, securitySchemes: SECURITY },
    security: Object.keys(SECURITY).map((name) => ({ [name]: [] })),
  };
}

function operationOf(route: Route): Operation {
  const { method, path, says, input, action, example } = route;
  const asked = input === undefined ? undefined : inputSchema(input);
  const needed = asked !== undefined && 'required' in asked ? (asked.required ?? []) : [];
  return {
    operationId: operationId(method, path),
    summary: says,
    tags: [tagOf(path)],
    'x-role': PERMISSIONS[action],
    ...(PERMISSIONS[action] === 'everybody' ? { security: [] } : {}),
    ...(method === 'GET' && asked !== undefined
      ? { parameters: parametersOf(asked), ...(example === undefined ? {} : { 'x-example': example }) }
      : {}),
    ...(method === 'POST' && asked !== undefined
      ? {
          requestBody: {
            required: needed.length > 0 || asked.oneOf !== undefined,
            content: { 'application/json': { schema: asked, example } },
          },
        }
      : {}),
    responses: {
      '200': { description: 'done', content: contentOf(route) },
      ...Object.fromEntries(
        (route.answers.statuses ?? []).map((status) => [String(status), { description: 'not ready', content: contentOf(route) }]),
      ),
      default: {
        description: 'refused or failed, with the reason in words',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function contentOf({ answers }: Route): Content {
  return Object.fromEntries(
    answers.types.map((full) => {
      const [type = full] = full.split(';');
      const ref = answers.schema === undefined ? undefined : { $ref: `#/components/schemas/${answers.schema}` };
      if (full === JSON_TYPE && ref !== undefined) return [type, { schema: ref }];
      const lines = full === LINES_TYPE ? { description: 'one JSON object a line', contentMediaType: type } : {};
      return [type, { schema: { type: 'string', ...lines, ...(ref === undefined ? {} : { contentSchema: ref }) } }];
    }),
  );
}

function parametersOf({ properties = {}, required = [] }: Schema): Parameter[] {
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: 'query', required: required.includes(name), description, schema },
  }));
}

function inputSchema(schema: z.ZodType): Schema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' });
  return json as Schema;
}

/** Later versions may add keys to an answer, so the schemas do not forbid them. */
function answerSchemas(): Record<string, Schema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(ANSWERS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    ...{ io: 'output', target: 'draft-2020-12', unrepresentable: 'any', uri: (id) => `#/components/schemas/${id}` },
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema as Schema]));
}

/** `POST /api/v1/users/add` is `postUsersAdd`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace('/api/v1', '')
    .split(/[^a-z]+/)
    .filter((word) => word !== '' && word !== 'json');
  return method.toLowerCase() + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

function tagOf(path: string): string {
  if (/users|tokens|claim|session/.test(path)) return 'accounts';
  if (/flows/.test(path)) return 'flows';
  if (/export|history|alarm-changes|removed|waiting|bundle|receipt/.test(path)) return 'log';
  if (/exchange|capture/.test(path)) return 'wire';
  return /read$|write|acknowledge|shelve|reset|service|reload|resend/.test(path) ? 'commands' : 'state';
}
