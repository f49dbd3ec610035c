/**
 * The description that a gateway serves, walked: every call without credentials and with each role, on the socket and over HTTPS
 * with tokens and sessions. Each answer is checked against its schema. A call that is missing in the table of expectations fails.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { request } from '../../../src/admin/client.ts';
import type { Description, Operation, Schema } from '../../../src/admin/openapi/description.ts';
import { ROUTE_PERMISSIONS } from '../../../src/admin/routes/table.ts';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { answerTcp, fakeTcp, withMbap } from '../../fakes/modbus-device.ts';
import { type ApiAnswer, type ApiCall, callAll } from '../../harness/api-call.ts';
import { callersSite, GROUP, type Site, USER } from '../../harness/callers-site.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const PASSWORD = 'correct horse battery';
const ROLES = ['viewer', 'flow-editor', 'operator', 'administrator'] as const;
type Role = (typeof ROLES)[number];
type Way = 'socket' | 'token' | 'session';

interface Expected {
  /** Query or body. @param who a word of its own for each walk */
  readonly asked?: (who: string) => object;
  /** Status for a caller who may; 200. */
  readonly status?: number | Readonly<Record<Way, number>>;
  readonly until?: ApiCall['until'];
}

const named = (who: string) => ({ name: `u-${who}` });
const TABLE: Readonly<Record<string, Expected>> = {
  'GET /healthz': {},
  // The folder of this site is open to others, and the gateway does not trust it with the newest readings.
  'GET /readyz': { status: 503 },
  'GET /metrics': {},
  'GET /api/v1/status': {},
  'GET /api/v1/tail': { until: 'head' },
  'GET /api/v1/live': { until: 'line' },
  'GET /api/v1/openapi.json': {},
  'GET /api/v1/export': { asked: () => ({ format: 'jsonl' }) },
  'GET /api/v1/history': { asked: () => ({ point: 'pump.speed' }) },
  'GET /api/v1/alarm-changes': { asked: () => ({ point: 'pump.speed' }) },
  'GET /api/v1/removed': {},
  'GET /api/v1/waiting': {},
  'GET /api/v1/bundle-key': {},
  // This site has no forwarder with a platform.
  'POST /api/v1/bundle': { asked: () => ({}), status: 404 },
  'POST /api/v1/receipt': { asked: () => ({ receipt: '{}' }), status: 422 },
  'POST /api/v1/read': { asked: () => ({ device: 'pump' }) },
  'POST /api/v1/write': { asked: (who) => ({ point: 'pump.speed', value: 5, id: who }) },
  'POST /api/v1/acknowledge': { asked: () => ({ rule: 'ghost' }), status: 404 },
  'POST /api/v1/reset': { asked: () => ({ rule: 'ghost' }), status: 404 },
  'POST /api/v1/out-of-service': { asked: () => ({ rule: 'ghost', reason: 'repair' }), status: 404 },
  'POST /api/v1/in-service': { asked: () => ({ rule: 'ghost' }), status: 404 },
  'POST /api/v1/shelve': { asked: () => ({ rule: 'ghost', for: 60_000 }), status: 404 },
  'POST /api/v1/reload': { asked: () => ({}) },
  'POST /api/v1/resend': { asked: () => ({ from: 1, to: 8e15 }) },
  'POST /api/v1/exchange': {
    asked: () => ({ bus: 'plant', unit: 1, request: { kind: 'read', table: 'holding', start: 3, count: 1 } }),
  },
  'POST /api/v1/capture': { asked: () => ({ bus: 'plant' }), until: 'line' },
  'GET /api/v1/flows': {},
  'GET /api/v1/flows/export': { status: 503 },
  'GET /api/v1/flows/examples': {},
  'POST /api/v1/flows/undo': { asked: () => ({}), status: 503 },
  'POST /api/v1/flows/restore': { asked: () => ({ revision: 1 }), status: 503 },
  'POST /api/v1/flows/import': { asked: () => ({ flows: [{ id: 't', type: 'tab', label: 'Mine' }] }), status: 503 },
  'POST /api/v1/flows/load': { asked: () => ({ name: 'ghost' }), status: 404 },
  'POST /api/v1/flows/restart': { asked: () => ({}), status: 503 },
  'GET /api/v1/users': {},
  'POST /api/v1/users/add': { asked: (who) => ({ ...named(who), role: 'viewer', password: PASSWORD }) },
  'POST /api/v1/users/password': { asked: (who) => ({ ...named(who), password: PASSWORD }) },
  'POST /api/v1/users/role': { asked: (who) => ({ ...named(who), role: 'operator' }) },
  'POST /api/v1/users/remove': { asked: named },
  'GET /api/v1/tokens': {},
  'POST /api/v1/tokens/add': { asked: (who) => ({ name: `t-${who}`, role: 'viewer', lasts: 86_400_000 }) },
  'POST /api/v1/tokens/remove': { asked: (who) => ({ name: `t-${who}` }) },
  'GET /api/v1/claim': {},
  'POST /api/v1/claim': { asked: () => ({ code: 'AAAA-AAAA-AAAA', name: 'eve', password: PASSWORD }), status: 409 },
  // A good body would remove everybody in the middle of the walk. A test of its own sends it.
  'POST /api/v1/claim/again': { asked: () => ({ sure: false }), status: 400 },
  'POST /api/v1/session': {
    asked: () => ({ name: 's-viewer', password: PASSWORD }),
    status: { socket: 400, token: 200, session: 200 },
  },
  'GET /api/v1/session': { status: { socket: 400, token: 200, session: 200 } },
  'POST /api/v1/session/password': {
    asked: () => ({ password: 'not my password', next: PASSWORD }),
    status: { socket: 400, token: 400, session: 401 },
  },
  'GET /api/v1/editor': {},
  // The editor of this site has no address.
  'POST /api/v1/editor': { asked: () => ({}), status: { socket: 400, token: 400, session: 503 } },
  'POST /api/v1/session/end': { asked: () => ({}), status: { socket: 400, token: 200, session: 200 } },
};

interface Walked {
  readonly key: string;
  readonly operation: Operation;
}

const methodOf = (key: string): string => key.split(' ')[0] ?? '';
const pathOf = (key: string): string => key.split(' ')[1] ?? '';

/** In the order of the table. */
function operationsOf(api: Description): Walked[] {
  const served = Object.entries(api.paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${route}`, operation] as const),
  );
  assert.deepEqual(served.map(([key]) => key).sort(), Object.keys(TABLE).sort(), 'a call is missing in the table of this test');
  const byKey = new Map<string, Operation>(served);
  return Object.keys(TABLE).map((key) => ({ key, operation: byKey.get(key) as Operation }));
}

/** Checks answers; a key that the description lacks is a fault. */
class Checker {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(api: Description) {
    this.#ajv.addSchema(closed(api) as object, 'api');
  }

  check(key: string, { responses }: Operation, { status, type, text }: ApiAnswer): void {
    const of = responses[String(status)] ?? responses.default;
    const [bare = ''] = type.split(';');
    const schema = of?.content[bare]?.schema;
    assert.ok(schema, `${key}: ${status} ${type} is not described`);
    if (schema.$ref !== undefined) this.#matches(key, schema.$ref, text);
    if (schema.contentSchema?.$ref !== undefined)
      for (const line of text.split('\n').slice(0, -1)) this.#matches(key, schema.contentSchema.$ref, line);
  }

  #matches(key: string, ref: string, text: string): void {
    const valid = this.#ajv.validate({ $ref: `api${ref}` }, JSON.parse(text));
    assert.ok(valid, `${key}: ${this.#ajv.errorsText()}: ${text.slice(0, 1000)}`);
  }
}

/** The description with no room for other keys. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, of]) => [key, closed(of)]));
  const { properties, additionalProperties } = value as Schema;
  return properties !== undefined && additionalProperties === undefined && (value as Schema).type === 'object'
    ? { ...copy, additionalProperties: false }
    : copy;
}

const may = (role: Role | undefined, needed: string): boolean =>
  needed === 'everybody' || (role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(needed as Role));

function callsOf(walked: readonly Walked[], who: string, headers: Readonly<Record<string, string>> = {}): ApiCall[] {
  return walked.map(({ key }) => {
    const { asked, until } = TABLE[key] ?? {};
    const query =
      asked === undefined || methodOf(key) !== 'GET' ? '' : `?${new URLSearchParams(asked(who) as Record<string, string>)}`;
    const body = methodOf(key) === 'GET' ? undefined : JSON.stringify(asked?.(who) ?? {});
    return { method: methodOf(key), path: pathOf(key) + query, headers, body, until };
  });
}

function judge(
  walked: readonly Walked[],
  answers: readonly ApiAnswer[],
  role: Role | undefined,
  way: Way,
  checker: Checker,
): void {
  assert.equal(answers.length, walked.length);
  const wrong: string[] = [];
  for (const [i, { key, operation }] of walked.entries()) {
    const answer = answers[i] as ApiAnswer;
    const { status = 200 } = TABLE[key] ?? {};
    const good = typeof status === 'number' ? status : status[way];
    const wanted = may(role, operation['x-role']) ? good : role === undefined ? 401 : 403;
    if (answer.status !== wanted)
      wrong.push(`${key} as ${role} (${way}): ${answer.status}, not ${wanted}: ${answer.text.slice(0, 300)}`);
    checker.check(`${key} as ${role} (${way})`, operation, answer);
  }
  assert.deepEqual(wrong, []);
}

const HARNESS = path.join(import.meta.dirname, '../../harness/api-call.ts');
const SCRIPT = `
const { callAll } = await import(process.argv[1]);
console.log(JSON.stringify(await callAll(JSON.parse(process.argv[2]), JSON.parse(process.argv[3]))));
`;

async function described(s: Pick<Site, 'socket'>): Promise<Description> {
  return (await request(s.socket, 'GET', '/api/v1/openapi.json')) as Description;
}

async function httpsOf(s: Site): Promise<{ port: number; host: string; ca: string }> {
  // The certificate is made after the start.
  const port = await waitFor('an address with a certificate', async () => {
    const { http } = (await request(s.socket, 'GET', '/api/v1/status')) as GatewayStatus;
    const found = http?.listeners.find(({ tls }) => tls);
    return found?.fault === undefined && found?.fingerprint !== undefined ? found.port : undefined;
  });
  return { port, host: '127.0.0.1', ca: readFileSync(path.join(s.folder, 'state/tls/ca.crt'), 'utf8') };
}

const TLS = ['{host: 127.0.0.1, port: 0, tls: true}'];

test('the table of this walk has every route, and each needs what the description says', async (t) => {
  const s = await site(t, { device: fakeTcp });
  assert.ok(s);
  await s.gateway.up();
  const walked = operationsOf(await described(s.gateway));
  assert.equal(walked.length, ROUTE_PERMISSIONS.length);
});

test('every call on the socket, as each role, answers as described', async (t) => {
  const s = await callersSite(t);
  if (s === undefined) return;
  await request(s.socket, 'POST', '/api/v1/users/add', { name: 'root-anna', role: 'administrator', password: PASSWORD });
  const api = await described(s);
  const [walked, checker] = [operationsOf(api), new Checker(api)];
  const callers: [Role, number, string][] = [
    ['viewer', USER, '--clear-groups'],
    ['operator', USER, `--groups=${GROUP}`],
    ['administrator', 0, '--clear-groups'],
  ];
  for (const [role, uid, groups] of callers) {
    const asked = JSON.stringify(callsOf(walked, role));
    const answers = JSON.parse(await s.script(uid, groups, SCRIPT, HARNESS, JSON.stringify({ socketPath: s.socket }), asked));
    judge(walked, answers as ApiAnswer[], role, 'socket', checker);
  }
  assert.deepEqual(await s.device.get('holding', 3), [5]);
});

test('every call over HTTPS, without credentials, with tokens and with sessions of each role', async (t) => {
  const s = await callersSite(t, 0, [], TLS);
  if (s === undefined) return;
  const post = (call: string, body: object) => request(s.socket, 'POST', `/api/v1/${call}`, body);
  await post('users/add', { name: 's-administrator', role: 'administrator', password: PASSWORD });
  for (const role of ROLES.slice(0, 3)) await post('users/add', { name: `s-${role}`, role, password: PASSWORD });
  const api = await described(s);
  const [walked, checker] = [operationsOf(api), new Checker(api)];
  const where = await httpsOf(s);
  const session = walked.find(({ key }) => key === 'POST /api/v1/session');

  const nobody = walked.filter((one) => one !== session);
  judge(nobody, await callAll(where, callsOf(nobody, 'nobody')), undefined, 'token', checker);
  for (const role of ROLES) {
    const { token } = (await post('tokens/add', { name: `w-${role}`, role, lasts: 86_400_000 })) as { token: string };
    const headers = { Authorization: `Bearer ${token}` };
    judge(walked, await callAll(where, callsOf(walked, `token-${role}`, headers)), role, 'token', checker);

    const [login] = await callAll(where, [
      { method: 'POST', path: '/api/v1/session', body: JSON.stringify({ name: `s-${role}`, password: PASSWORD }) },
    ]);
    assert.equal(login?.status, 200, login?.text);
    const { csrf } = JSON.parse(login?.text ?? '') as { csrf: string };
    const cookie = login?.cookies.map((one) => one.split(';')[0]).join('; ') ?? '';
    const page = { Cookie: cookie, Origin: `https://127.0.0.1:${where.port}`, 'X-Sluice-CSRF': csrf };
    // A log-in with the cookie of a session ends that session.
    judge(nobody, await callAll(where, callsOf(nobody, `session-${role}`, page)), role, 'session', checker);
    const [over] = await callAll(where, [{ method: 'GET', path: '/api/v1/session', headers: page }]);
    assert.equal(over?.status, 401, 'the session was ended');
  }
});

test('a claim again removes every account, with a token and on the socket', async (t) => {
  const s = await callersSite(t, 0, [], TLS);
  if (s === undefined) return;
  const api = await described(s);
  const checker = new Checker(api);
  const [again, claim, look] = ['POST /api/v1/claim/again', 'POST /api/v1/claim', 'GET /api/v1/claim'].map((key) =>
    operationsOf(api).find((one) => one.key === key),
  );
  assert.ok(again && claim && look);
  const where = await httpsOf(s);
  const call = (method: string, at: string, body: object | undefined, headers: Record<string, string> = {}) => ({
    ...{ method, path: at, headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const one = async (...asked: Parameters<typeof call>): Promise<ApiAnswer> => {
    const [answer] = await callAll(where, [call(...asked)]);
    assert.ok(answer);
    return answer;
  };
  const users = async () => ((await request(s.socket, 'GET', '/api/v1/users')) as { users: object[] }).users.length;
  for (const way of ['token', 'socket'] as const) {
    await request(s.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
    const { token } = (await request(s.socket, 'POST', '/api/v1/tokens/add', {
      ...{ name: 'w', role: 'administrator', lasts: 86_400_000 },
    })) as { token: string };
    const bearer = { Authorization: `Bearer ${token}` };
    const answers: readonly ApiAnswer[] =
      way === 'token'
        ? [await one('POST', '/api/v1/claim/again', {}, bearer)]
        : (JSON.parse(
            await s.script(
              ...([0, '--clear-groups', SCRIPT, HARNESS, JSON.stringify({ socketPath: s.socket })] as const),
              JSON.stringify([call('POST', '/api/v1/claim/again', {})]),
            ),
          ) as ApiAnswer[]);
    const [answer] = answers;
    assert.equal(answer?.status, 200, answer?.text);
    checker.check(`${again.key} (${way})`, again.operation, answer);
    assert.equal(await users(), 0);
    const gone = await one('GET', '/api/v1/status', undefined, bearer);
    assert.ok(gone.status === 403 || gone.status === 401, 'the token that asked is gone as well');
    const { code } = JSON.parse(answer.text) as { code: string };
    const claimed = await one('POST', '/api/v1/claim', { code, name: 'berta', password: PASSWORD });
    assert.equal(claimed.status, 200, claimed.text);
    checker.check(`${claim.key} (${way})`, claim.operation, claimed);
    assert.equal(await users(), 1);
    const last = await request(s.socket, 'POST', '/api/v1/claim/again', {});
    assert.ok((last as { code?: string }).code !== code, 'each claim has a code of its own');
  }
});

/** Values that are wrong for a key. */
function wrongFor({ type, anyOf, oneOf }: Schema): unknown {
  return type === 'object' || (oneOf ?? anyOf)?.some((one) => one.type === 'object') === true ? 7 : { a: 1 };
}

/** Bodies that have one fault each, as texts. */
function wrongBodies(schema: Schema, good: object): string[] {
  const forms = schema.oneOf ?? [schema];
  const texts = ['[]', '7', 'null', '"x"', '{', '{"a":1,}', '\u0000', JSON.stringify({ ...good, nosuch: 1 })];
  const open = `${JSON.stringify(good).slice(0, -1)}${Object.keys(good).length === 0 ? '' : ','}`;
  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) texts.push(`${open}"${key}":{"a":1}}`);
  for (const key of new Set(forms.flatMap(({ properties = {} }) => Object.keys(properties)))) {
    const of = forms.map(({ properties = {} }) => properties[key]).find((one) => one !== undefined) ?? {};
    const rest = Object.fromEntries(Object.entries(good).filter(([name]) => name !== key));
    texts.push(JSON.stringify({ ...rest, [key]: wrongFor(of) }), JSON.stringify({ ...rest, [key]: [] }).replace(':[]', ':[[1]]'));
    texts.push(JSON.stringify({ ...rest, [key]: 'HUGE' }).replace('"HUGE"', '1e999'));
    if (forms.every(({ required = [] }) => required.includes(key))) texts.push(JSON.stringify(rest));
  }
  return texts;
}

test('a wrong body or query gets 400 with words, and changes nothing', async (t) => {
  const s = await callersSite(t);
  if (s === undefined) return;
  await request(s.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  const api = await described(s);
  const calls: ApiCall[] = [];
  for (const { key, operation } of operationsOf(api)) {
    const good = TABLE[key]?.asked?.('wrong') ?? {};
    const schema = operation.requestBody?.content['application/json']?.schema;
    if (schema !== undefined)
      for (const body of wrongBodies(schema, key.endsWith('/again') ? {} : good))
        calls.push({ method: 'POST', path: pathOf(key), body });
    if (operation.parameters === undefined) continue;
    const query = (more: Record<string, string>) => `${pathOf(key)}?${new URLSearchParams({ ...good, ...more })}`;
    for (const more of [{ nosuch: '1' }, { __proto__x: '1' }, { constructor: '1' }])
      calls.push({ method: 'GET', path: query(more) });
    calls.push({ method: 'GET', path: `${query({})}&__proto__=1` });
    for (const { name, schema: of } of operation.parameters)
      if (of.type === 'integer' || of.enum !== undefined || ['from', 'to', 'every'].includes(name))
        for (const value of ['x', '-1e400', '1e99', '{}', '0x', '9'.repeat(400)])
          calls.push({ method: 'GET', path: query({ [name]: value }) });
  }
  assert.ok(calls.length > 250, `${calls.length} calls`);
  const state = async () => [
    await s.device.get('holding', 3),
    await request(s.socket, 'GET', '/api/v1/users'),
    await request(s.socket, 'GET', '/api/v1/tokens'),
  ];
  const before = await state();
  const answers = await callAll({ socketPath: s.socket }, calls);
  for (const [i, { status, text }] of answers.entries()) {
    const { path: at, body } = calls[i] as ApiCall;
    assert.equal(status, 400, `${at} ${body}: ${status} ${text.slice(0, 300)}`);
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    assert.match(error.code, /^(request-invalid|bad-json)$/, `${at} ${body}`);
    assert.match(error.message, /^["a-z].{10,}/, `${at} ${body}`);
    assert.doesNotMatch(error.message, /Invalid|Expected|Unrecognized/, `${at} ${body}: words of a library`);
  }
  assert.deepEqual(await state(), before);
});

test('live lines are as described, one id acts once at a device, and records come again', async (t) => {
  const s = await site(t, { device: fakeTcp, devices: WRITABLE });
  assert.ok(s);
  await s.gateway.up();
  const { socket } = s.gateway;
  const api = await described(s.gateway);
  const checker = new Checker(api);
  const operation = (key: string) => api.paths[pathOf(key)]?.[methodOf(key).toLowerCase()] as Operation;
  const ask = async (key: string, body?: object, until?: ApiCall['until'], query = ''): Promise<ApiAnswer> => {
    const call = { method: methodOf(key), path: pathOf(key) + query, body: body && JSON.stringify(body), until };
    const [answer] = await callAll({ socketPath: socket }, [call]);
    checker.check(key, operation(key), answer as ApiAnswer);
    return answer as ApiAnswer;
  };
  assert.equal((await ask('GET /api/v1/tail', undefined, 'line')).status, 200);
  s.device.script = (asked, reply) => {
    const { transaction, unit, code, start, count } = asked;
    // A write of one register is repeated as it was.
    if (code === 6) reply.send(withMbap(Buffer.from([unit, 6, 0, start, 0, count]), transaction));
    else answerTcp(asked, reply);
  };
  const writes = () => s.device.requests.filter(({ code }) => code === 6 || code === 16).length;
  const first = await ask('POST /api/v1/write', { point: 'd1.n', value: 7, id: 'once' });
  assert.equal(first.status, 200, first.text);
  assert.equal(writes(), 1);
  const again = await ask('POST /api/v1/write', { point: 'd1.n', value: 7, id: 'once' });
  assert.deepEqual([again.status, again.text, writes()], [200, first.text, 1]);
  assert.equal((await ask('POST /api/v1/write', { point: 'd1.n', value: 8, id: 'once' })).status, 400);
  assert.equal((await ask('POST /api/v1/write', { point: 'd1.n', value: 8, id: 'late', expires: 1 })).status, 409);
  assert.equal(writes(), 1);
  await s.gateway.kill();
  await s.gateway.up();
  const after = await ask('POST /api/v1/write', { point: 'd1.n', value: 7, id: 'once' });
  assert.deepEqual([after.status, after.text, writes()], [200, first.text, 1], 'also after a kill');
  const resent = await ask('POST /api/v1/resend', { from: 1, to: 8e15 });
  const lines = resent.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const end = lines.pop();
  assert.ok(lines.length > 0);
  assert.deepEqual([end.type, end.parts, end.records], ['end', lines.length, lines.flatMap(({ records }) => records).length]);
  assert.equal((await ask('GET /api/v1/history', undefined, undefined, '?point=d1.n&buckets=2')).status, 200);
});

const WRITABLE =
  '  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9, every: 0ms}}}}';
