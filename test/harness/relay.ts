/** A plain TCP relay in front of a device or broker: counts connections, goes away and comes back on the same port, hangs. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { freePort } from './free-port.ts';

export class Relay {
  readonly port: number;
  /** Connections accepted so far. */
  connections = 0;
  /** New connections are taken and get no answer, ever. */
  mute = false;
  readonly #target: number;
  readonly #open = new Set<Socket>();
  #server: Server | undefined;

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  /** Known and not listening yet. It does not outlive the test. */
  static async create(t: TestContext, target: number): Promise<Relay> {
    const relay = new Relay(await freePort(), target);
    t.after(() => relay.stop());
    return relay;
  }

  static async start(t: TestContext, target: number): Promise<Relay> {
    const relay = await Relay.create(t, target);
    await relay.start();
    return relay;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }
  /** Connections open now. */
  get open(): number {
    return this.#open.size;
  }

  async start(): Promise<void> {
    const server = createServer((near) => this.#accept(near));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #accept(near: Socket): void {
    this.connections++;
    this.#open.add(near);
    near.on('error', () => {});
    near.on('close', () => this.#open.delete(near));
    if (this.mute) {
      near.resume();
      return;
    }
    const far = connect(this.#target, '127.0.0.1');
    far.on('error', () => {});
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
    near.pipe(far).pipe(near);
  }
}
