/** Other users of this machine at the socket of a running gateway: what they may is what the kernel says of them. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { callersSite, GROUP, SITE, USER } from '../../harness/callers-site.ts';
import type { Peek } from '../../harness/mqtt-peek.ts';
import { waitFor } from '../../harness/wait-for.ts';

const told = (peek: Peek) =>
  peek.messages
    .filter(({ topic }) => topic === 'sluice/g1/event')
    .map(({ text }) => JSON.parse(text) as { event: string; data: Record<string, unknown> })
    .filter(({ event }) => event === 'write' || event === 'command');

test('a member of sluice writes, another user is refused, and the event names both', async (t) => {
  const s = await callersSite(t);
  if (s === undefined) return;
  assert.deepEqual((await s.as(USER, `--groups=${GROUP}`, 'write', 'pump.speed', '7')).code, 0);
  assert.deepEqual(await s.device.get('holding', 3), [7]);
  const refused = await s.as(USER, '--clear-groups', 'write', 'pump.speed', '8');
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    new RegExp(`write needs the role operator, and uid ${USER} is viewer: .*members of the group sluice`),
  );
  const ghost = await s.as(USER, '--clear-groups', 'write', 'ghost.point', '8');
  assert.equal(ghost.stderr, refused.stderr, 'which points there are is not said');
  assert.equal((await s.as(USER, '--clear-groups', 'read', 'pump')).code, 1);
  assert.equal((await s.as(USER, '--clear-groups', 'status')).code, 0, 'everybody may look');
  assert.equal((await s.as(0, '--clear-groups', 'write', 'pump.speed', '9')).code, 0);
  assert.deepEqual(await s.device.get('holding', 3), [9]);
  const events = await waitFor('five events', () => (told(s.peek).length >= 5 ? told(s.peek) : undefined));
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.result, data.who, data.role, data.via]),
    [
      ['write', 'done', `uid ${USER}`, 'operator', 'socket'],
      ['write', 'refused', `uid ${USER}`, 'viewer', 'socket'],
      ['write', 'refused', `uid ${USER}`, 'viewer', 'socket'],
      ['command', 'refused', `uid ${USER}`, 'viewer', 'socket'],
      ['write', 'done', 'root', 'administrator', 'socket'],
    ],
  );
});

test('the kernel says who calls, not the caller, and only root and the own user may reload', async (t) => {
  const s = await callersSite(t, SITE);
  if (s === undefined) return;
  const member = `--groups=${GROUP}`;
  const write = { point: 'pump.speed', value: 5 };
  for (const more of [{ by: 'root' }, { who: 'root' }, { role: 'administrator' }, { principal: { who: 'root' } }])
    assert.equal(await s.post(USER, member, '/api/v1/write', { ...write, ...more }), 'request-invalid');
  assert.equal(await s.post(USER, member, '/api/v1/write', write), 'done');
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/write', write), 'forbidden');
  const look = { bus: 'plant', unit: 1, request: { kind: 'read', table: 'holding', start: 3, count: 1 } };
  assert.equal(await s.post(USER, member, '/api/v1/exchange', look), 'done');
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/exchange', look), 'forbidden');
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/capture', { bus: 'plant' }), 'forbidden');
  assert.equal(await s.post(USER, member, '/api/v1/reload', {}), 'forbidden');
  assert.equal(await s.post(SITE, '--clear-groups', '/api/v1/reload', {}), 'done');
  assert.equal(await s.post(0, '--clear-groups', '/api/v1/reload', {}), 'done');
  const events = await waitFor('seven events', () => (told(s.peek).length >= 7 ? told(s.peek) : undefined));
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.do, data.result, data.who, data.role]),
    [
      ['write', undefined, 'done', `uid ${USER}`, 'operator'],
      ['write', undefined, 'refused', `uid ${USER}`, 'viewer'],
      ['command', 'exchange', 'refused', `uid ${USER}`, 'viewer'],
      ['command', 'capture', 'refused', `uid ${USER}`, 'viewer'],
      ['command', 'reload', 'refused', `uid ${USER}`, 'operator'],
      ['command', 'reload', 'done', `uid ${SITE}`, 'administrator'],
      ['command', 'reload', 'done', 'root', 'administrator'],
    ],
  );
});

const HIDE_KOFFI = path.join(import.meta.dirname, '..', '..', 'harness', 'hide-koffi.ts');

test('without koffi root and the own user manage accounts by a key, and others do not', async (t) => {
  const s = await callersSite(t, SITE, ['--import', HIDE_KOFFI]);
  if (s === undefined) return;
  const member = `--groups=${GROUP}`;
  const write = { point: 'pump.speed', value: 5 };
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/write', write), 'done', 'everybody at the socket is an operator');
  for (const more of [member, '--clear-groups']) {
    const refused = await s.as(USER, more, 'user', 'list');
    assert.deepEqual([refused.code, /local is operator/.test(refused.stderr)], [1, true], refused.stderr);
    assert.equal((await s.as(USER, more, 'claim')).code, 1);
    assert.equal(await s.post(USER, more, '/api/v1/reload', {}), 'forbidden');
  }
  for (const uid of [0, SITE]) {
    for (const command of [['claim'], ['user', 'list'], ['token', 'list'], ['reload']]) {
      const { code, stderr } = await s.as(uid, '--clear-groups', ...command);
      assert.equal(code, 0, `${command.join(' ')} as ${uid}: ${stderr}`);
    }
  }
  const events = await waitFor('an event of a reload', () =>
    told(s.peek).find(({ data }) => data.do === 'reload' && data.result === 'done'),
  );
  assert.deepEqual([events.data.who, events.data.role], ['local administrator', 'administrator']);
  const file = path.join(s.folder, 'state', 'admin.key');
  const { mode, uid } = statSync(file);
  assert.deepEqual([mode & 0o777, uid], [0o600, SITE]);
});
