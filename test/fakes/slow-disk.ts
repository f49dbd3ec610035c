import {
  BROKER_TABLES,
  type BrokerChange,
  type BrokerStore,
  type BrokerTable,
  type BrokerValue,
  rowName,
} from '../../src/core/broker-store.ts';

/** Keeps the rows of the broker as a disk does, and answers when the test says so. */
export class SlowDisk implements BrokerStore {
  /** The rows, as the disk would have them. */
  readonly rows = new Map<string, BrokerChange>();
  readonly full = false;
  /** False: it takes nothing, and says so at once. */
  takes = true;
  /** False: it answers at once. */
  hangs = true;
  /** The rows of an earlier run. */
  readonly before: BrokerChange[] = [];
  whole: () => Iterable<BrokerChange> = () => [];
  #waiters: ((safe: boolean) => void)[] = [];
  #hopeful: (() => void)[] = [];
  async open(whole: () => Iterable<BrokerChange>): Promise<readonly BrokerChange[]> {
    this.whole = whole;
    return this.before;
  }
  change(change: BrokerChange): void {
    const name = rowName(change);
    if (!this.takes) return;
    if (change.gone) this.rows.delete(name);
    else this.rows.set(name, change);
  }
  settled(): Promise<boolean> {
    if (!this.takes) return Promise.resolve(false);
    if (!this.hangs) return Promise.resolve(true);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
  /** It fails, and what it was asked for is not on it. */
  fail(): void {
    this.takes = false;
    for (const resolve of this.#waiters.splice(0)) resolve(false);
  }
  /** It takes everything anew. */
  recover(): void {
    this.takes = true;
    this.rows.clear();
    for (const change of this.whole()) this.change(change);
    for (const resolve of this.#hopeful.splice(0)) resolve();
  }
  again(): Promise<void> {
    return this.takes ? Promise.resolve() : new Promise((resolve) => this.#hopeful.push(resolve));
  }
  answer(): void {
    for (const resolve of this.#waiters.splice(0)) resolve(true);
  }
  status() {
    return { state: 'file', fault: undefined, bytes: 0, commits: 0, failures: 0, repairs: 0 } as const;
  }
  async close(): Promise<void> {}
  /** Questions without an answer. */
  get asked(): number {
    return this.#waiters.length;
  }
  /** Those of a table, without their columns behind the keys. */
  of(table: BrokerTable): BrokerValue[][] {
    const { keys } = BROKER_TABLES[table];
    return [...this.rows.values()].filter((row) => row.table === table).map(({ values }) => values.slice(0, keys));
  }
  /** Topics and QoS of the filters on it. */
  filters(changes: Iterable<BrokerChange> = this.rows.values()): unknown[] {
    return [...changes].filter(({ table }) => table === 'filter').map(({ values }) => [values[1], values[2]]);
  }
}
