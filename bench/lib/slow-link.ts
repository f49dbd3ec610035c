/**
 * A TCP relay as slow as a bad mobile link: so many bytes a second each way for all connections together, and a delay. It counts what
 * passes, so that handshakes and the records of TLS are in the figures. Headers of IP and TCP are not: they add about 3 %.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What one direction of a modem holds, bytes; a sender waits from then on. */
const HELD = 16 * 1024;

/** One direction. */
class Lane {
  bytes = 0;
  readonly #perSecond: number;
  readonly #delay: number;
  /** When the last byte that was taken has left, ms. */
  #free = 0;

  constructor(perSecond: number, delay: number) {
    this.#perSecond = perSecond;
    this.#delay = delay;
  }

  /** @returns when the sender may go on, and when the chunk is there, ms from now */
  take(chunk: Buffer): { readonly goOn: number; readonly there: number } {
    const now = performance.now();
    this.bytes += chunk.length;
    this.#free = Math.max(now, this.#free) + (chunk.length / this.#perSecond) * 1000;
    const left = this.#free - now;
    return { goOn: Math.max(0, left - (HELD / this.#perSecond) * 1000), there: left + this.#delay };
  }
}

export class SlowLink {
  readonly up: Lane;
  readonly down: Lane;
  readonly #delay: number;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  /** @param perSecond bytes each way. @param delay ms each way */
  constructor(target: number, perSecond: number, delay: number) {
    this.up = new Lane(perSecond, delay);
    this.down = new Lane(perSecond, delay);
    this.#delay = delay;
    this.#server = createServer({ pauseOnConnect: true }, (near) => void this.#accept(near, target));
  }

  /** @returns its port on 127.0.0.1 */
  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }

  async #accept(near: Socket, target: number): Promise<void> {
    this.#open.add(near);
    near.on('close', () => this.#open.delete(near)).on('error', () => {});
    // The kernel has said yes for us: a client on the other side of the link would wait for that until now.
    await sleep(2 * this.#delay);
    const far = connect(target, '127.0.0.1');
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.on('close', () => far.destroy());
    this.#carry(near, far, this.up);
    this.#carry(far, near, this.down);
    near.resume();
  }

  #carry(from: Socket, to: Socket, lane: Lane): void {
    from.on('data', (whole: Buffer) => {
      // Pieces of a packet: a reader gets the first ones while the last ones are under way.
      for (let at = 0; at < whole.length; at += 1400) {
        const chunk = whole.subarray(at, at + 1400);
        const { goOn, there } = lane.take(chunk);
        if (goOn > 0) {
          from.pause();
          setTimeout(() => from.resume(), goOn);
        }
        setTimeout(() => to.write(chunk), there);
      }
    });
  }
}
