/** The newest transition of each rule that exists, for whoever begins to show alarms. Bound: one for each rule. */
import type { LiveSink, NoticeMessage } from '../core/ports.ts';

export class NewestAlarms implements LiveSink {
  readonly #alarms = new Map<string, NoticeMessage>();

  /** @param last what an earlier start left */
  begin(last: readonly NoticeMessage[]): void {
    for (const alarm of last) this.#alarms.set(alarm.key, alarm);
  }

  all(): Iterable<NoticeMessage> {
    return this.#alarms.values();
  }

  notice(notice: NoticeMessage): void {
    if (notice.kind === 'alarm') this.#alarms.set(notice.key, notice);
  }

  sample(): void {}

  inventory(): void {}

  /** The rules that exist now. */
  rules(names: ReadonlySet<string>): void {
    for (const rule of this.#alarms.keys()) if (!names.has(rule)) this.#alarms.delete(rule);
  }
}
