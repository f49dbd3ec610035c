/**
 * Ends a connection whose peer does not read. A reset reaches the kernel of the peer at once, and our kernel drops the bytes that wait.
 * An ordinary end waits behind these bytes: the peer never sees it, and our kernel keeps megabytes for minutes.
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
