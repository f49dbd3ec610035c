/**
 * The command port: everything that acts on the field or the gateway goes through `run`, by whatever door it comes in. Whether
 * the principal may is decided first (src/access/roles.ts), without a look at what was named; then the handler does it, and its
 * bounds hold for everybody (a write is refused in src/drivers/modbus/writes.ts); the audit reports what came of it. What a person did
 * with an alarm is on the disk before the caller hears that it was done.
 */
import { assertMay } from '../access/roles.ts';
import type { Action, Command, CommandPort, Principal, Results, RunOptions } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { Audit, type AuditOptions } from './audit.ts';

/** One for each command that this gateway can do. */
export type Handlers = {
  readonly [K in Command['do']]?: (
    command: Extract<Command, { do: K }>,
    by: Principal,
    options: RunOptions,
  ) => Promise<Results[K]>;
};

/** A power cut must not take them back: an alarm out of service again would be silent, and its interlock gone. */
const KEPT: readonly Command['do'][] = ['acknowledge', 'shelve', 'reset', 'out-of-service', 'in-service'];

/** The gateway itself: rules and safe values that the configuration asks for. */
export const GATEWAY: Principal = { who: 'gateway', door: 'gateway', role: 'administrator' };

export class Commands implements CommandPort {
  readonly #handlers: Handlers;
  readonly #audit: Audit;
  readonly #kept: () => Promise<unknown>;
  #stopped = false;

  /** @param kept resolves when the disk has everything of now, or is late */
  constructor(handlers: Handlers, audit: AuditOptions, kept: () => Promise<unknown> = async () => {}) {
    this.#handlers = handlers;
    this.#audit = new Audit(audit);
    this.#kept = kept;
  }

  async run<C extends Command>(command: C, by: Principal, options: RunOptions = {}): Promise<Results[C['do']]> {
    const result = await this.#audited(command, by, options);
    if (KEPT.includes(command.do)) await this.#kept();
    return result;
  }

  async #audited<C extends Command>(command: C, by: Principal, options: RunOptions): Promise<Results[C['do']]> {
    try {
      assertMay(by, command.do);
      this.#assertRunning(by);
      options.begin?.();
      const handler = this.#handlers[command.do] as
        | ((command: C, by: Principal, options: RunOptions) => Promise<Results[C['do']]>)
        | undefined;
      if (handler === undefined) throw new SluiceError('unsupported', `this version of the gateway has no ${command.do}`);
      const result = await handler(command, by, options);
      this.#audit.done(command, by, result);
      return result;
    } catch (thrown) {
      this.#audit.failed(command, by, thrown);
      throw thrown;
    }
  }

  permit(action: Action, by: Principal): void {
    try {
      assertMay(by, action);
    } catch (thrown) {
      if (thrown instanceof SluiceError) this.#audit.forbidden(action, by, thrown);
      throw thrown;
    }
    this.#assertRunning(by);
  }

  /** From now on everything is refused but what the gateway does itself: what it sets last stays. */
  stop(): void {
    this.#stopped = true;
  }

  /** Reports what is only counted so far. */
  flush(): void {
    this.#audit.flush();
  }

  #assertRunning({ door }: Principal): void {
    if (this.#stopped && door !== 'gateway') throw new SluiceError('not-running', 'the gateway is stopping; nothing was done');
  }
}
