/**
 * How actions are done: one queue for each kind, with its bound. What is to be done, and what follows of it, is not decided here
 * (actions.ts). Invariants:
 * - writes of one bus have their queue: a dead device holds up nobody on another bus;
 * - a queue that is full leaves out the least severe; whoever asked gets to know that (`settled`);
 * - nothing here waits for a device, a program or Node-RED in the turn that asked for it.
 */
import type { ResolvedAction, ResolvedHook } from '../../config/actions.ts';
import type { Clock } from '../../core/clock.ts';
import type { CommandPort, Principal } from '../../core/commands.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { MessageOutcome, RuleMessage } from '../../core/rule-message.ts';
import { formatDuration } from '../../core/units.ts';
import type { HookRequest } from './hook-process.ts';
import { LONGEST_ARGUMENT } from './hook-process.ts';
import { rulePrincipal } from './interlocks.ts';
import type { Job } from './job.ts';
import { Lane, type LaneOptions, type Outcome } from './lane.ts';
import { type AlarmFacts, fill } from './texts.ts';

const WRITES = 256;
const WRITES_AT_ONCE = 4;
const HOOKS = 200;
const HOOKS_AT_ONCE = 2;
const PUBLISHES = 1000;
/** For each forwarder: those that wait, and those of one severity that are with it. */
const UPSTREAM = 200;
const UPSTREAM_AT_ONCE = 4;
/** A forwarder that a reload exchanges is there again soon, ms. */
const EXCHANGED = 1000;
const FLOWS = 200;
/** Node-RED may be starting: a flow is waited for so often (lane.ts: 1 s, 2 s, … 30 s, together about 2 minutes). */
const FLOW_RETRIES = 7;
const PUBLISH_RETRIES = 3;
/** Bytes of what a hook reads. */
const LONGEST_INPUT = 16_384;

export interface LanesSide {
  readonly clock: Clock;
  readonly gateway: () => string;
  readonly hooks: () => ReadonlyMap<string, ResolvedHook>;
  readonly commands: CommandPort;
  /** Throws where another rule locks a point now. */
  readonly assertFree: (point: string, by: Principal) => void;
  /** The bus of a device. */
  readonly busOf: (device: string) => string | undefined;
  /** @returns false: no broker takes it now */
  readonly publish: (topic: string, payload: string) => boolean;
  /** Sends a message by a forwarder. Never rejects. */
  readonly deliver: (forwarder: string, message: RuleMessage) => Promise<MessageOutcome>;
  /** What may be said of an alarm. @param forwarder where it goes; absent: the embedded broker */
  readonly shown: (facts: AlarmFacts, forwarder?: string) => AlarmFacts;
  /** @returns false: no flow of this name listens now */
  readonly trigger: (flow: string, facts: AlarmFacts) => boolean;
  /** Rejects with a SluiceError in words. */
  readonly run: (hook: ResolvedHook, request: HookRequest) => Promise<string>;
}

export interface LanesOwner {
  /** A try begins. */
  readonly begun: (job: Job) => void;
  readonly settled: (job: Job, outcome: Outcome) => void;
  /** A write fails and is tried again; only the first time. */
  readonly failing: (job: Job, error: Error) => void;
}

export class ActionLanes {
  readonly #s: LanesSide;
  readonly #owner: LanesOwner;
  /** By bus. */
  readonly #writes = new Map<string, Lane<Job>>();
  /** By forwarder. */
  readonly #upstream = new Map<string, Lane<Job>>();
  readonly #hooks: Lane<Job>;
  readonly #publishes: Lane<Job>;
  readonly #flows: Lane<Job>;
  /** Those that nobody wants any more, and that may be with a forwarder. */
  readonly #unwanted = new WeakSet<Job>();

  constructor(side: LanesSide, owner: LanesOwner) {
    this.#s = side;
    this.#owner = owner;
    this.#hooks = this.#lane({ most: HOOKS, atOnce: HOOKS_AT_ONCE, perform: (job) => this.#runHook(job) });
    this.#publishes = this.#lane({ most: PUBLISHES, atOnce: 1, perform: (job) => this.#publish(job) });
    this.#flows = this.#lane({ most: FLOWS, atOnce: 1, perform: (job) => this.#trigger(job) });
  }

  add(job: Job): void {
    const { action, facts } = job;
    this.#laneOf(job).add({
      job,
      key: action.kind === 'write' ? action.point : `${facts.rule} ${job.at}`,
      severity: facts.severity,
      ...{ retries: retriesOf(action), due: job.due },
    });
  }

  /** Nobody wants these any more. */
  drop(jobs: ReadonlySet<Job>): void {
    for (const job of jobs) this.#unwanted.add(job);
    for (const lane of this.#all()) lane.drop(jobs);
  }

  /** They are wanted after all. @returns those that still run; the others are to be added again */
  want(jobs: ReadonlySet<Job>): ReadonlySet<Job> {
    for (const job of jobs) this.#unwanted.delete(job);
    return new Set(this.#all().flatMap((lane) => lane.want(jobs)));
  }

  stop(): void {
    for (const lane of this.#all()) lane.stop();
  }

  /** Those that wait or run. */
  get waiting() {
    const sum = (...lanes: Lane<Job>[]): number => lanes.reduce((all, lane) => all + lane.waiting + lane.running, 0);
    return {
      write: sum(...this.#writes.values()),
      ...{ hook: sum(this.#hooks), publish: sum(this.#publishes, ...this.#upstream.values()), flow: sum(this.#flows) },
    };
  }

  #all(): Lane<Job>[] {
    return [...this.#writes.values(), ...this.#upstream.values(), this.#hooks, this.#publishes, this.#flows];
  }

  #lane({ perform, ...own }: Omit<LaneOptions<Job>, 'clock' | 'settled'>): Lane<Job> {
    return new Lane<Job>({
      ...{ clock: this.#s.clock, ...own },
      perform: (job) => {
        this.#owner.begun(job);
        return perform(job);
      },
      settled: (job, outcome) => this.#owner.settled(job, outcome),
    });
  }

  #laneOf({ action }: Job): Lane<Job> {
    switch (action.kind) {
      case 'hook':
        return this.#hooks;
      case 'publish':
        return action.to === undefined ? this.#publishes : this.#laneTo(action.to);
      case 'flow':
        return this.#flows;
      case 'write':
      case 'output': {
        const bus = this.#s.busOf(action.point.split('.')[0] ?? '') ?? '';
        const known = this.#writes.get(bus);
        if (known !== undefined) return known;
        const lane = this.#lane({
          ...{ most: WRITES, atOnce: WRITES_AT_ONCE, newest: true },
          refusal: (job) => this.#refusal(job),
          perform: (job) => this.#write(job),
          failing: (job, error) => this.#owner.failing(job, error),
        });
        // At most one for each bus that there ever was.
        this.#writes.set(bus, lane);
        return lane;
      }
    }
  }

  #laneTo(forwarder: string): Lane<Job> {
    const known = this.#upstream.get(forwarder);
    if (known !== undefined) return known;
    const lane = this.#lane({
      ...{ most: UPSTREAM, atOnce: UPSTREAM_AT_ONCE, aside: true, oldestGoes: true },
      perform: (job) => this.#deliver(job),
      late: ({ action }, last) => late(action, last?.message),
    });
    // At most one for each forwarder that a rule ever named.
    this.#upstream.set(forwarder, lane);
    return lane;
  }

  #refusal({ action, facts }: Job): Error | undefined {
    if (action.kind !== 'write') return undefined;
    try {
      this.#s.assertFree(action.point, rulePrincipal(facts.rule));
      return undefined;
    } catch (thrown) {
      return toError(thrown);
    }
  }

  async #write({ action, facts }: Job): Promise<void> {
    if (action.kind !== 'write') return;
    await this.#s.commands.run({ do: 'write', point: action.point, value: action.value }, rulePrincipal(facts.rule));
  }

  async #publish({ action, facts }: Job): Promise<void> {
    if (action.kind !== 'publish') return;
    const payload = fill(action.payload, this.#s.shown(facts), this.#s.gateway());
    if (!this.#s.publish(`action/${facts.rule}/${action.topic}`, payload))
      throw new SluiceError('busy', 'the embedded broker takes no message now');
  }

  async #deliver(job: Job): Promise<void> {
    const { action, facts, due = 0 } = job;
    if (action.kind !== 'publish' || action.to === undefined) return;
    // Made as it leaves for the forwarder: what it may have can have changed since.
    const payload = fill(action.payload, this.#s.shown(facts, action.to), this.#s.gateway());
    const wanted = (): boolean => !this.#unwanted.has(job);
    const outcome = await this.#s.deliver(action.to, { topic: `action/${facts.rule}/${action.topic}`, payload, due, wanted });
    switch (outcome.result) {
      case 'acknowledged':
        return;
      case 'refused':
        throw outcome.error;
      case 'expired':
        throw late(action, outcome.why);
      case 'lost':
        throw new SluiceError('busy', `the forwarder ${action.to} ended before it sent the message`, {
          data: { again: EXCHANGED },
        });
    }
  }

  async #trigger({ action, facts }: Job): Promise<void> {
    if (action.kind !== 'flow') return;
    if (!this.#s.trigger(action.flow, facts))
      throw new SluiceError('busy', `no flow with the name ${action.flow} listens; give it a node "alarm in" with this trigger`);
  }

  async #runHook({ action, facts }: Job): Promise<void> {
    if (action.kind !== 'hook') return;
    const hook = this.#s.hooks().get(action.hook);
    if (hook === undefined) throw new SluiceError('not-found', `there is no hook ${action.hook} any more`);
    const gateway = this.#s.gateway();
    const run = hook.run.map((part, i) => (i === 0 ? part : fill(part, facts, gateway, action.with).slice(0, LONGEST_ARGUMENT)));
    const own = Object.fromEntries(Object.entries(action.with).map(([key, text]) => [key, fill(text, facts, gateway)]));
    const input = `${JSON.stringify({ v: 1, gateway, hook: hook.name, ...facts, with: own })}\n`;
    await this.#s.run(hook, {
      run,
      input: input.length > LONGEST_INPUT ? `${JSON.stringify({ v: 1, gateway, hook: hook.name, ...facts })}\n` : input,
      timeout: hook.timeout,
    });
  }
}

function late(action: ResolvedAction, why: string | undefined): SluiceError {
  const within = action.kind === 'publish' ? (action.within ?? 0) : 0;
  const last = why === undefined ? 'there was no connection to the broker' : why;
  return new SluiceError('expired', `the message did not leave within ${formatDuration(within)}: ${last}`);
}

function retriesOf(action: ResolvedAction): number {
  switch (action.kind) {
    case 'write':
    case 'hook':
      return action.retries;
    case 'flow':
      return FLOW_RETRIES;
    default:
      return PUBLISH_RETRIES;
  }
}
