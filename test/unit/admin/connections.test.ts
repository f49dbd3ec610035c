/** Which connection of a full door ends for one more: never one with a long answer while there is another one. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import test from 'node:test';
import { Connections } from '../../../src/admin/connections.ts';

class FakeSocket extends EventEmitter {
  ended = false;
  destroy(): void {
    this.ended = true;
    this.emit('close');
  }
}

for (const url of ['tail', 'live', 'capture?bus=a', 'export', 'resend', 'bundle', 'bundle?max=1048576'])
  test(`a connection more does not end an answer of ${url} while another is given`, () => {
    const connections = new Connections({ most: 2 });
    const [long, short, next] = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
    const of = (fake: FakeSocket) => fake as unknown as Socket;
    const asks = (fake: FakeSocket, path: string) =>
      connections.asked(
        { socket: of(fake), url: `/api/v1/${path}` } as IncomingMessage,
        new EventEmitter() as unknown as ServerResponse,
      );
    connections.admit(of(long));
    connections.admit(of(short));
    // The long one asks first, so it would be the first to go.
    asks(long, url);
    asks(short, 'status');
    connections.admit(of(next));
    assert.deepEqual([long.ended, short.ended, next.ended], [false, true, false]);
    assert.equal(connections.size, 2);
  });
