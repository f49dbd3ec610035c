/** A TCP relay that ends connections in their middle: each one after so many bytes of one side, and those after the last as they like. */
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Cut {
  /** Bytes of which side count. */
  readonly of: 'gateway' | 'broker';
  readonly after: number;
  /** A goodbye of TCP, or a reset. */
  readonly how: 'destroy' | 'resetAndDestroy';
}

export class CuttingRelay {
  port = 0;
  /** For the next connections, in order. */
  readonly cuts: Cut[];
  /** Bytes of the last connection that ended. */
  last = { gateway: 0, broker: 0 };
  readonly #target: number;

  private constructor(target: number, cuts: readonly Cut[]) {
    this.#target = target;
    this.cuts = [...cuts];
  }

  static async start(t: TestContext, target: number, cuts: readonly Cut[] = []): Promise<CuttingRelay> {
    const relay = new CuttingRelay(target, cuts);
    const open = new Set<Socket>();
    const server = createServer((near) => {
      open.add(near);
      near.on('close', () => open.delete(near));
      relay.#accept(near);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    relay.port = (server.address() as { port: number }).port;
    return relay;
  }

  #accept(near: Socket): void {
    const cut = this.cuts.shift();
    const far = connect(this.#target, '127.0.0.1');
    const passed = { gateway: 0, broker: 0 };
    const end = (): void => {
      this.last = passed;
      far.destroy();
      near.destroy();
    };
    for (const socket of [near, far]) socket.on('error', () => {}).on('close', end);
    const carry = (of: Cut['of'], from: Socket, to: Socket): void => {
      from.on('data', (bytes: Buffer) => {
        const left = cut?.of === of ? cut.after - passed[of] : Number.POSITIVE_INFINITY;
        const part = bytes.subarray(0, Math.max(0, left));
        passed[of] += part.length;
        if (bytes.length < left) to.write(part);
        else to.write(part, () => near[cut?.how ?? 'destroy']());
      });
    };
    carry('gateway', near, far);
    carry('broker', far, near);
  }
}
