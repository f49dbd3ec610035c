/** Who looks at the page, by what the gateway answers. */
import assert from 'node:assert/strict';
import test from 'node:test';

const { standing } = await import(new URL('../../../../src/admin/pages/gateway/session.ts', import.meta.url).href);

const ANNA = { name: 'anna', role: 'operator', csrf: 'secret' };
const INSIDE = { at: 'in', session: ANNA };
const LOG_IN = { at: 'log-in', ended: false };

test('a gateway that is busy or starts takes nobody his role, and lets nobody in', async (t) => {
  let answer: { status: number; body: object } | undefined;
  t.mock.method(globalThis, 'fetch', async () => {
    if (answer === undefined) throw new TypeError('no network');
    const { status, body } = answer;
    return { status, ok: status === 200, text: async () => JSON.stringify(body) };
  });
  const asked = (before: object, status: number, code?: string): Promise<unknown> => {
    answer = { status, body: code === undefined ? ANNA : { error: { code, message: '' } } };
    return standing(before);
  };
  for (const [status, code] of [
    [429, 'too-many-requests'],
    [503, 'not-running'],
    [500, 'internal'],
    [403, 'foreign-origin'],
  ] as const) {
    assert.deepEqual(await asked(INSIDE, status, code), INSIDE, code);
    assert.deepEqual(await asked(LOG_IN, status, code), LOG_IN, code);
    assert.deepEqual(await asked({ at: 'loading' }, status, code), { at: 'offline' }, code);
  }
  assert.deepEqual(await asked({ at: 'loading' }, 200), INSIDE);
  assert.deepEqual(await asked(INSIDE, 401, 'unauthorized'), { at: 'log-in', ended: true });
  assert.deepEqual(await asked({ at: 'loading' }, 401, 'unauthorized'), LOG_IN);
  assert.deepEqual(await asked(LOG_IN, 403, 'unclaimed'), { at: 'claim' });
  answer = undefined;
  assert.deepEqual(await standing(INSIDE), INSIDE);
  assert.deepEqual(await standing({ at: 'loading' }), { at: 'offline' });
});
