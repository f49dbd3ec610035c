/**
 * The end of a connection whose peer does not read. Its kernel is told at once, and ours forgets what waits for it. An ordinary end
 * would come behind these bytes: the peer never sees it, and megabytes lie in the kernel for minutes.
 */
import type { Socket } from 'node:net';

/** Connections below those with TLS: only they can be reset. */
const below = new WeakMap<Socket, Socket>();

export function lies(tls: Socket, on: Socket): void {
  below.set(tls, on);
}

export function reset(socket: Socket): void {
  const plain = below.get(socket) ?? socket;
  // A connection that is gone has nothing to reset, and one without TCP cannot be reset.
  if (!plain.destroyed) plain.resetAndDestroy();
  socket.destroy();
}
