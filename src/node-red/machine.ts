/**
 * The life of the Node-RED process: one state, one owner. Pure: every step is an event and a time, and gives the effects that its
 * driver (supervisor.ts) carries out.
 *
 * - At most one process exists. `start` is given only where the one before is proven ended (`ended`), never sooner.
 * - What it does by itself is a crash when nobody asked for it. CRASHES within an hour lead to safe mode, however slow they come.
 * - A stop ends: `kill` follows `end` after STOP_WITHIN.
 * - Safe mode ends with a deploy that starts flows, and by the configuration (`safeMode: never`).
 * - Flows that would never start (`held`) do not run, whatever the policy. Each start looks at them again.
 * - While the disk is full of what flows wrote (`full`), flows never run, whatever the policy and whatever is deployed.
 */
import { type Backoff, waitAfter } from '../core/backoff.ts';
import type { FlowState } from '../core/flow-supervisor.ts';
import type { FlowsState } from './messages.ts';

/** Ends by itself within HOUR that lead to safe mode. */
export const CRASHES = 5;
const HOUR = 3_600_000;
/** A process that answered for so long was well, ms: the next end is a first one. */
const WELL_AFTER = 600_000;
export const BACKOFF: Backoff = { first: 2000, longest: 300_000 };
/** A small board loads its nodes from a slow card. */
export const START_WITHIN = 120_000;
/** Nodes may close for 10 s of this (child/red-settings.ts). */
export const STOP_WITHIN = 15_000;
/** Checks without an answer, one after the other, after which it is ended. */
export const MISSED = 3;

export type FlowEvent =
  | { readonly type: 'want'; readonly safeMode: 'afterCrashes' | 'never' }
  | { readonly type: 'unwant' }
  /** What flows wrote takes too much of the disk; or no longer. `urgent`: it is killed. */
  | { readonly type: 'full'; readonly why: string; readonly urgent: boolean }
  | { readonly type: 'space' }
  /** Its settings changed: it starts again, with what stands then. */
  | { readonly type: 'changed'; readonly safeMode: 'afterCrashes' | 'never' }
  /** The process holds its flows back: they would never start. */
  | { readonly type: 'held'; readonly why: string }
  | { readonly type: 'ready' }
  | { readonly type: 'flows'; readonly flows: FlowsState }
  /** A check came back; or did not. */
  | { readonly type: 'checked' }
  | { readonly type: 'missed' }
  /** Nothing of it is left. */
  | { readonly type: 'ended'; readonly why: string }
  /** Nothing was started: something is missing. */
  | { readonly type: 'refused'; readonly why: string }
  /** The time of the newest `wait` is over. */
  | { readonly type: 'due' };

export type FlowEffect =
  | { readonly type: 'start'; readonly safeMode: string | undefined }
  /** Ask it to end. */
  | { readonly type: 'end' }
  | { readonly type: 'kill' }
  /** `due` comes after so many ms; replaces an earlier wait. `undefined`: none. */
  | { readonly type: 'wait'; readonly ms: number | undefined }
  | {
      readonly type: 'tell';
      readonly what:
        | 'crash'
        | 'safe-mode'
        | 'safe-mode-left'
        | 'held'
        | 'hang'
        | 'refused'
        | 'running'
        | 'disk-full'
        | 'disk-room';
      readonly why: string;
    };

export class FlowMachine {
  readonly #random: () => number;
  #state: FlowState = 'stopped';
  #since = 0;
  #wanted = false;
  /** A process exists, or may exist. */
  #alive = false;
  /** It was asked to end or killed by us, for this reason. */
  #ending: string | undefined;
  #reason: string | undefined;
  #policy: 'afterCrashes' | 'never' = 'afterCrashes';
  #safeMode: string | undefined;
  /** Why the disk takes no more of flows. */
  #full: string | undefined;
  /** Why the flows that lie on the disk would never start. */
  #held: string | undefined;
  /** The fault of held flows that the last event named. A deploy that starts flows clears it. */
  #toldHeld: string | undefined;
  /** The present process was started without its flows, and nobody has started them since. */
  #calm = false;
  #crashes: number[] = [];
  #failures = 0;
  #missed = 0;
  #readyAt: number | undefined;
  #nextStart: number | undefined;
  #refused: string | undefined;
  restarts = 0;

  /** @param safeMode why an earlier daemon stopped the flows */
  constructor(random: () => number, safeMode?: string) {
    this.#random = random;
    this.#safeMode = safeMode;
  }

  get state(): FlowState {
    return this.#state;
  }
  get since(): number {
    return this.#since;
  }
  get reason(): string | undefined {
    return this.#reason;
  }
  /** Why the flows do not run. */
  get safeMode(): string | undefined {
    return this.#full ?? this.#held ?? this.#safeMode;
  }
  /** The same, as far as it outlives the daemon: how full the disk is shows itself, and so do flows that would never start. */
  get keptSafeMode(): string | undefined {
    return this.#safeMode;
  }
  get nextStart(): number | undefined {
    return this.#nextStart;
  }
  get alive(): boolean {
    return this.#alive;
  }
  /** Flows run, or may run, or their process is not proven ended. */
  get flowing(): boolean {
    return this.#alive && !this.#calm;
  }
  /** Its flows are held back for what they are, and for nothing else. */
  get heldOnly(): boolean {
    return this.#held !== undefined && this.#full === undefined && this.#safeMode === undefined;
  }
  /** Crashes of the last hour. */
  crashes(now: number): number {
    return this.#crashes.filter((at) => now - at < HOUR).length;
  }

  handle(event: FlowEvent, now: number): FlowEffect[] {
    switch (event.type) {
      case 'want':
      case 'changed':
        return this.#want(event.safeMode, event.type === 'changed', now);
      case 'unwant':
        this.#wanted = false;
        return this.#alive ? this.#end(now) : this.#rest(undefined, now);
      case 'full':
        return this.#fill(event.why, event.urgent, now);
      case 'space':
        return this.#space(now);
      case 'held':
        return this.#hold(event.why);
      case 'ready':
        return this.#ready(now);
      case 'flows':
        return this.#flows(event.flows, now);
      case 'checked':
        this.#missed = 0;
        if (this.#state === 'unhealthy' && this.#ending === undefined) this.#well(now);
        return [];
      case 'missed':
        return this.#miss(now);
      case 'ended':
        return this.#ended(event.why, now);
      case 'refused':
        return this.#refuse(event.why, now);
      case 'due':
        return this.#due(now);
    }
  }

  #want(policy: 'afterCrashes' | 'never', changed: boolean, now: number): FlowEffect[] {
    this.#wanted = true;
    this.#policy = policy;
    if (policy === 'never') this.#safeMode = undefined;
    if (!this.#alive) return this.#state === 'backing-off' && !changed ? [] : this.#start(now);
    return changed ? this.#end(now) : [];
  }

  #start(now: number): FlowEffect[] {
    this.#alive = true;
    this.#ending = undefined;
    this.#missed = 0;
    this.#readyAt = undefined;
    this.#nextStart = undefined;
    this.#held = undefined;
    this.#calm = this.safeMode !== undefined;
    this.#enter('starting', undefined, now);
    return [
      { type: 'wait', ms: START_WITHIN },
      { type: 'start', safeMode: this.safeMode },
    ];
  }

  /** The word of the process is no proof that its flows stand still: a full disk ends it all the same. */
  #hold(why: string): FlowEffect[] {
    if (this.#state !== 'starting') return [];
    this.#held = why;
    if (this.#toldHeld === why) return [];
    this.#toldHeld = why;
    return [{ type: 'tell', what: 'held', why }];
  }

  #ready(now: number): FlowEffect[] {
    if (this.#state !== 'starting') return [];
    this.#readyAt = now;
    this.#refused = undefined;
    this.#well(now);
    return [
      { type: 'wait', ms: undefined },
      { type: 'tell', what: 'running', why: '' },
    ];
  }

  #well(now: number): void {
    this.#enter(this.safeMode === undefined ? 'running' : 'safe-mode', this.safeMode, now);
  }

  #fill(why: string, urgent: boolean, now: number): FlowEffect[] {
    const news: FlowEffect[] = this.#full === undefined ? [{ type: 'tell', what: 'disk-full', why }] : [];
    this.#full = why;
    if (!this.#alive) return news;
    if (this.#calm) {
      if (this.#state === 'safe-mode') this.#well(now);
      return news;
    }
    const ends = this.#end(now);
    return [...news, ...ends, ...(urgent ? [{ type: 'kill' } as const] : [])];
  }

  #space(now: number): FlowEffect[] {
    if (this.#full === undefined) return [];
    const news: FlowEffect[] = [{ type: 'tell', what: 'disk-room', why: this.#full }];
    this.#full = undefined;
    if (!this.#alive || !this.#calm || this.#state === 'stopping') return news;
    if (this.#safeMode === undefined) return [...news, ...this.#end(now)];
    if (this.#state === 'safe-mode') this.#well(now);
    return news;
  }

  #flows(flows: FlowsState, now: number): FlowEffect[] {
    if (flows !== 'started' || this.#readyAt === undefined || this.#ending !== undefined) return [];
    this.#calm = false;
    // A deploy makes no room.
    if (this.#full !== undefined) return [{ type: 'tell', what: 'disk-full', why: this.#full }, ...this.#end(now)];
    const why = this.#held ?? this.#safeMode;
    if (why === undefined) return [];
    this.#held = undefined;
    this.#toldHeld = undefined;
    this.#safeMode = undefined;
    this.#crashes = [];
    this.#failures = 0;
    if (this.#state === 'safe-mode') this.#well(now);
    return [{ type: 'tell', what: 'safe-mode-left', why }];
  }

  #miss(now: number): FlowEffect[] {
    if (this.#readyAt === undefined || this.#ending !== undefined) return [];
    this.#missed++;
    const why = `${this.#missed} of its checks had no answer: no message passes through it`;
    this.#enter('unhealthy', why, now);
    if (this.#missed < MISSED) return [];
    this.#ending = why;
    return [{ type: 'tell', what: 'hang', why }, { type: 'wait', ms: undefined }, { type: 'kill' }];
  }

  #end(now: number): FlowEffect[] {
    if (this.#state === 'stopping') return [];
    const killed = this.#ending !== undefined;
    this.#ending ??= '';
    this.#enter('stopping', undefined, now);
    // It was killed already: its end is under way.
    return killed ? [] : [{ type: 'wait', ms: STOP_WITHIN }, { type: 'end' }];
  }

  #ended(why: string, now: number): FlowEffect[] {
    if (!this.#alive) return [];
    this.#alive = false;
    const asked = this.#state === 'stopping';
    const cause = this.#ending === undefined || this.#ending === '' ? why : this.#ending;
    const well = this.#readyAt !== undefined && now - this.#readyAt >= WELL_AFTER;
    this.#readyAt = undefined;
    this.#ending = undefined;
    if (asked) return this.#wanted ? this.#start(now) : this.#rest(undefined, now);
    if (well) this.#failures = 0;
    // Bounded by the crashes that lead to safe mode.
    this.#crashes = [...this.#crashes.filter((at) => now - at < HOUR), now].slice(-CRASHES);
    const effects: FlowEffect[] = [{ type: 'tell', what: 'crash', why: cause }];
    if (this.#policy === 'afterCrashes' && this.#safeMode === undefined && this.#crashes.length >= CRASHES) {
      this.#safeMode = `Node-RED ended by itself ${CRASHES} times within an hour, the last time because ${cause}`;
      effects.push({ type: 'tell', what: 'safe-mode', why: this.#safeMode });
    }
    return [...effects, ...this.#backOff(cause, now)];
  }

  #refuse(why: string, now: number): FlowEffect[] {
    if (!this.#alive) return [];
    const asked = this.#state === 'stopping';
    this.#alive = false;
    this.#ending = undefined;
    if (asked) return this.#wanted ? this.#start(now) : this.#rest(undefined, now);
    const news: FlowEffect[] = this.#refused === why ? [] : [{ type: 'tell', what: 'refused', why }];
    this.#refused = why;
    return [...news, ...this.#backOff(why, now)];
  }

  #backOff(why: string, now: number): FlowEffect[] {
    const ms = waitAfter(BACKOFF, Math.min(this.#failures++, 20), this.#random());
    this.#enter('backing-off', why, now);
    this.#nextStart = now + ms;
    return [{ type: 'wait', ms }];
  }

  #rest(reason: string | undefined, now: number): FlowEffect[] {
    this.#nextStart = undefined;
    this.#refused = undefined;
    if (this.#state !== 'stopped') this.#enter('stopped', reason, now);
    return [{ type: 'wait', ms: undefined }];
  }

  #due(now: number): FlowEffect[] {
    switch (this.#state) {
      case 'backing-off':
        this.restarts++;
        return this.#start(now);
      case 'stopping':
        this.#reason = 'it did not end when it was asked, and was killed';
        return [{ type: 'kill' }];
      case 'starting':
        this.#ending = `it was not ready within ${START_WITHIN / 1000} s`;
        this.#enter('unhealthy', this.#ending, now);
        return [{ type: 'kill' }];
      default:
        return [];
    }
  }

  #enter(state: FlowState, reason: string | undefined, now: number): void {
    if (this.#state !== state) this.#since = now;
    this.#state = state;
    this.#reason = reason;
  }
}
