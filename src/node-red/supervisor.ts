/**
 * Runs Node-RED: carries out what the machine (machine.ts) decides, with the one process that there is. Invariants:
 * - A process starts only after `clear` of its way has proven that none is left, and after the one before has ended.
 * - Nothing here throws to the gateway, and nobody waits for it but a stop. Whatever Node-RED does, readings, rules and delivery go on.
 * - What comes from the process is bounded before it is used: messages.ts, paced-reader.ts, flow-log.ts.
 */
import { comparable } from '../config/compare.ts';
import type { NodeRedConfig } from '../config/node-red.ts';
import type { Clock } from '../core/clock.ts';
import { toError } from '../core/errors.ts';
import type { FlowStatus, FlowSupervisor } from '../core/flow-supervisor.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { EventQuota } from '../core/quota.ts';
import { FlowLog } from './flow-log.ts';
import { type FlowEffect, type FlowEvent, FlowMachine } from './machine.ts';
import { type Blocked, type FromChild, GRANTS, type Grant } from './messages.ts';
import type { FlowProcess, FlowWay } from './way.ts';

/** Between checks, and for an answer, ms. */
export const CHECK_EVERY = 10_000;
export const CHECK_WITHIN = 10_000;
/** What V8 prints beside the cause of its end: frames, rulers and figures of its collector. */
const NOISE = /^\s*\d+: 0x|^#\s*$|^-{5}|^<---|^\[\d+:0x/;
/** Events of one kind within a minute. */
const EVENTS = 5;

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  readonly random: () => number;
  readonly way: (config: NodeRedConfig) => FlowWay;
  /** The secret that encrypts the credentials of flows; made with the first start. */
  readonly secret: () => Promise<string>;
  readonly title: () => string;
  /** Why the flows of an earlier daemon did not run. */
  readonly savedSafeMode: () => Promise<string | undefined>;
  readonly saveSafeMode: (why: string | undefined) => Promise<void>;
}

export class Supervisor implements FlowSupervisor {
  readonly #o: SupervisorOptions;
  readonly #log: FlowLog;
  readonly #events: EventQuota;
  #machine: FlowMachine;
  #config: NodeRedConfig | undefined;
  #way: FlowWay | undefined;
  /** The way of the process that runs: a reload may have made another one for the next. */
  #running: FlowWay | undefined;
  #process: FlowProcess | undefined;
  /** Each start has a number; what an earlier one still says is dropped. */
  #start = 0;
  /** Asked of a process that is only about to start. */
  #early: 'end' | 'kill' | undefined;
  #cancelWait: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;
  #check = { n: 0, sentAt: 0 };
  #checkTime: number | undefined;
  #memory: FlowStatus['memory'];
  #version: string | undefined;
  #lastWords: string | undefined;
  #blocked: Blocked | undefined;
  #editor: string | undefined;
  #saved: string | undefined;
  #saving: Promise<void> = Promise.resolve();
  #rested: (() => void)[] = [];
  #stopped = false;
  #loaded = false;

  constructor(options: SupervisorOptions) {
    this.#o = options;
    this.#machine = new FlowMachine(options.random);
    this.#log = new FlowLog(options.logger, () => options.clock.monotonic());
    this.#events = new EventQuota({ clock: options.clock, tell: options.tell, most: EVENTS });
  }

  /** The socket of the editor, while it can be reached. */
  get editor(): string | undefined {
    return this.#editor;
  }

  /** What the next configuration asks for; `apply` starts, ends or restarts, and returns at once. */
  prepare(config: NodeRedConfig | undefined): { readonly changed: readonly string[]; readonly apply: () => Promise<void> } {
    const next = config?.enabled === true ? config : undefined;
    if (comparable(next ?? null) === comparable(this.#config ?? null)) return { changed: [], apply: async () => {} };
    return { changed: ['nodeRed'], apply: () => this.#apply(next) };
  }

  async #apply(next: NodeRedConfig | undefined): Promise<void> {
    if (this.#stopped) return;
    const before = this.#config;
    this.#config = next;
    await this.#load();
    if (this.#stopped || this.#config !== next) return;
    if (next === undefined) {
      this.#handle({ type: 'unwant' });
      return;
    }
    this.#way = this.#o.way(next);
    this.#handle({ type: before === undefined ? 'want' : 'changed', safeMode: next.safeMode });
  }

  async #load(): Promise<void> {
    if (this.#loaded) return;
    this.#loaded = true;
    this.#saved = await this.#o.savedSafeMode().catch(() => undefined);
    this.#machine = new FlowMachine(this.#o.random, this.#saved);
  }

  /** Ends it. After `within` ms it is killed. Resolves when nothing of it is left, or soon after that time. */
  async stop(within: number): Promise<void> {
    this.#stopped = true;
    this.#config = undefined;
    this.#events.flush();
    if (!this.#machine.alive) {
      this.#handle({ type: 'unwant' });
      await this.#saving;
      return;
    }
    const { promise: over, resolve } = Promise.withResolvers<void>();
    this.#rested.push(resolve);
    this.#handle({ type: 'unwant' });
    const cancelKill = this.#o.clock.after(within, () => {
      this.#do({ type: 'kill' });
      // A kill takes no time, except where the kernel waits for a disk.
      const cancel = this.#o.clock.after(500, resolve);
      this.#rested.push(cancel);
    });
    await over;
    cancelKill();
    await this.#saving;
  }

  status(): FlowStatus {
    const machine = this.#machine;
    const now = this.#o.clock.monotonic();
    return {
      state: machine.state,
      since: machine.since,
      reason: machine.reason,
      fault: blockedWords(this.#blocked),
      nextStart: machine.nextStart,
      runsAs: (this.#running ?? this.#way)?.runsAs ?? 'service',
      version: this.#version,
      pid: this.#process?.pid,
      memory: this.#process === undefined ? undefined : this.#memory,
      safeMode: machine.safeMode,
      restarts: machine.restarts,
      crashes: machine.crashes(now),
      checkTime: this.#process === undefined ? undefined : this.#checkTime,
      lines: this.#log.counts,
    };
  }

  #handle(event: FlowEvent): void {
    const before = this.#machine.state;
    for (const effect of this.#machine.handle(event, this.#o.clock.monotonic())) this.#do(effect);
    this.#save();
    const { state, reason } = this.#machine;
    if (state !== before)
      this.#o.logger.info({ state, ...(reason === undefined ? {} : { reason }) }, 'The state of Node-RED changed.');
    if (state === 'stopped') for (const rested of this.#rested.splice(0)) rested();
  }

  #do(effect: FlowEffect): void {
    switch (effect.type) {
      case 'start':
        this.#begin(effect.safeMode);
        return;
      case 'end':
      case 'kill':
        if (this.#process === undefined) this.#early = effect.type;
        else this.#process[effect.type]();
        return;
      case 'wait':
        this.#cancelWait?.();
        this.#cancelWait =
          effect.ms === undefined ? undefined : this.#o.clock.after(effect.ms, () => this.#handle({ type: 'due' }));
        return;
      case 'tell':
        this.#tell(effect.what, effect.why);
    }
  }

  #begin(safeMode: string | undefined): void {
    const start = ++this.#start;
    const way = this.#way;
    this.#running = way;
    this.#early = undefined;
    this.#lastWords = undefined;
    const current = (): boolean => start === this.#start;
    const go = async (): Promise<void> => {
      if (way === undefined) throw new Error('no way to start it');
      await way.clear();
      if (this.#askedEarly() !== undefined) {
        this.#handle({ type: 'refused', why: 'it was stopped before it started' });
        return;
      }
      const credentialSecret = await this.#o.secret();
      const process = await way.start({
        message: (message) => current() && this.#heard(message),
        output: (line) => {
          if (!current()) return;
          if (NOISE.test(line)) return;
          if (/FATAL ERROR|out of memory|Error:/.test(line)) this.#lastWords ??= line;
          this.#log.output(line);
        },
        ended: (why) => current() && this.#over(why),
      });
      if (!current()) {
        process.kill();
        return;
      }
      this.#process = process;
      const early = this.#askedEarly();
      if (early !== undefined) process[early]();
      const allow = this.#config?.allow;
      process.send({
        ...{ type: 'start', folder: way.folder, socket: way.socket, credentialSecret, title: this.#o.title(), safeMode },
        allow: GRANTS.filter((grant) => allow?.[grant] === true),
      });
    };
    go().catch((thrown: unknown) => {
      if (current()) this.#handle({ type: 'refused', why: toError(thrown).message });
    });
  }

  #askedEarly(): 'end' | 'kill' | undefined {
    return this.#early;
  }

  #over(why: string): void {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    this.#process = undefined;
    this.#running = undefined;
    this.#blocked = undefined;
    this.#editor = undefined;
    this.#log.end();
    this.#handle({ type: 'ended', why: this.#lastWords === undefined ? why : `${why}: ${this.#lastWords}` });
  }

  #heard(message: FromChild): void {
    switch (message.type) {
      case 'hello':
        this.#compareGrants(message.allows);
        return;
      case 'ready':
        this.#version = message.version;
        this.#adopt();
        return;
      case 'log':
        this.#log.line(message);
        return;
      case 'deployed':
        this.#handle({ type: 'flows', flows: message.flows });
        return;
      case 'blocked':
        this.#blocked = message.names.length === 0 ? undefined : message;
        return;
      case 'failed':
        this.#lastWords = message.text.split('\n')[0];
        this.#log.failed(message.text);
        return;
      case 'checked':
        if (message.n !== this.#check.n) return;
        this.#checkTime = this.#o.clock.monotonic() - this.#check.sentAt;
        this.#memory = { resident: message.resident, proportional: message.proportional };
        this.#handle({ type: 'checked' });
        this.#checkLater(CHECK_EVERY);
    }
  }

  #adopt(): void {
    const start = this.#start;
    const ready = (editor: string | undefined): void => {
      if (start !== this.#start || this.#process === undefined) return;
      this.#editor = editor;
      this.#handle({ type: 'ready' });
      this.#sendCheck();
    };
    this.#running?.adopt().then(ready, (thrown: unknown) => {
      this.#o.logger.warn({ error: toError(thrown).message }, 'The editor of Node-RED cannot be reached; its flows run.');
      ready(undefined);
    });
  }

  #checkLater(ms: number): void {
    this.#cancelCheck?.();
    this.#cancelCheck = this.#o.clock.after(ms, () => this.#sendCheck());
  }

  #sendCheck(): void {
    this.#check = { n: this.#check.n + 1, sentAt: this.#o.clock.monotonic() };
    this.#process?.send({ type: 'check', n: this.#check.n });
    this.#cancelCheck?.();
    this.#cancelCheck = this.#o.clock.after(CHECK_WITHIN, () => {
      this.#handle({ type: 'missed' });
      if (this.#process !== undefined) this.#sendCheck();
    });
  }

  /** A unit of systemd has a fence of its own. */
  #compareGrants(allows: readonly Grant[]): void {
    const missing = GRANTS.filter((grant) => this.#config?.allow[grant] === true && !allows.includes(grant));
    if (missing.length > 0)
      this.#o.logger.warn(
        { missing },
        'nodeRed.allow grants more than the process of Node-RED may do. Write the same grants into the service (docs/how-to/switch-on-node-red.md).',
      );
  }

  #tell(what: Extract<FlowEffect, { type: 'tell' }>['what'], why: string): void {
    const words = {
      crash: ['warning', `Node-RED ended because ${why}. It starts again.`],
      hang: ['warning', `Node-RED hangs and is ended: ${why}.`],
      refused: ['warning', `Node-RED cannot start: ${why}`],
      'safe-mode': [
        'critical',
        `Node-RED starts with its flows stopped from now on: ${why}. A deploy in the editor starts them again.`,
      ],
      'safe-mode-left': ['info', 'A deploy started the flows again. Node-RED has left safe mode.'],
      running: ['info', 'Node-RED is ready.'],
    } as const;
    const [severity, message] = words[what];
    if (severity === 'info') this.#o.logger.info({ part: 'flows' }, message);
    else this.#o.logger.warn({ part: 'flows' }, message);
    if (what === 'running') return;
    this.#events.tell(what, { event: 'flows', severity, message, data: { what } });
  }

  #save(): void {
    const { safeMode } = this.#machine;
    if (safeMode === this.#saved) return;
    this.#saved = safeMode;
    this.#saving = this.#saving
      .then(() => this.#o.saveSafeMode(safeMode))
      .catch((thrown: unknown) =>
        this.#o.logger.warn(
          { error: toError(thrown).message },
          'The safe mode of Node-RED cannot be kept on disk; a restart of the gateway forgets it.',
        ),
      );
  }
}

/** Node-RED starts none of its flows while one of them needs what is not there. */
function blockedWords(blocked: Blocked | undefined): string | undefined {
  if (blocked === undefined) return undefined;
  const names = blocked.names.join(', ');
  if (blocked.missing === 'modules')
    return `these npm modules are missing: ${names}; deploy flows without them, or set nodeRed.allow.modules`;
  const other = blocked.names.includes('exec')
    ? 'set nodeRed.allow.exec for the exec node'
    : 'install the palette that brings them';
  return `these types of nodes are missing: ${names}; deploy flows without them, or ${other}`;
}
