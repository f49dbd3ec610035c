/** What the kernel says of the other end of a socket, and what a caller may do for it. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { AdminKey } from '../../../src/access/admin-key.ts';
import { LOCAL, LOCAL_ADMINISTRATOR, type LocalUsers, principalOf, systemUsers } from '../../../src/access/local-users.ts';
import { kernelPeers, type Peer } from '../../../src/access/peer.ts';
import { readAdminKey } from '../../../src/access/shown-key.ts';
import { SocketCallers } from '../../../src/access/socket-callers.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { scratch } from '../../harness/scratch.ts';

const users: LocalUsers = {
  nameOf: (uid) => ({ 0: 'root', 1001: 'ann' })[uid],
  groupId: (name) => (name === 'sluice' ? 990 : undefined),
};
const peer = (uid: number, gid = uid, groups: number[] = []): Peer => ({ uid, gid, groups });

test('root and the own user are administrators, members of sluice operators, others viewers', () => {
  const of = (p: Peer, own = 990, from = users) => {
    const { who, role, door } = principalOf(p, from, own);
    assert.equal(door, 'socket');
    return [who, role];
  };
  assert.deepEqual(of(peer(0)), ['root', 'administrator']);
  assert.deepEqual(of(peer(990)), ['uid 990', 'administrator']);
  assert.deepEqual(of(peer(1001, 1001, [27, 990])), ['ann', 'operator']);
  assert.deepEqual(of(peer(1001, 990)), ['ann', 'operator'], 'as its first group');
  assert.deepEqual(of(peer(1001, 1001, [27])), ['ann', 'viewer']);
  assert.deepEqual(of(peer(1002)), ['uid 1002', 'viewer'], 'a user of the network');
  const without: LocalUsers = { ...users, groupId: () => undefined };
  assert.deepEqual(of(peer(1001, 990, [990]), 1000, without), ['ann', 'viewer'], 'a machine without that group');
});

test('names come from the files of this machine', () => {
  assert.equal(systemUsers.nameOf(0), 'root');
  assert.equal(systemUsers.groupId('root'), 0);
  assert.equal(systemUsers.nameOf(4_294_967_294), undefined);
  assert.equal(systemUsers.groupId('no-such-group'), undefined);
});

test('the kernel knows this process behind a socket, and a closed socket is nobody', async (t) => {
  const kernel = await kernelPeers();
  assert.ok(kernel, 'koffi is installed, and Node still has the descriptor where it is looked for');
  const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
  const server = createServer(resolve);
  const file = path.join(scratch(t, 'peer'), 's');
  await new Promise<void>((done) => server.listen(file, done));
  const client = connect(file);
  t.after(() => {
    client.destroy();
    server.close();
  });
  const socket = await accepted;
  const { uid, gid, groups } = kernel(socket);
  assert.deepEqual([uid, gid], [process.getuid?.(), process.getgid?.()]);
  assert.deepEqual(new Set([gid, ...groups]), new Set([gid, ...(process.getgroups?.() ?? [])]));
  socket.destroy();
  assert.throws(() => kernel(socket), { code: 'forbidden' });
});

test('without the kernel call every caller is an operator named local, and one warning says so', async () => {
  const warnings: string[] = [];
  let loads = 0;
  const callers = new SocketCallers({
    logger: { ...silentLogger, warn: (_facts: object, text: string) => void warnings.push(text) },
    kernel: async () => void loads++ as undefined,
  });
  const socket = {} as Socket;
  assert.deepEqual(await Promise.all([callers.principal(socket), callers.principal({} as Socket)]), [LOCAL, LOCAL]);
  assert.deepEqual([loads, warnings.length], [1, 1]);
});

test('without the kernel call only who shows the key of this start is an administrator', async (t) => {
  const stateDir = scratch(t, 'key');
  const file = path.join(stateDir, 'admin.key');
  const began = async () => {
    const key = new AdminKey(stateDir, silentLogger);
    return new SocketCallers({ logger: silentLogger, kernel: async () => undefined, key });
  };
  const first = await began();
  assert.equal(await readAdminKey(stateDir), undefined, 'no file before it is needed');
  const socket = {} as Socket;
  assert.deepEqual(await first.principal(socket), LOCAL);
  const shown = await readAdminKey(stateDir);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(shown ?? '', /^[0-9a-z]{26}$/);
  assert.deepEqual(await first.principal(socket, shown), LOCAL_ADMINISTRATOR);
  for (const wrong of [undefined, '', `${shown}x`, [shown], 'x'.repeat(5000)])
    assert.deepEqual(await first.principal(socket, wrong), LOCAL, 'the request before it gives nothing to this one');
  const second = await began();
  assert.deepEqual(await second.principal(socket, shown), LOCAL, 'a key of an earlier start');
  await second.stop();
  assert.equal(existsSync(file), false);
});

test('where the kernel says who calls, a key is worth nothing', async (t) => {
  const stateDir = scratch(t, 'key');
  const key = new AdminKey(stateDir, silentLogger);
  await key.make();
  const callers = new SocketCallers({ logger: silentLogger, users, kernel: async () => () => peer(1002), key });
  const shown = await readAdminKey(stateDir);
  assert.ok(key.fits(shown));
  assert.equal((await callers.principal({} as Socket, shown)).role, 'viewer');
});

for (const what of ['a link', 'a folder', 'nothing that may be written'] as const)
  test(`${what} at the place of the key opens nothing and stops nothing`, async (t) => {
    const stateDir = what === 'nothing that may be written' ? '/proc/self' : scratch(t, 'key');
    const file = path.join(stateDir, 'admin.key');
    if (what === 'a link') symlinkSync('/etc/hostname', file);
    if (what === 'a folder') mkdirSync(file);
    assert.equal(await readAdminKey(stateDir), undefined);
    const key = new AdminKey(stateDir, silentLogger);
    await key.make();
    const shown = await readAdminKey(stateDir);
    assert.equal(key.fits(shown), what === 'a link', 'a link is replaced, and what it points to is left alone');
    await key.stop();
  });

test('a connection is asked about once, and a caller that cannot be known is refused', async () => {
  let asked = 0;
  const callers = new SocketCallers({
    ...{ logger: silentLogger, users },
    kernel: async () => () => {
      if (++asked > 1) throw new Error('asked twice');
      return peer(1001, 1001, [990]);
    },
  });
  const socket = {} as Socket;
  for (let i = 0; i < 3; i++) assert.deepEqual(await callers.principal(socket), { who: 'ann', door: 'socket', role: 'operator' });
  await assert.rejects(callers.principal({} as Socket), /asked twice/);
});
