/**
 * Runs Node-RED: carries out what the machine (machine.ts) decides, with the one process that there is. Invariants:
 * - A process starts (flow-start.ts) only after the one before has ended.
 * - Nothing here throws to the gateway, and nobody waits for it but a stop. Whatever Node-RED does, readings, rules and delivery go on.
 * - What comes from the process is bounded before it is used: messages.ts, paced-reader.ts, flow-log.ts.
 */
import { comparable } from '../config/compare.ts';
import type { NodeRedConfig } from '../config/node-red.ts';
import { toError } from '../core/errors.ts';
import type { FlowStatus, FlowSupervisor } from '../core/flow-supervisor.ts';
import { EventQuota } from '../core/quota.ts';
import { AnswerChecks } from './answer-checks.ts';
import { DiskWatch } from './disk-watch.ts';
import { FlowLog } from './flow-log.ts';
import { type FlowAddress, FlowStart } from './flow-start.ts';
import { blockedWords, wordsOf } from './flow-words.ts';
import { type FlowEffect, type FlowEvent, FlowMachine } from './machine.ts';
import { type FromChild, GRANTS, type Grant } from './messages.ts';
import type { SupervisorOptions } from './supervisor-side.ts';
import type { FlowWay } from './way.ts';

/** Events of one kind within a minute. */
const EVENTS = 5;

export class Supervisor implements FlowSupervisor {
  readonly #o: SupervisorOptions;
  readonly #log: FlowLog;
  readonly #events: EventQuota;
  readonly #checks: AnswerChecks;
  readonly #disk: DiskWatch | undefined;
  #machine: FlowMachine;
  #config: NodeRedConfig | undefined;
  #way: FlowWay | undefined;
  /** The newest start, until its process is gone. What it began with may differ from what a reload asks for meanwhile. */
  #start: FlowStart | undefined;
  #cancelWait: (() => void) | undefined;
  #checkTime: number | undefined;
  #memory: FlowStatus['memory'];
  #version: string | undefined;
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
    this.#checks = new AnswerChecks({
      clock: options.clock,
      send: (n) => this.#start?.process?.send({ type: 'check', n }),
      missed: () => this.#handle({ type: 'missed' }),
    });
    this.#disk =
      options.disk &&
      new DiskWatch({
        ...{ clock: options.clock, ...options.disk, flowing: () => this.#machine.flowing },
        full: (why, urgent) => this.#handle({ type: 'full', why, urgent }),
        space: () => this.#handle({ type: 'space' }),
        warn: (message) => this.#warn('disk-near', message),
      });
  }

  /** The socket of the editor, while it can be reached. */
  get editor(): string | undefined {
    return this.#start?.address?.socket;
  }

  /** Where its flows are asked for, while that is possible. One that ends may keep what it gets, and answers nobody. */
  get flowAddress(): FlowAddress | undefined {
    return this.#machine.state === 'stopping' ? undefined : this.#start?.address;
  }

  /** What the next configuration asks for; `apply` starts, ends or restarts, and returns at once. */
  prepare(config: NodeRedConfig | undefined): { readonly changed: readonly string[]; readonly apply: () => Promise<void> } {
    const next = config?.enabled === true ? config : undefined;
    if (comparable(processOf(next)) === comparable(processOf(this.#config))) {
      // What flows are granted is looked up when they ask; the front is set apart (gateway/reload.ts).
      const changed = comparable(next ?? null) === comparable(this.#config ?? null) ? [] : ['nodeRed'];
      const apply = async (): Promise<void> => {
        this.#config = next;
      };
      return { changed, apply };
    }
    return { changed: ['nodeRed'], apply: () => this.#apply(next) };
  }

  async #apply(next: NodeRedConfig | undefined): Promise<void> {
    if (this.#stopped) return;
    const before = this.#config;
    this.#config = next;
    await this.#load();
    if (this.#stopped || this.#config !== next) return;
    if (next === undefined) {
      void this.#disk?.set(undefined);
      this.#handle({ type: 'unwant' });
      return;
    }
    this.#way = this.#o.way(next);
    const { folder, runsAs } = this.#way;
    void this.#disk?.set({ folder, most: next.disk, readable: runsAs !== 'service' });
    this.#handle({ type: before === undefined ? 'want' : 'changed', safeMode: next.safeMode });
  }

  async #load(): Promise<void> {
    if (this.#loaded) return;
    this.#loaded = true;
    this.#saved = await this.#o.savedSafeMode().catch(() => undefined);
    this.#machine = new FlowMachine(this.#o.random, this.#saved);
  }

  /** Ends the process and starts another one with the settings of now; while it backs off, at once. */
  restart(): void {
    if (this.#config !== undefined && !this.#stopped) this.#handle({ type: 'changed', safeMode: this.#config.safeMode });
  }

  /** Ends it. After `within` ms it is killed. Resolves when nothing of it is left, or soon after that time. */
  async stop(within: number): Promise<void> {
    this.#stopped = true;
    this.#config = undefined;
    void this.#disk?.set(undefined);
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
    const process = this.#start?.process;
    return {
      state: machine.state,
      since: machine.since,
      reason: machine.reason,
      fault: blockedWords(this.#start?.blocked),
      nextStart: machine.nextStart,
      runsAs: (this.#start ?? this.#way)?.runsAs ?? 'service',
      version: this.#version,
      pid: process?.pid,
      memory: process === undefined ? undefined : this.#memory,
      safeMode: machine.safeMode,
      restarts: machine.restarts,
      crashes: machine.crashes(now),
      checkTime: process === undefined ? undefined : this.#checkTime,
      door: this.#o.door?.status(),
      disk: this.#disk?.status(),
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
    if (state !== before) this.#o.changed?.(state);
    if (state === 'stopped') this.#o.door?.close();
    if (state === 'stopped') for (const rested of this.#rested.splice(0)) rested();
  }

  #do(effect: FlowEffect): void {
    switch (effect.type) {
      case 'start':
        this.#begin(effect.safeMode);
        return;
      case 'end':
      case 'kill':
        this.#start?.ask(effect.type);
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
    this.#start?.drop();
    const way = this.#way;
    if (way === undefined) {
      queueMicrotask(() => this.#handle({ type: 'refused', why: 'no way to start it' }));
      return;
    }
    const { clock, door, secret, title } = this.#o;
    const start = new FlowStart({
      ...{ clock, way, door, secret, title, safeMode },
      looked: async () => this.#disk?.looked,
      measure: way.runsAs === 'service' && this.#disk !== undefined ? this.#config?.disk : undefined,
      allow: () => GRANTS.filter((grant) => this.#config?.allow[grant] === true),
      heard: (message) => this.#heard(message, start),
      reached: () => this.#reached(start),
      output: (line) => this.#log.output(line),
      ended: (why) => this.#over(why),
      refused: (why) => this.#handle({ type: 'refused', why }),
    });
    this.#start = start;
    start.begin();
  }

  #over(why: string): void {
    this.#checks.stop();
    this.#start = undefined;
    this.#o.door?.ended();
    this.#o.watcher?.ended();
    this.#log.end();
    this.#disk?.ended();
    this.#handle({ type: 'ended', why });
  }

  #heard(message: FromChild, start: FlowStart): void {
    switch (message.type) {
      case 'hello':
        this.#compareGrants(message.allows);
        return;
      case 'held':
        start.lost = message.lost === true;
        this.#handle({ type: 'held', why: message.why });
        return;
      case 'ready':
        this.#version = message.version;
        this.#adopt(start);
        return;
      case 'log':
        this.#log.line(message);
        return;
      case 'deployed':
        this.#handle({ type: 'flows', flows: message.flows });
        if (start.address !== undefined) this.#o.watcher?.deployed();
        return;
      case 'blocked':
        start.blocked = message.names.length === 0 ? undefined : message;
        return;
      case 'failed':
        start.saidLast(message.text);
        this.#log.failed(message.text);
        return;
      case 'checked': {
        const took = this.#checks.answered(message.n);
        if (took === undefined) return;
        this.#checkTime = took;
        this.#memory = { resident: message.resident, proportional: message.proportional };
        if (message.disk !== undefined) this.#disk?.reported(message.disk);
        this.#handle({ type: 'checked' });
        this.#o.watcher?.passed();
      }
    }
  }

  #adopt(start: FlowStart): void {
    const unreachable = (error: string): void =>
      this.#o.logger.warn({ error }, 'The editor of Node-RED cannot be reached; its flows run.');
    void start.adopt(unreachable).then((reachable) => {
      if (reachable === undefined) return;
      this.#handle({ type: 'ready' });
      if (reachable) this.#reached(start);
      this.#checks.ask();
    });
  }

  /**
   * Its editor can be reached. Flows that are lost come back, where nothing else keeps flows from running; else a later start brings
   * them back. Until then Node-RED has none, and a revision of none would pass for the newest flows.
   */
  #reached(start: FlowStart): void {
    if (!start.lost) this.#o.watcher?.deployed();
    else if (this.#machine.heldOnly) this.#o.watcher?.lost();
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
    const [severity, message] = wordsOf(what, why);
    if (severity === 'info') this.#o.logger.info({ part: 'flows' }, message);
    else this.#o.logger.warn({ part: 'flows' }, message);
    if (what === 'running') return;
    this.#events.tell(what, { event: 'flows', severity, message, data: { what } });
  }

  #warn(what: string, message: string): void {
    this.#o.logger.warn({ part: 'flows' }, message);
    this.#events.tell(what, { event: 'flows', severity: 'warning', message, data: { what } });
  }

  #save(): void {
    const { keptSafeMode: safeMode } = this.#machine;
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

/** The part of the section that the process is started with. Grants and the front (admin/front) are in the gateway. */
function processOf(config: NodeRedConfig | undefined): object | null {
  return config === undefined ? null : { ...config, grants: undefined, editor: undefined, http: undefined };
}
