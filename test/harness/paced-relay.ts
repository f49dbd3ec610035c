/** A TCP relay that carries so many bytes a second towards the broker, as a slow line does, and counts them. The way back is free. */
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** Milliseconds. */
const TICK = 10;
/** What the relay itself holds: the rest stays with the sender. */
const HELD = 8192;

export class PacedRelay {
  port = 0;
  /** Bytes a second. */
  rate: number;
  /** Bytes that came through, over all connections. */
  through = 0;
  connections = 0;
  readonly #open = new Set<Socket>();
  readonly #watched = new Map<string, (through: number) => void>();
  /** The end of what came through, for words that lie on a border. */
  #tail = '';

  private constructor(rate: number) {
    this.rate = rate;
  }

  static async start(t: TestContext, target: number, rate: number): Promise<PacedRelay> {
    const relay = new PacedRelay(rate);
    const server = createServer((near) => relay.#accept(near, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of relay.#open) socket.destroy();
      server.close();
    });
    relay.port = (server.address() as { port: number }).port;
    return relay;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Resolves with `through` when these letters come by. */
  sees(letters: string): Promise<number> {
    return new Promise((resolve) => this.#watched.set(letters, resolve));
  }

  #accept(near: Socket, target: number): void {
    this.connections++;
    const far = connect(target, '127.0.0.1');
    const waiting: Buffer[] = [];
    let held = 0;
    for (const socket of [near, far]) {
      this.#open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#open.delete(socket);
        clearInterval(ticks);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => {
      waiting.push(chunk);
      held += chunk.length;
      if (held > HELD) near.pause();
    });
    far.pipe(near);
    let credit = 0;
    const ticks = setInterval(() => {
      credit = Math.min(credit + (this.rate * TICK) / 1000, Math.max(1, (2 * this.rate * TICK) / 1000));
      while (credit >= 1 && waiting.length > 0) {
        const [first] = waiting as [Buffer];
        const piece = first.subarray(0, Math.floor(credit));
        if (piece.length === first.length) waiting.shift();
        else waiting[0] = first.subarray(piece.length);
        credit -= piece.length;
        held -= piece.length;
        this.#pass(piece);
        far.write(piece);
      }
      if (held <= HELD) near.resume();
    }, TICK);
  }

  #pass(piece: Buffer): void {
    this.through += piece.length;
    const text = this.#tail + piece.toString('latin1');
    this.#tail = text.slice(-100);
    for (const [letters, seen] of this.#watched)
      if (text.includes(letters)) {
        this.#watched.delete(letters);
        seen(this.through);
      }
  }
}
