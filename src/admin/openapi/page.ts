/** The reference page of the API, made from the same description: a section for each route. */
import type { Description, Operation, Schema } from './description.ts';

const GROUPS = [
  ['state', 'State of the gateway'],
  ['log', 'Readings of the log'],
  ['commands', 'Commands'],
  ['wire', 'At the wire'],
  ['flows', 'Flows of Node-RED'],
  ['accounts', 'Sessions, users, devices, tokens and the claim'],
] as const;
const WHO: Readonly<Record<string, string>> = { everybody: 'everybody, without a log-in' };

export function apiPage({ paths, components }: Description): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const lines = [
    '<!-- Generated from the table of routes by scripts/generate-docs.ts; do not edit. -->',
    '# HTTP API',
    '',
    'This page lists every call of the API. It is for people who write programs for a gateway.',
    '',
    '[openapi.json](openapi.json) describes the same calls with every key of every answer, for programs. A gateway serves it at',
    '`/api/v1/openapi.json`. [Socket and HTTP](http.md) has the doors, the rules and the limits. [Roles](access.md) has the roles.',
    '',
    'The examples use the Unix socket. [Over HTTPS](http.md#sessions-and-tokens) the same calls need a session or a token. A POST takes',
    'JSON. A wrong or unknown key gets 400 with words that say what to write.',
    'Each error is `{"error":{"code":…,"message":…}}` with a code of [the errors](errors.md).',
    '',
    '| call | least role |',
    '|---|---|',
    ...operations.map(
      ({ method, path, operation }) => `| [\`${method} ${path}\`](#${anchor(method, path)}) | ${operation['x-role']} |`,
    ),
    '',
    ...GROUPS.flatMap(([tag, title]) => [
      ...[`## ${title}`, ''],
      ...operations
        .filter(({ operation }) => operation.tags.includes(tag))
        .flatMap(({ method, path, operation }) => section(method, path, operation, components.schemas)),
    ]),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function section(method: string, path: string, operation: Operation, schemas: Readonly<Record<string, Schema>>): string[] {
  const body = operation.requestBody?.content['application/json'];
  const query = Object.fromEntries(
    (operation.parameters ?? []).map(({ name, description, schema }) => [
      name,
      { ...schema, ...(description === undefined ? {} : { description }) },
    ]),
  );
  const required = (operation.parameters ?? []).filter((one) => one.required).map(({ name }) => name);
  const forms = body === undefined ? [{ properties: query, required }] : (body.schema.oneOf ?? [body.schema]);
  const tables = forms
    .filter(({ properties = {} }) => Object.keys(properties).length > 0)
    .map((form) => [...inputTable(form), '']);
  return [
    ...[`### \`${method} ${path}\``, ''],
    ...[linked(operation.summary), ''],
    ...[`Least role: ${WHO[operation['x-role']] ?? operation['x-role']}.`, ''],
    ...tables.flatMap((table, i) => (i === 0 ? table : ['Or:', '', ...table])),
    ...answerLines(operation, schemas),
    ...['```sh', curl(method, path, body?.example, operation['x-example']), '```', ''],
  ];
}

function inputTable({ properties = {}, required = [] }: Schema): string[] {
  return [
    ...['| key | needed | value |', '|---|---|---|'],
    ...Object.entries(properties).map(([name, schema]) => {
      const fallback = schema.default === undefined ? 'no' : `no (${code(JSON.stringify(schema.default))})`;
      return `| \`${name}\` | ${required.includes(name) ? 'yes' : fallback} | ${cell(meaning(schema))} |`;
    }),
  ];
}

function answerLines({ responses }: Operation, schemas: Readonly<Record<string, Schema>>): string[] {
  const [[type = '', { schema } = { schema: {} }] = []] = Object.entries(responses['200']?.content ?? {});
  const ref = schema.$ref ?? schema.contentSchema?.$ref;
  const named = ref === undefined ? undefined : schemas[ref.split('/').at(-1) ?? ''];
  if (named === undefined) return [`Answer: ${code(type)}.`, ''];
  const each = named.anyOf ?? [named];
  const keys = merged(each);
  if (keys.size === 0) return ['Answer: `{}`.', ''];
  return [
    ...[schema.$ref === undefined ? '| key of a line | meaning |' : '| key of the answer | meaning |', '|---|---|'],
    ...[...keys].map(([name, words]) => `| \`${name}\` | ${cell(words)} |`),
    '',
  ];
}

/** The keys of all forms of an answer; the words of the first form that has the key, or all constants. */
function merged(forms: readonly Schema[]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const { properties = {} } of forms)
    for (const [name, schema] of Object.entries(properties)) {
      const before = keys.get(name);
      if (before === undefined) keys.set(name, meaning(schema));
      else if (schema.const !== undefined && !before.includes(meaning(schema))) keys.set(name, `${before}, ${meaning(schema)}`);
    }
  return keys;
}

function meaning(schema: Schema): string {
  if (schema.description !== undefined) return schema.description;
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  const within = schema.anyOf?.find(({ description }) => description !== undefined)?.description;
  const keys = Object.keys(schema.properties ?? {});
  return within ?? keys.map(code).join(', ');
}

function curl(method: string, path: string, body: object | undefined, query: object | undefined): string {
  const asked =
    query === undefined
      ? ''
      : `?${Object.entries(query)
          .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`)
          .join('&')}`;
  const url = `http://gateway${path}${asked}`;
  const data = method === 'GET' ? '' : ` -d '${JSON.stringify(body ?? {})}'`;
  return `curl -s --unix-socket state/sluice.sock ${asked === '' ? url : `'${url}'`}${data}`;
}

/** As GitHub makes it of a heading. */
function anchor(method: string, path: string): string {
  return `${method} ${path}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-');
}

const code = (word: string): string => `\`${word}\``;
const cell = (words: string): string => linked(words).replaceAll('|', '\\|');
const linked = (words: string): string =>
  words.replace('metrics.md', '[Metrics](metrics.md)').replace('http.md', '[Socket and HTTP](http.md#open-pages)');
