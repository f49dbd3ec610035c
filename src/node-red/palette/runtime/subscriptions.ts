/**
 * What the nodes of a runtime want to hear, in the few subscriptions that a connection may have.
 *
 * Invariants:
 * - Nodes that want the same share one subscription. From the 49th on, those with equal options share one with all their patterns.
 * - Each line that the gateway sends costs one credit. It gets it back when the runtime has taken all messages of the line, so
 *   never more than CREDIT lines of a subscription wait here. A gateway that sends more than that is cut off.
 * - After a reconnect everything is subscribed anew.
 */
import { isExact, matches, wirePattern } from './patterns.ts';
import { type Alarm, CREDIT, type Reading } from './wire.ts';

/** Subscriptions of one set of patterns each; further ones are put together. */
const OWN = 48;
/** Those that nodes share by their options. The gateway takes 64: these, OWN, the alarms, and one that is about to be replaced. */
const SHARED = 14;
/** Patterns that the gateway takes in one subscription; with more this asks for all points and filters here. */
const MOST_PATTERNS = 64;
/** Messages in one turn of the event loop: between them the flows, the editor and the health check run. */
const TURN = 100;
/** Rules whose present state is kept for nodes that come later. */
const MOST_RULES = 10_000;

export interface Wish {
  readonly patterns: readonly string[];
  readonly mode: 'current' | 'every';
  /** At most one reading of a point in this time, ms; 0: no limit. */
  readonly every: number;
  readonly quality: 'good' | 'all';
  /** The present reading of each point comes first. */
  readonly initial: boolean;
}
export interface ReadingMember {
  readonly wish: Wish;
  readonly take: (reading: Reading) => void;
  /** The gateway left readings out. */
  readonly throttled: (dropped: number) => void;
  /** The gateway does not take this subscription. */
  readonly refused: (why: string) => void;
}
export interface AlarmMember {
  /** Each transition; `present`: the state as it is. */
  readonly take: (alarm: Alarm) => void;
  /** It takes only what rules trigger under this name. */
  readonly trigger?: string | undefined;
}

interface Group {
  readonly key: string;
  readonly options: Omit<Wish, 'patterns'>;
  readonly shared: boolean;
  readonly members: Set<ReadingMember>;
  /** Members that were not there when the gateway was asked. */
  readonly newcomers: Set<ReadingMember>;
  /** Those for which it sends present readings. */
  fresh: ReadonlySet<ReadingMember>;
  /** Members by point; those with `*` apart. */
  exact: Map<string, ReadingMember[]>;
  wild: ReadingMember[];
  /** On the wire; undefined: not yet. */
  id: string | undefined;
  patterns: string;
  stale: boolean;
}

interface Work {
  readonly id: string;
  readonly run: () => void;
}

export interface SubscriptionsParts {
  readonly send: (line: Readonly<Record<string, unknown>>) => void;
  readonly overrun: () => void;
}

export class Subscriptions {
  readonly counters = { lines: 0, readings: 0, dropped: 0, refused: 0 };
  readonly #parts: SubscriptionsParts;
  readonly #groups = new Map<string, Group>();
  readonly #byId = new Map<string, Group>();
  readonly #alarms = new Set<AlarmMember>();
  readonly #present = new Map<string, Alarm>();
  /** Lines of each subscription that wait here. */
  readonly #held = new Map<string, number>();
  #alarmId: string | undefined;
  /** The triggers that were asked for, as JSON. */
  #triggers = '[]';
  #work: Work[] = [];
  /** Lines whose messages are all sent. */
  #done: string[] = [];
  #turn: NodeJS.Immediate | undefined;
  #flush: NodeJS.Immediate | undefined;
  #next = 1;
  #connected = false;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  get size(): number {
    let members = this.#alarms.size;
    for (const group of this.#groups.values()) members += group.members.size;
    return members + this.#groups.size + this.#byId.size;
  }

  /** @returns ends it; undefined: the gateway takes no further kind of subscription */
  add(member: ReadingMember): (() => void) | undefined {
    const group = this.#groupFor(member.wish);
    if (group === undefined) {
      this.counters.refused++;
      return undefined;
    }
    group.members.add(member);
    group.newcomers.add(member);
    this.#changed(group);
    return () => {
      group.newcomers.delete(member);
      if (group.members.delete(member)) this.#changed(group);
    };
  }

  /** @returns ends it */
  addAlarms(member: AlarmMember): () => void {
    this.#alarms.add(member);
    this.#later();
    // What the gateway said when it was asked first.
    const known = member.trigger === undefined ? [...this.#present.values()] : [];
    const turn = setImmediate(() => {
      for (const alarm of known) if (this.#alarms.has(member)) member.take({ ...alarm, present: true });
    });
    return () => {
      clearImmediate(turn);
      this.#alarms.delete(member);
      this.#later();
    };
  }

  connected(): void {
    this.#connected = true;
    for (const group of this.#groups.values()) group.stale = true;
    this.#later();
  }

  disconnected(): void {
    this.#connected = false;
    this.#byId.clear();
    this.#held.clear();
    this.#present.clear();
    this.#work = [];
    this.#done = [];
    this.#alarmId = undefined;
    for (const group of this.#groups.values()) group.id = undefined;
  }

  stop(): void {
    this.disconnected();
    clearImmediate(this.#turn);
    clearImmediate(this.#flush);
    this.#turn = undefined;
    this.#flush = undefined;
    this.#groups.clear();
    this.#alarms.clear();
  }

  readings(id: string, readings: readonly Reading[]): void {
    const group = this.#byId.get(id);
    // One that was ended meanwhile.
    if (group === undefined || !this.#hold(id)) return;
    this.counters.readings += readings.length;
    for (const reading of readings) this.#work.push({ id, run: () => deliver(group, reading) });
    this.#finishLine(id);
  }

  alarm(id: string, alarm: Alarm): void {
    if (id !== this.#alarmId || !this.#hold(id)) return;
    if (alarm.trigger !== undefined) {
      const { trigger } = alarm;
      this.#work.push({
        id,
        run: () => {
          for (const member of [...this.#alarms]) if (member.trigger === trigger) member.take(alarm);
        },
      });
      this.#finishLine(id);
      return;
    }
    if (this.#present.has(alarm.rule) || this.#present.size < MOST_RULES) this.#present.set(alarm.rule, alarm);
    this.#work.push({
      id,
      run: () => {
        for (const member of [...this.#alarms]) if (member.trigger === undefined) member.take(alarm);
      },
    });
    this.#finishLine(id);
  }

  throttled(what: string, dropped: number): void {
    if (!what.startsWith('subscribe:')) return;
    this.counters.dropped += dropped;
    for (const member of this.#byId.get(what.slice('subscribe:'.length))?.members ?? []) member.throttled(dropped);
  }

  /** @returns false: no subscription has this id */
  refused(id: string, why: string): boolean {
    const group = this.#byId.get(id);
    for (const member of group?.members ?? []) member.refused(why);
    return group !== undefined;
  }

  #groupFor(wish: Wish): Group | undefined {
    const { patterns, ...options } = wish;
    const kind = JSON.stringify([options.mode, options.every, options.quality, options.initial]);
    const own = JSON.stringify([kind, [...new Set(patterns)].sort()]);
    const [ownGroup, sharedGroup] = [this.#groups.get(own), this.#groups.get(kind)];
    if (ownGroup !== undefined) return ownGroup;
    const sharedOnes = [...this.#groups.values()].filter(({ shared }) => shared).length;
    if (this.#groups.size - sharedOnes < OWN) return this.#newGroup(own, options, false);
    if (sharedGroup !== undefined) return sharedGroup;
    return sharedOnes < SHARED ? this.#newGroup(kind, options, true) : undefined;
  }

  #newGroup(key: string, options: Omit<Wish, 'patterns'>, shared: boolean): Group {
    const group: Group = {
      ...{ key, options, shared, members: new Set(), newcomers: new Set(), fresh: new Set(), exact: new Map(), wild: [] },
      ...{ id: undefined, patterns: '', stale: true },
    };
    this.#groups.set(key, group);
    return group;
  }

  #changed(group: Group): void {
    group.stale = true;
    this.#later();
  }

  /** A deploy adds and removes many at once: the gateway hears of it once. */
  #later(): void {
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      for (const group of [...this.#groups.values()]) if (group.stale) this.#renew(group);
      this.#renewAlarms();
    });
  }

  #renew(group: Group): void {
    group.stale = false;
    if (group.members.size === 0) {
      this.#groups.delete(group.key);
      this.#end(group.id);
      return;
    }
    group.exact = new Map();
    group.wild = [];
    for (const member of group.members) {
      const { patterns } = member.wish;
      if (!patterns.every(isExact)) group.wild.push(member);
      else {
        for (const point of new Set(patterns)) {
          const list = group.exact.get(point);
          if (list === undefined) group.exact.set(point, [member]);
          else list.push(member);
        }
      }
    }
    if (!this.#connected) return;
    const all = new Set([...group.members].flatMap(({ wish }) => wish.patterns.map(wirePattern)));
    const points = all.has('*') || all.size > MOST_PATTERNS ? ['*'] : [...all].sort();
    const patterns = JSON.stringify(points);
    const asks = group.options.initial && group.newcomers.size > 0;
    if (group.id !== undefined && group.patterns === patterns && !asks) return;
    // After a reconnect the present reading is news for all of them.
    group.fresh = new Set(group.id === undefined ? group.members : group.newcomers);
    group.newcomers.clear();
    const before = group.id;
    const id = `s${this.#next++}`;
    group.id = id;
    group.patterns = patterns;
    this.#byId.set(id, group);
    const { mode, every, quality, initial } = group.options;
    this.#parts.send({ type: 'subscribe', id, points, mode, ...(every > 0 ? { every } : {}), quality, initial, credit: CREDIT });
    this.#end(before);
  }

  #renewAlarms(): void {
    if (!this.#connected) return;
    const names = new Set([...this.#alarms].flatMap(({ trigger }) => trigger ?? []));
    const triggers = [...names].sort().slice(0, MOST_PATTERNS);
    const wanted = JSON.stringify(triggers);
    if (this.#alarms.size > 0 && (this.#alarmId === undefined || this.#triggers !== wanted)) {
      const before = this.#alarmId;
      this.#alarmId = `a${this.#next++}`;
      this.#triggers = wanted;
      const asked = triggers.length === 0 ? {} : { triggers };
      this.#parts.send({ type: 'subscribe', id: this.#alarmId, alarms: ['*'], ...asked, credit: CREDIT });
      this.#end(before);
    } else if (this.#alarms.size === 0 && this.#alarmId !== undefined) {
      this.#end(this.#alarmId);
      this.#alarmId = undefined;
      this.#present.clear();
    }
  }

  #end(id: string | undefined): void {
    if (id === undefined) return;
    this.#byId.delete(id);
    this.#held.delete(id);
    if (this.#connected) this.#parts.send({ type: 'unsubscribe', id });
  }

  /** @returns false: the gateway sent a line for which it had no credit */
  #hold(id: string): boolean {
    const held = this.#held.get(id) ?? 0;
    if (held >= CREDIT) {
      this.#parts.overrun();
      return false;
    }
    this.counters.lines++;
    this.#held.set(id, held + 1);
    return true;
  }

  #finishLine(id: string): void {
    this.#work.push({ id, run: () => this.#done.push(id) });
    this.#turn ??= setImmediate(() => this.#run());
  }

  #run(): void {
    this.#turn = undefined;
    // Node-RED hands messages on in the turn after a node has sent them: only now the flow has had those of the last turn.
    const done = this.#done;
    this.#done = [];
    for (const id of done) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      this.#held.set(id, held - 1);
      this.#parts.send({ type: 'credit', id, n: 1 });
    }
    const now = this.#work.splice(0, TURN);
    for (const { id, run } of now) if (id === this.#alarmId || this.#byId.has(id)) run();
    if (this.#work.length > 0 || this.#done.length > 0) this.#turn = setImmediate(() => this.#run());
  }
}

function deliver(group: Group, reading: Reading): void {
  const wants = (member: ReadingMember): boolean =>
    group.members.has(member) && (reading.initial !== true || group.fresh.has(member));
  for (const member of group.exact.get(reading.point) ?? []) if (wants(member)) member.take(reading);
  for (const member of group.wild) {
    if (wants(member) && member.wish.patterns.some((pattern) => matches(pattern, reading.point))) member.take(reading);
  }
}
