/** Random bodies and queries at every route: never a fault of the gateway itself, and a refused request reaches nothing. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import { description, type Schema } from '../../../src/admin/openapi/description.ts';
import { ROUTES } from '../../../src/admin/routes/table.ts';
import type { AdminTarget } from '../../../src/admin/target.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { callAll } from '../../harness/api-call.ts';
import { scratch } from '../../harness/scratch.ts';

const RUNS = 600;
const api = description(ROUTES);
const ASKS = ['now', 'status', 'ready', 'permit', 'people', 'names', 'live'];
const keysOf = (schema: Schema | undefined): string[] =>
  [...(schema?.oneOf ?? []), ...(schema === undefined ? [] : [schema])].flatMap(({ properties = {} }) => Object.keys(properties));

const word = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    'fridge',
    'fridge.temperature',
    'read',
    'identify',
    'holding',
    'viewer',
    '24h',
    'csv',
    'alarms',
    '0123456789',
    '1e400',
  ),
);
const value = fc.oneof(
  { depthSize: 'small' },
  fc.jsonValue({ maxDepth: 2 }),
  word,
  fc.constantFrom(0, -1, 1.5, 1e300, Number.MAX_SAFE_INTEGER, true, null),
);
const odd = fc.constantFrom('__proto__', 'constructor', 'toString', '', 'nosuch');

/** A route, and a body or query made of its keys and of others. */
const asked = fc.constantFrom(...ROUTES).chain((route) => {
  const operation = api.paths[route.path]?.[route.method.toLowerCase()];
  const body = operation?.requestBody?.content['application/json']?.schema;
  const known = [...keysOf(body), ...(operation?.parameters ?? []).map(({ name }) => name)];
  const key = known.length === 0 ? odd : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...known) }, odd);
  const pairs = fc.array(fc.tuple(key, value), { maxLength: 7 });
  return fc.tuple(fc.constant(route), pairs, fc.string({ maxLength: 8 }), fc.nat(20));
});

test('random bodies and queries never fail the gateway, and a refused one reaches nothing', async (t) => {
  const reached: string[] = [];
  const fake = new FakeTarget();
  const target = new Proxy<AdminTarget>(fake, {
    get: (of, name, receiver) => {
      if (typeof name === 'string' && !ASKS.includes(name)) reached.push(name);
      const got: unknown = Reflect.get(of, name, receiver);
      return typeof got === 'function' ? got.bind(of) : got;
    },
  });
  const socketPath = path.join(scratch(t, 'random'), 'sluice.sock');
  const server = new AdminServer({ target, socketPath, logger: silentLogger, clock: systemClock });
  t.after(() => server.stop());
  await server.start();
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(asked, async ([route, pairs, junk, choice]) => {
      const query = pairs
        .map(([key, of]) => `${encodeURIComponent(key)}=${encodeURIComponent(typeof of === 'string' ? of : JSON.stringify(of))}`)
        .join('&');
      // Written by hand, so that `__proto__` is a key and a key may stand twice.
      const json = `{${pairs.map(([key, of]) => `${JSON.stringify(key)}:${JSON.stringify(of)}`).join(',')}}`;
      const body = route.method === 'GET' ? undefined : choice === 0 ? junk : json;
      const at = route.method === 'GET' ? `${route.path}?${query}` : route.path;
      reached.length = 0;
      const [answer] = await callAll({ socketPath }, [{ method: route.method, path: at, body, until: 'head' }]);
      const { status = 0, text = '' } = answer ?? {};
      seen.set(status, (seen.get(status) ?? 0) + 1);
      assert.notEqual(status, 500, `${route.method} ${at} ${body}: ${text}`);
      if (status === 400) {
        const { code, message } = JSON.parse(text).error;
        assert.ok(code.length > 0 && message.length > 5, text);
        // The sessions of the socket, and the bounds of accounts, are not matters of the schema.
        assert.deepEqual(reached, [], `${route.method} ${at} ${body}: ${text}`);
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok((seen.get(200) ?? 0) > 20 && (seen.get(400) ?? 0) > 100, `${JSON.stringify([...seen])}`);
});
