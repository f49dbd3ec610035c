/** A disk for broker.db that commits, fails and recovers when a test says so. What is not committed is lost with the power. */
import {
  type BrokerChange,
  type BrokerStore,
  type BrokerStoreStatus,
  type BrokerTable,
  type BrokerValue,
  rowName,
} from '../../src/core/broker-store.ts';

export class CommittingDisk implements BrokerStore {
  readonly full = false;
  /** What a power cut leaves. */
  readonly #rows = new Map<string, BrokerChange>();
  #waiting: BrokerChange[] = [];
  #asked: ((safe: boolean) => void)[] = [];
  #hopeful: (() => void)[] = [];
  #whole: () => Iterable<BrokerChange> = () => [];
  #fails = false;

  async open(whole: () => Iterable<BrokerChange>): Promise<readonly BrokerChange[]> {
    this.#whole = whole;
    return [];
  }
  get takes(): boolean {
    return !this.#fails;
  }
  change(change: BrokerChange): void {
    if (!this.#fails) this.#waiting.push(change);
  }
  settled(): Promise<boolean> {
    if (this.#fails) return Promise.resolve(false);
    if (this.#waiting.length === 0) return Promise.resolve(true);
    return new Promise((resolve) => this.#asked.push(resolve));
  }
  again(): Promise<void> {
    return this.#fails ? new Promise((resolve) => this.#hopeful.push(resolve)) : Promise.resolve();
  }
  status(): BrokerStoreStatus {
    return { state: this.#fails ? 'faulty' : 'file', fault: undefined, bytes: 0, commits: 0, failures: 0, repairs: 0 };
  }
  async close(): Promise<void> {}

  commit(): void {
    for (const change of this.#waiting.splice(0))
      if (change.gone) this.#rows.delete(rowName(change));
      else this.#rows.set(rowName(change), change);
    for (const resolve of this.#asked.splice(0)) resolve(true);
  }
  fail(): void {
    this.#fails = true;
    this.#waiting = [];
    for (const resolve of this.#asked.splice(0)) resolve(false);
  }
  /** Everything anew, in one commit. */
  recover(): void {
    if (!this.#fails) return;
    this.#fails = false;
    this.#rows.clear();
    this.#waiting = [...this.#whole()];
    this.commit();
    for (const resolve of this.#hopeful.splice(0)) resolve();
  }
  rows(table: BrokerTable): readonly (readonly BrokerValue[])[] {
    return [...this.#rows.values()].filter((row) => row.table === table).map(({ values }) => values);
  }
  /** Contents of the messages that wait for a session, in their order. */
  waiting(key: number | undefined): string[] {
    const messages = new Map(this.rows('message').map(([message, , payload]) => [message, Buffer.from(payload as Uint8Array)]));
    return this.rows('place')
      .filter(([session]) => session === key)
      .toSorted((a, b) => Number(a[1]) - Number(b[1]))
      .flatMap(([, message]) => messages.get(message ?? null)?.toString() ?? []);
  }
  retained(topic: string): string | undefined {
    const row = this.rows('retained').find(([name]) => name === topic);
    return row === undefined ? undefined : Buffer.from(row[1] as Uint8Array).toString();
  }
  /** Numbers of QoS 2 messages of a client with their marks, by sessions. */
  incoming(key: number | undefined): number {
    return this.rows('incoming').filter(([session]) => session === key).length;
  }
}
