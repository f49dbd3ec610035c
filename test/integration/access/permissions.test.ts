/** Every route of the local API, with each role and through both doors, against the table of permissions. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { may } from '../../../src/access/roles.ts';
import { ROUTE_PERMISSIONS as routes } from '../../../src/admin/routes/table.ts';
import type { Role } from '../../../src/core/commands.ts';
import { callersSite, GROUP, USER } from '../../harness/callers-site.ts';

/** What each command is asked with; it does not matter whether it can be done. */
const BODIES: Readonly<Record<string, object>> = {
  '/api/v1/read': { device: 'ghost' },
  '/api/v1/write': { point: 'ghost.point', value: 1 },
  '/api/v1/acknowledge': { rule: 'ghost' },
  '/api/v1/shelve': { rule: 'ghost', for: null },
  '/api/v1/reset': { rule: 'ghost' },
  '/api/v1/out-of-service': { rule: 'ghost', reason: 'repair' },
  '/api/v1/in-service': { rule: 'ghost' },
  '/api/v1/reload': {},
  '/api/v1/resend': { from: 1, to: 2 },
  '/api/v1/exchange': { bus: 'plant', unit: 1, request: { kind: 'read', table: 'holding', start: 3, count: 1 } },
  '/api/v1/capture': { bus: 'ghost' },
  '/api/v1/flows/undo': {},
  '/api/v1/flows/restore': { revision: 1 },
  '/api/v1/flows/import': { flows: [] },
  '/api/v1/flows/load': { name: 'ghost' },
  '/api/v1/flows/restart': {},
};

/** Asks every route. Arguments: where (JSON of options of http.request), routes (JSON). Writes status and code of each. */
const WALK = `
import { request } from 'node:http';
const [, where, routes] = process.argv;
const answers = [];
for (const { method, path, body } of JSON.parse(routes)) {
  answers.push(await new Promise((resolve, reject) => {
    const req = request({ ...JSON.parse(where), method, path, agent: false }, (res) => {
      if (res.statusCode < 400) { res.destroy(); resolve([res.statusCode]); return; }
      let text = '';
      res.on('data', (more) => { text += more; });
      res.on('end', () => resolve([res.statusCode, JSON.parse(text).error?.code]));
    });
    req.on('error', reject);
    req.end(method === 'POST' ? JSON.stringify(body) : undefined);
  }));
}
console.log(JSON.stringify(answers));
`;

test('every command has a body in this walk, and no route is listed twice', () => {
  assert.ok(routes.length >= 24, `${routes.length} routes`);
  assert.equal(new Set(routes.map(({ method, path }) => `${method} ${path}`)).size, routes.length);
  const commands = routes.filter(({ kind }) => kind === 'commands');
  assert.deepEqual(
    commands.map(({ path }) => path),
    Object.keys(BODIES),
  );
});

test('every route is open to the roles of the table, on the socket and over HTTP', async (t) => {
  const site = await callersSite(t);
  if (site === undefined) return;
  const asked = JSON.stringify(routes.map(({ method, path }) => ({ method, path, body: BODIES[path] ?? {} })));
  const walk = async (uid: number, groups: string, where: object) =>
    JSON.parse(await site.script(uid, groups, WALK, JSON.stringify(where), asked)) as (readonly [number, string?])[];
  const roles: [Role, number, string][] = [
    ['viewer', USER, '--clear-groups'],
    ['operator', USER, `--groups=${GROUP}`],
    ['administrator', 0, '--clear-groups'],
  ];
  for (const [role, uid, groups] of roles) {
    const answers = await walk(uid, groups, { socketPath: site.socket });
    for (const [i, { method, path, action }] of routes.entries()) {
      const [status, code] = answers[i] ?? [0];
      assert.equal(code === 'forbidden', !may({ role }, action), `${method} ${path} as ${role}: ${status} ${code}`);
      assert.equal(status === 403, !may({ role }, action), `${method} ${path} as ${role}: ${status} ${code}`);
    }
  }
  const local = await walk(USER, '--clear-groups', { host: '127.0.0.1', port: site.http });
  for (const [i, { method, path, action }] of routes.entries()) {
    const [status, code] = local[i] ?? [0];
    const looks = method === 'GET' && may({ role: 'viewer' }, action);
    assert.equal(code === 'socket-only', !looks, `${method} ${path} over HTTP: ${status} ${code}`);
    assert.equal(status === 403, !looks, `${method} ${path} over HTTP: ${status} ${code}`);
  }
});
