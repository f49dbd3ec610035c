/** How a node of the palette is made: one function for each type, which gets this. */
import { CallError } from './connection.ts';
import type { Connections } from './connections.ts';
import { addressOf, Link } from './link.ts';
import type { Done, Message, Red, RedNode, Send, Status } from './red.ts';
import { asError } from './values.ts';

/** As flows.json keeps it: any key may be missing or of another kind, since people edit and import flows. */
export type Config = Readonly<Record<string, unknown>>;

export interface Kit {
  readonly red: Red;
  readonly connections: Connections;
}

/** Messages that a node works on at a time; more are refused, so that a flood does not fill the memory. */
const AT_ONCE = 1000;
const REFUSALS_EVERY = 1000;

export function text(config: Config, key: string, otherwise = ''): string {
  const value = config[key];
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : otherwise;
}
export function texts(config: Config, key: string): string[] {
  const value = config[key];
  const list: unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? [value] : [];
  return list.filter((one): one is string => typeof one === 'string');
}

/** @param own what the status is while there is a connection */
export function linkOf({ red, connections }: Kit, node: RedNode, config: Config, own?: () => Status | undefined): Link {
  const link = new Link(connections, node, addressOf(red, text(config, 'gateway')), own);
  node.on('close', (_removed, done) => {
    link.close();
    done();
  });
  return link;
}

/**
 * Takes messages: `act` works on one, and what it throws goes to the Catch nodes.
 * @param act returns what goes on, or nothing
 */
export function takes(node: RedNode, link: Link, act: (message: Message) => Promise<Message | undefined>): void {
  let busy = 0;
  const refusal = new Refusal();
  link.add(() => refusal.end());
  const run = async (message: Message, send: Send, done: Done): Promise<void> => {
    if (busy >= AT_ONCE) {
      link.throttled();
      refusal.add(1, `${AT_ONCE} messages wait for the gateway`, (error) => fail(node, done, error));
      return;
    }
    busy++;
    try {
      const next = await act(message);
      if (next !== undefined) send(next);
      done();
    } catch (thrown) {
      fail(node, done, thrown);
    } finally {
      busy--;
    }
  };
  node.on('input', (message, send, done) => void run(message, send, done));
}

/** Node-RED copies the message for the Catch nodes. A message that cannot be copied must not end the runtime. */
export function fail(node: RedNode, done: Done, thrown: unknown): void {
  const error = asError(thrown);
  try {
    done(error);
  } catch {
    node.error(String(error));
  }
}

/** An error beside a message, for the Catch nodes. */
export function report(node: RedNode, error: CallError, message: Message): void {
  try {
    node.error(error, message);
  } catch {
    node.error(error.message);
  }
}

/**
 * Messages that were left out: one error a second, with the number, since an error for each would be the next flood. The numbers of
 * all errors together are all that were left out.
 */
export class Refusal {
  #left = 0;
  #reported = Number.NEGATIVE_INFINITY;
  #why = '';
  #tell: (error: CallError) => void = () => {};
  #later: NodeJS.Timeout | undefined;

  /** @param tell gives the error to the flow, for the newest of them */
  add(count: number, why: string, tell: (error: CallError) => void): void {
    this.#left += count;
    this.#why = why;
    this.#tell = tell;
    const wait = this.#reported + REFUSALS_EVERY - performance.now();
    if (wait <= 0) this.#report();
    else {
      this.#later ??= setTimeout(() => this.#report(), wait);
      this.#later.unref();
    }
  }

  /** The node closes: what was not said yet is said now. */
  end(): void {
    if (this.#left > 0) this.#report();
  }

  #report(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#reported = performance.now();
    const left = this.#left;
    this.#left = 0;
    const were = left === 1 ? 'message was' : 'messages were';
    this.#tell(new CallError('busy', `${this.#why}: ${left} ${were} left out; send fewer`));
  }
}
