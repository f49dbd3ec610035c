/** The description of the API: its files are up to date, another program finds it valid, and it has every route. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { description, descriptionText } from '../../../src/admin/openapi/description.ts';
import { apiPage } from '../../../src/admin/openapi/page.ts';
import { ROUTES } from '../../../src/admin/routes/table.ts';

const read = (file: string) => readFileSync(path.join(import.meta.dirname, '../../../docs/reference', file), 'utf8');
const api = description(ROUTES);
const operations = Object.values(api.paths).flatMap((methods) => Object.values(methods));

test('docs/reference/openapi.json and http-api.md are up to date', () => {
  const stale = 'run node scripts/generate-docs.ts';
  assert.equal(read('openapi.json'), `${JSON.stringify(api, null, 2)}\n`, stale);
  assert.equal(read('http-api.md'), apiPage(api), stale);
});

test('a validator of others finds the description valid, and a damaged one not', async () => {
  const served = JSON.parse(descriptionText(ROUTES));
  assert.deepEqual(await new Validator().validate(served), { valid: true });
  const { valid } = await new Validator().validate({ ...served, paths: { status: {} } });
  assert.equal(valid, false);
});

test('every route is described once, with words, its own name and schemas that exist', () => {
  assert.equal(operations.length, ROUTES.length);
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  for (const { operationId, summary } of operations) assert.match(summary, /^[A-Z].*\.$/s, operationId);
  for (const [, name = ''] of JSON.stringify(api).matchAll(/"#\/components\/schemas\/([^"]+)"/g))
    assert.ok(Object.hasOwn(api.components.schemas, name), name);
});

test('every key of a request has words, and every example is a good request', () => {
  for (const { method, path: route, input, example } of ROUTES) {
    if (example !== undefined) assert.deepEqual(input?.safeParse(example).success, true, `${method} ${route}`);
    const operation = api.paths[route]?.[method.toLowerCase()];
    const body = operation?.requestBody?.content['application/json']?.schema;
    const keys = [
      ...(operation?.parameters ?? []).map(({ name, description: words }) => [name, words] as const),
      ...(body?.oneOf ?? (body === undefined ? [] : [body])).flatMap(({ properties = {} }) =>
        Object.entries(properties).map(([name, schema]) => [name, schema.description ?? schema.const] as const),
      ),
    ];
    for (const [name, words] of keys) assert.notEqual(words, undefined, `${method} ${route} ${name}`);
  }
});
