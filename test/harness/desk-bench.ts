/** The desk that takes commands as messages, with a command port and a log of its own. */
import { Desk } from '../../src/control/remote/desk.ts';
import { Ledger } from '../../src/control/remote/ledger.ts';
import type { Command, Principal, RunOptions } from '../../src/core/commands.ts';
import { SluiceError } from '../../src/core/errors.ts';
import type { GatewayEvent } from '../../src/core/ports.ts';
import type { Outward } from '../../src/core/privacy.ts';
import type { Grant } from '../../src/core/remote-commands.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

export const bytes = (message: unknown): Uint8Array =>
  Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
const ALL: Grant = {
  write: ['*'],
  read: ['*'],
  ack: ['*'],
  shelve: ['*'],
  reset: ['*'],
  outOfService: ['*'],
  reload: true,
  restartFlows: true,
  resend: true,
};

/** Saved states as the log keeps them: `disk` is what a power cut leaves, `all` what a kill leaves. */
export class Store {
  readonly all = new Map<string, unknown>();
  disk = new Map<string, unknown>();
  fails = false;
  flushes = 0;
  get saved(): [string, unknown][] {
    return [...this.all];
  }
  save(key: string, state: unknown): void {
    if (state === null) this.all.delete(key);
    else this.all.set(key, JSON.parse(JSON.stringify(state)));
  }
  soon(): void {}
  async flush(): Promise<void> {
    this.flushes++;
    if (this.fails) throw new SluiceError('log-write', 'the disk is full');
    this.disk = new Map(this.all);
  }
  powerCut(): Store {
    const after = new Store();
    for (const [key, state] of this.disk) after.save(key, state);
    return after;
  }
}

export function deskBench(store = new Store(), run?: (command: Command, options: RunOptions) => unknown) {
  const clock = new ManualClock(1_795_000_000_000);
  const done: Command[] = [];
  const refused: { readonly command: Command; readonly code: string }[] = [];
  const events: GatewayEvent[] = [];
  const answers: Record<string, unknown>[] = [];
  const one = {
    now: 1_795_000_000_000,
    known: true,
    grant: ALL,
    owner: 'forwarder:cloud',
    gone: false,
    outward: undefined as Outward | undefined,
  };
  const desk = new Desk({
    clock,
    commands: {
      run: async (command: Command, _by: Principal, options: RunOptions = {}) => {
        try {
          options.begin?.();
        } catch (thrown) {
          // The audit of the command port has it then.
          refused.push({ command, code: thrown instanceof SluiceError ? thrown.code : String(thrown) });
          throw thrown;
        }
        const result = run === undefined ? { value: 1, readBack: true } : await run(command, options);
        done.push(command);
        return result as never;
      },
      permit: () => {},
    },
    ledger: (
      (ledger) => () =>
        ledger
    )(new Ledger(store)),
    now: () => one.now,
    clockKnown: () => one.known,
    tell: (event) => events.push(event),
  });
  const take = (message: unknown, retained = false) =>
    desk.take(
      bytes(message),
      {
        by: { who: 'forwarder cloud', door: 'mqtt', role: 'operator' },
        ...{ owner: one.owner, grant: one.grant, outward: one.outward },
        answer: async (kind, id, json) => {
          if (one.gone) throw new Error('gone');
          answers.push({ kind, topic: id, ...(JSON.parse(json) as object) });
        },
      },
      retained,
    );
  return { desk, take, done, refused, events, answers, one, store };
}

export const settled = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
export const write = (id: string, more: object = {}) => ({ id, do: 'write', target: 'pump.speed', value: 40, ...more });
