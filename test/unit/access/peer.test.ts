/** What the kernel says of the other end of a socket, and what a caller may do for it. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { LOCAL, type LocalUsers, principalOf, systemUsers } from '../../../src/access/local-users.ts';
import { kernelPeers, type Peer } from '../../../src/access/peer.ts';
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
