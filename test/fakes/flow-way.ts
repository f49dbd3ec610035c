/** A Node-RED process as the supervisor sees it, which does what a test says. It notes every rule that is broken. */
import type { Clock } from '../../src/core/clock.ts';
import { SluiceError } from '../../src/core/errors.ts';
import type { FlowsState, StartOrder, ToChild } from '../../src/node-red/messages.ts';
import type { FlowProcess, FlowWay, ProcessListener } from '../../src/node-red/way.ts';

export class FlowWorld {
  /** What the next process does, and the present one from now on. */
  hangs = false;
  /** It does not end when it is asked. */
  stubborn = false;
  /** It does not get ready. */
  slow = false;
  /** Why its flows on the disk would never start. */
  held: string | undefined;
  /** They could not even be read. */
  lost = false;
  /** Nothing can be started. */
  refuses = false;
  readonly faults: string[] = [];
  readonly orders: StartOrder[] = [];
  starts = 0;
  kills = 0;
  ends = 0;
  /** Monotonic times at which it ended by itself. */
  readonly crashes: number[] = [];
  current: FakeProcess | undefined;
  /** Processes that exist, a killed one until the kernel is done with it. */
  alive = 0;
  readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  crash(why = 'it crashed'): void {
    if (this.current === undefined) return;
    this.crashes.push(this.clock.monotonic());
    this.current.die(why);
  }

  deploy(flows: FlowsState = 'started'): void {
    this.current?.deploy(flows);
  }

  /** Flows of the process need these types. */
  block(...names: string[]): void {
    this.current?.block(names);
  }

  way(): FlowWay {
    const world = this;
    let cleared = false;
    return {
      ...{ runsAs: 'user', socket: '/flows/editor.sock', folder: '/flows' },
      async clear() {
        await later(world.clock, 5);
        if (world.alive > 0) world.faults.push('cleared while a process exists');
        cleared = true;
      },
      async start(listener) {
        if (!cleared) world.faults.push('started without a proof that nothing is left');
        cleared = false;
        await later(world.clock, 5);
        if (world.refuses) throw new SluiceError('unsupported', 'Node-RED is not installed');
        if (world.alive > 0) world.faults.push('two processes');
        world.starts++;
        return new FakeProcess(world, listener);
      },
      door: async () => ({ folder: '/state', mode: 0o600 }),
      adopt: async () => '/state/node-red.sock',
    };
  }
}

export class FakeProcess implements FlowProcess {
  readonly pid = 4711;
  readonly #world: FlowWorld;
  readonly #listener: ProcessListener;
  #flows: FlowsState = 'started';
  #dying = false;

  constructor(world: FlowWorld, listener: ProcessListener) {
    this.#world = world;
    this.#listener = listener;
    world.current = this;
    world.alive++;
  }

  send(message: ToChild): void {
    if (message.type === 'start') {
      this.#world.orders.push(message);
      const { held, lost } = this.#world;
      if (held !== undefined) this.#listener.message({ type: 'held', why: held, ...(lost ? { lost } : {}) });
      this.#flows = (message.safeMode ?? held) === undefined ? 'started' : 'safe';
      this.#world.clock.after(900, () => {
        if (this.#dying || this.#world.slow) return;
        this.#listener.message({ type: 'ready', version: '5.0.7' });
        // As the real one: flows start with it, where they may.
        if (this.#flows === 'started') this.#listener.message({ type: 'deployed', flows: 'started' });
      });
    } else if (message.type === 'check') {
      this.#world.clock.after(3, () => {
        if (!this.#dying && !this.#world.hangs)
          this.#listener.message({ type: 'checked', n: message.n, flows: this.#flows, resident: 100 });
      });
    }
  }

  deploy(flows: FlowsState): void {
    if (this.#dying || this.#world.hangs) return;
    this.#flows = flows;
    this.#listener.message({ type: 'deployed', flows });
  }

  block(names: readonly string[]): void {
    this.#listener.message({ type: 'blocked', missing: 'types', names });
  }

  end(): void {
    this.#world.ends++;
    if (!this.#world.stubborn && !this.#world.hangs) this.#world.clock.after(50, () => this.die('it ended with status 0'));
  }

  kill(): void {
    this.#world.kills++;
    this.die('it was ended by SIGKILL');
  }

  /** It takes the kernel a moment; then it is reported, once. */
  die(why: string): void {
    if (this.#dying) return;
    this.#dying = true;
    if (this.#world.current === this) this.#world.current = undefined;
    this.#world.clock.after(20, () => {
      this.#world.alive--;
      this.#listener.ended(why);
    });
  }
}

function later(clock: Clock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.after(ms, resolve);
  return promise;
}
