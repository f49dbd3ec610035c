/** The subscriptions of one client, and whose line leaves next: one line of each in turn, so none waits for another that has much. */
import type { Sample } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import type { DoorCounts } from './counts.ts';
import * as limits from './limits.ts';
import { LineTexts } from './line-texts.ts';
import type { ClientLine } from './lines.ts';
import { presentAlarms } from './present.ts';
import { latestReading } from './readings.ts';
import type { DoorSource } from './source.ts';
import { AlarmSubscription, ReadingSubscription, type Subscription, type SubscriptionSide } from './subscription.ts';

export interface SubscriptionsSide extends SubscriptionSide {
  readonly source: DoorSource;
  readonly counts: DoorCounts;
  readonly say: (line: object) => void;
  /** The same for a line that is JSON already. */
  readonly write: (line: string) => void;
  /** Whether all clients together may have one more. */
  readonly mayAdd: () => boolean;
  /** The client takes less than comes: `n` more were dropped. */
  readonly dropped: (id: string, n: number) => void;
  /** The client has not taken what it was sent. */
  readonly isBehind: () => boolean;
}

export class Subscriptions {
  readonly #s: SubscriptionsSide;
  readonly #all = new Map<string, Subscription>();

  constructor(side: SubscriptionsSide) {
    this.#s = side;
  }

  get size(): number {
    return this.#all.size;
  }

  /** A second one with an id in use replaces the first. @returns false: there are MOST_SUBSCRIPTIONS or ALL_SUBSCRIPTIONS already */
  add({ id, credit, what }: Omit<Extract<ClientLine, { type: 'subscribe' }>, 'type'>): boolean {
    const { source, mayAdd } = this.#s;
    this.remove(id);
    if (this.#all.size >= limits.MOST_SUBSCRIPTIONS) return false;
    if (this.#all.size >= limits.OWN_SUBSCRIPTIONS && !mayAdd()) return false;
    if ('alarms' in what) {
      const subscription = new AlarmSubscription(what, credit, this.#s);
      this.#all.set(id, subscription);
      for (const alarm of presentAlarms(source))
        if (subscription.isMeant(alarm.rule)) subscription.offer({ ...alarm, present: true });
      return true;
    }
    const subscription = new ReadingSubscription(what, credit, this.#s);
    this.#all.set(id, subscription);
    if (!what.initial) return true;
    for (const latest of source.latest.all())
      if (subscription.isMeant(latest.device, latest.point))
        subscription.offer({ ...latestReading(latest, source.clockKnown()), initial: true });
    return true;
  }

  remove(id: string): void {
    this.#all.get(id)?.end();
    this.#all.delete(id);
  }

  credit(id: string, n: number): void {
    this.#all.get(id)?.credit.add(n);
    this.#s.ready();
  }

  sample(sample: Sample, offset: number, known: boolean): void {
    for (const subscription of this.#all.values())
      if (subscription.kind === 'readings') subscription.sample(sample, offset, known);
  }

  alarm(notice: NoticeMessage): void {
    for (const subscription of this.#all.values())
      if (subscription.kind === 'alarms' && subscription.isMeant(notice.key))
        subscription.offer(JSON.parse(notice.json) as object);
  }

  /** @returns whether somebody listens to triggers of this flow */
  trigger(flow: string, line: object): boolean {
    let heard = false;
    for (const subscription of this.#all.values()) {
      if (subscription.kind !== 'alarms' || !subscription.listens(flow)) continue;
      subscription.offer(line);
      heard = true;
    }
    return heard;
  }

  /** Says what is ready, until the client is behind, time is over, or nothing is left. @returns whether only time was missing */
  flush(hasTime: () => boolean): boolean {
    const { isBehind } = this.#s;
    for (let again = true; again; ) {
      again = false;
      for (const [id, subscription] of [...this.#all]) {
        if (isBehind()) return false;
        if (!hasTime()) return true;
        // The next flush begins with those that had no turn in this one.
        this.#all.delete(id);
        this.#all.set(id, subscription);
        this.#tellDropped(id, subscription);
        if (!subscription.isReady) continue;
        this.#line(id, subscription);
        again = true;
      }
    }
    return false;
  }

  end(): void {
    for (const subscription of this.#all.values()) subscription.end();
    this.#all.clear();
  }

  #line(id: string, subscription: Subscription): void {
    const { counts, say, write } = this.#s;
    subscription.credit.left--;
    if (subscription.kind === 'alarms') {
      counts.alarms++;
      say({ type: 'alarm', id, ...subscription.take() });
      return;
    }
    const { dropped } = subscription;
    subscription.dropped = 0;
    const texts = new LineTexts();
    subscription.take(limits.LINE_READINGS, (reading) => texts.add(reading));
    counts.readings += texts.size;
    write(`{"type":"readings","id":${JSON.stringify(id)},"dropped":${dropped},"readings":${texts.take()}}`);
  }

  #tellDropped(id: string, subscription: Subscription): void {
    const { unreported } = subscription;
    if (unreported === 0) return;
    subscription.unreported = 0;
    this.#s.dropped(id, unreported);
  }
}
