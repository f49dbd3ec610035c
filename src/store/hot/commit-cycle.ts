/**
 * When the log commits: one commit at a time, `commitEvery` after the first thing that waits, behind the turn after the one that asks,
 * again after a pause when one failed. What a commit carries is the log's own business.
 */
import type { Clock } from '../../core/clock.ts';

/** Time between two tries of a commit that failed. */
const RETRY = { first: 500, most: 30_000 };

/** The embedded broker writes what a session gets in the turn after the one that published it. */
const afterNextTurn = (run: () => void): void => void setImmediate(() => setImmediate(run));

export class CommitCycle<Carried> {
  /** Commits that ended well. */
  count = 0;
  /** Monotonic time of the last one. */
  last: number | undefined;
  /** Why the last try failed; undefined when it did not. */
  fault: string | undefined;
  readonly #take: () => Carried;
  readonly #clock: Clock;
  readonly #every: () => number;
  #underWay: { readonly index: number; readonly carried: Carried } | undefined;
  /** Counts the tries. */
  #tries = 0;
  #wanted = false;
  /** `soon` was asked, and its turn is not over. */
  #turnEnds = false;
  readonly #atTurnEnd: (run: () => void) => void;
  /** A request while a commit is put together is for the next commit. */
  #beginning = false;
  #stopped = false;
  #retryIn = RETRY.first;
  #cancelRetry: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Who looks at the log between two commits; bounded by the exports that run at one time. */
  #looks: (() => void)[] = [];
  /** Bounded by those who call `flush`: the close, one for each forwarder that comes or goes, and commands at work. */
  #waiters: { readonly from: number; readonly resolve: () => void }[] = [];

  /**
   * @param take takes everything that waits and sends it to the writer
   * @param every milliseconds; a reload may change it
   */
  constructor(take: () => Carried, clock: Clock, every: () => number, atTurnEnd: (run: () => void) => void = afterNextTurn) {
    this.#atTurnEnd = atTurnEnd;
    this.#take = take;
    this.#clock = clock;
    this.#every = every;
  }

  /** A commit is under way: the writer owes an answer. */
  get busy(): boolean {
    return this.#underWay !== undefined;
  }

  /** Something waits: a commit begins `every` after the first. */
  arm(): void {
    this.#cancelTimer ??= this.#clock.after(this.#every(), () => {
      this.#cancelTimer = undefined;
      this.soon();
    });
  }

  /**
   * A commit begins when the next turn of the event loop is over, or as soon as the one under way has ended; after a failure with the
   * next try. An alarm that asks for it leaves first: to put a commit together and to carry it out takes a core for some milliseconds.
   */
  soon(): void {
    this.#wanted = true;
    if (this.#turnEnds || !this.#isFree) return;
    this.#turnEnds = true;
    this.#atTurnEnd(() => {
      this.#turnEnds = false;
      if (this.#wanted && this.#isFree) this.#begin();
    });
  }

  get #isFree(): boolean {
    return this.#underWay === undefined && this.#cancelRetry === undefined;
  }

  /** Resolves when everything of now is committed; goes on trying while the disk refuses. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      // A commit under way took its part before: only the next one has everything.
      this.#waiters.push({ from: this.#tries + 1, resolve });
      this.soon();
    });
  }

  /** The view of `look` while no commit is under way: at once, or when the one under way has ended. It causes no commit. */
  between<Seen>(look: () => Seen): Promise<Seen> {
    return new Promise((resolve) => {
      if (this.#underWay === undefined) resolve(look());
      else this.#looks.push(() => resolve(look()));
    });
  }

  /** @returns what the commit carried that has ended well; undefined when none was under way. `next` is to be called after it was dealt with. */
  ended(): Carried | undefined {
    const commit = this.#underWay;
    if (commit === undefined) return undefined;
    this.#underWay = undefined;
    this.count++;
    this.last = this.#clock.monotonic();
    this.#retryIn = RETRY.first;
    this.#waiters = this.#waiters.filter((w) => {
      if (w.from > commit.index) return true;
      w.resolve();
      return false;
    });
    return commit.carried;
  }

  /** The next commit, when one is wanted. */
  next(): void {
    this.#look();
    if (this.#wanted || this.#waiters.length > 0) this.#begin();
  }

  /** @returns what the commit carried that failed, to be put back. The next try is set already: the handler of the failure may append, which must not begin a commit at once. */
  failed(): Carried | undefined {
    const commit = this.#underWay;
    if (commit === undefined) return undefined;
    this.#underWay = undefined;
    this.#cancelRetry = this.#clock.after(this.#retryIn, () => {
      this.#cancelRetry = undefined;
      this.#begin();
    });
    this.#retryIn = Math.min(this.#retryIn * 2, RETRY.most);
    // When the log has put back what the commit carried.
    queueMicrotask(() => this.#look());
    return commit.carried;
  }

  /** No commit begins from now on. */
  stop(): void {
    this.#stopped = true;
    this.#look();
    this.#cancelTimer?.();
    this.#cancelRetry?.();
  }

  #look(): void {
    for (const look of this.#looks.splice(0)) look();
  }

  #begin(): void {
    if (this.#underWay !== undefined || this.#beginning || this.#stopped) return;
    this.#wanted = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const index = ++this.#tries;
    this.#beginning = true;
    this.#underWay = { index, carried: this.#take() };
    this.#beginning = false;
  }
}
