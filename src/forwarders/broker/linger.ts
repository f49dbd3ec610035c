/** How a connection ends whose peer has to read an answer first: what is unread when a socket is destroyed takes the answer with it. */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';

/** What a client that was turned away may still send until it has closed the connection: bytes, and milliseconds. */
export const LAST_BYTES = 64 * 1024;
export const LAST_WORD = 1000;

/** Sockets that wait for their peer: at most `most`. */
export interface Lingering {
  now: number;
  readonly most: number;
  /** Those for which there was no space. */
  refused: number;
}

/** Lets the peer close first, within a bound, and reads on meanwhile. */
export function linger(socket: Socket, clock: Clock, lingering: Lingering): void {
  if (lingering.now >= lingering.most) {
    lingering.refused++;
    socket.destroy();
    return;
  }
  lingering.now++;
  socket.once('close', () => {
    lingering.now--;
  });
  let unread = LAST_BYTES;
  socket.removeAllListeners('data');
  socket.on('data', (chunk) => {
    unread -= chunk.length;
    if (unread < 0) socket.destroy();
  });
  socket.on('end', () => socket.destroy());
  socket.once(
    'close',
    clock.after(LAST_WORD, () => socket.destroy()),
  );
  socket.end();
  socket.resume();
}
