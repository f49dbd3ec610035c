/**
 * A forwarder without a cursor: the latest value of each point and the newest transition of each rule, in the words of a
 * live dialect. What waits is conflated: a point or rule waits once, however often it changes, so the configuration bounds
 * it. What an outage hid is not repeated; a new connection is given all latest values. An alarm that the broker does not take now
 * is offered again after a pause, unless a newer transition took its place. A value is not: the next sample does the same.
 */
import { Selection } from '../../codecs/record-filter.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { LogRecord, Sample } from '../../core/point.ts';
import type { Forwarder, ForwarderReport, LiveSink, NoticeMessage } from '../../core/ports.ts';
import { withoutNames } from '../../core/privacy.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import type { Connection } from './connection.ts';
import type { Courier } from './courier.ts';
import type { LiveDialect, LiveSpeaker, OutMessage } from './dialect.ts';
import { dialectContext } from './dialect-context.ts';
import { recordFilter, severityLeaves } from './filter-keys.ts';
import { Link, type LinkOptions } from './link.ts';
import type { LinkWork } from './link-work.ts';
import { Patience } from './patience.ts';

export interface LiveForwarderOptions extends ForwarderContext, LinkOptions {
  readonly dialect: LiveDialect;
}

export class LiveForwarder implements Forwarder, LiveSink, LinkWork {
  readonly name: string;
  readonly sink: LiveSink = this;
  readonly #options: LiveForwarderOptions;
  /** Devices and points that it may show. */
  readonly #selection: Selection;
  #parts: { readonly speaker: LiveSpeaker; readonly link: Link } | undefined;
  /** Devices and points that changed since they were sent, in the order of their first change. */
  readonly #values = new Map<string, Set<string>>();
  readonly #alarms = new Map<string, NoticeMessage>();
  /** Handed over and not taken yet: the next connection begins with them. */
  readonly #alarmsUnderWay = new Map<string, NoticeMessage>();
  readonly #patience: Patience;
  #wake: (() => void) | undefined;
  /** Since when the present connection has nothing to send; monotonic. */
  #idleSince: number | undefined;
  #finishing = false;
  #carried = false;
  #counters = { published: 0, acked: 0, refused: 0, readings: 0 };
  #lastAck: number | undefined;

  constructor(options: LiveForwarderOptions) {
    this.name = options.name;
    this.#options = options;
    this.#patience = new Patience(options);
    this.#selection = new Selection(recordFilter(options.settings.filter));
  }

  attach(): void {
    if (this.#parts !== undefined) return;
    const speaker = this.#options.dialect.create(dialectContext(this.#options, (message) => this.#attached.link.say([message])));
    this.#parts = { speaker, link: new Link(this.#options, speaker, this) };
  }

  get #attached() {
    if (this.#parts === undefined) throw new SluiceError('internal', `${this.name} is not started yet`);
    return this.#parts;
  }
  get #speaker(): LiveSpeaker {
    return this.#attached.speaker;
  }

  start(): void {
    this.attach();
    this.#attached.link.start();
  }

  async stop(within: number): Promise<void> {
    await this.#parts?.link.stop(within);
  }

  republish(goneRules: readonly string[]): void {
    this.#parts?.speaker.changed?.(goneRules);
    for (const rule of goneRules) {
      this.#alarmsUnderWay.delete(rule);
      this.#patience.pass(rule);
    }
    this.#parts?.link.greet();
  }

  async say(topic: string, payload: string): Promise<void> {
    await this.#attached.link.say([{ topic, payload, qos: 1, retain: false }]);
  }

  get connected(): boolean {
    return this.#parts?.link.state === 'connected';
  }

  duties(): Duty[] {
    if (this.#parts === undefined || this.#attached.link.stopping) return [];
    const waits = this.#values.size + this.#alarms.size > 0;
    const due = waits ? this.#idleSince : undefined;
    return [
      ...this.#attached.link.duties(),
      ...(due === undefined ? [] : [{ name: `the queue of the forwarder ${this.name}`, due }]),
    ];
  }

  status(): ForwarderReport {
    const { state, fault, nextTry, connects, violations, url } = this.#attached.link;
    return {
      ...{ name: this.name, type: 'mqtt', state, fault: fault ?? this.#patience.fault, nextTry, url, mode: 'live' },
      ...{ lastAck: this.#lastAck, oldestLive: undefined, liveReadings: 0, waiting: { data: undefined, history: undefined } },
      counters: { ...this.#counters, retries: 0, bytes: 0, unheard: 0, connects, violations },
      wire: this.#attached.link.account.use(),
    };
  }

  sample({ shape }: Sample, _record: LogRecord | undefined): void {
    const wanted = this.#selection.of(shape)?.shape;
    if (wanted === undefined) return;
    for (const { name } of wanted.points) this.#changed(shape.device, name);
    this.#wake?.();
  }

  notice(notice: NoticeMessage): void {
    if (notice.kind !== 'alarm' || !severityLeaves(this.#options.settings.filter, notice.json)) return;
    this.#alarms.set(notice.key, { ...notice, json: withoutNames(this.#options.outward, notice.json) });
    this.#wake?.();
  }

  /** `republish` follows. */
  inventory(): void {}

  // The link calls the following.

  async ready(): Promise<void> {}

  async run(courier: Courier, connection: Connection): Promise<void> {
    // The one before may have ended because the first of several brokers is back.
    this.#finishing = this.#attached.link.stopping;
    for (const { device, point } of this.#options.latest.all())
      if (this.#selection.wants(device, { name: point, type: '' })) this.#changed(device, point);
    for (const [rule, alarm] of this.#alarmsUnderWay) if (!this.#alarms.has(rule)) this.#alarms.set(rule, alarm);
    this.#alarmsUnderWay.clear();
    void connection.closed.then(() => {
      this.#patience.forget();
      this.#wake?.();
    });
    while (connection.open) {
      if (this.#values.size > 0 || this.#alarms.size > 0) {
        const outcome = await courier.deliver(this.#waiting());
        if (typeof outcome === 'object' && 'reject' in outcome) this.#counters.refused++;
      } else if (this.#finishing) return;
      else await this.#nothingLeft();
    }
  }

  /** Until something is there to send. */
  async #nothingLeft(): Promise<void> {
    this.#idleSince = this.#options.clock.monotonic();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#idleSince = undefined;
  }

  finish(): void {
    this.#finishing = true;
    this.#patience.hurry();
    this.#wake?.();
  }

  over(): boolean {
    const carried = this.#carried;
    this.#carried = false;
    return carried;
  }

  #changed(device: string, point: string): void {
    let points = this.#values.get(device);
    if (points === undefined) {
      points = new Set();
      this.#values.set(device, points);
    }
    points.add(point);
  }

  /** Alarms first. What comes in the meantime is in it too. */
  *#waiting(): Generator<OutMessage> {
    for (;;) {
      const [alarm] = this.#alarms.values();
      if (alarm !== undefined) {
        const { key } = alarm;
        this.#alarms.delete(key);
        this.#alarmsUnderWay.set(key, alarm);
        for (const message of this.#counted(this.#speaker.alarm(alarm), () => this.#alarmTaken(alarm)))
          yield { ...message, kept: (error) => void this.#alarmKept(alarm, error) };
        continue;
      }
      const [first] = this.#values;
      if (first === undefined) return;
      const [device, points] = first;
      this.#values.delete(device);
      const changed = [...points].flatMap((point) => this.#options.latest.get(device, point) ?? []);
      this.#counters.readings += changed.length;
      if (changed.length === 0) continue;
      for (const message of this.#counted(this.#speaker.values(device, changed)))
        yield { ...message, kept: () => void this.#counters.refused++ };
    }
  }

  #alarmTaken(alarm: NoticeMessage): void {
    this.#patience.pass(alarm.key);
    if (this.#alarmsUnderWay.get(alarm.key) === alarm) this.#alarmsUnderWay.delete(alarm.key);
  }

  async #alarmKept(alarm: NoticeMessage, error: SluiceError): Promise<void> {
    const { key } = alarm;
    const outcome = await this.#patience.judge(key, { keep: error }, () => false);
    if (this.#alarmsUnderWay.get(key) !== alarm) return;
    this.#alarmsUnderWay.delete(key);
    if (outcome !== 'keep') this.#counters.refused++;
    else if (!this.#alarms.has(key)) this.#alarms.set(key, alarm);
    this.#wake?.();
  }

  *#counted(messages: Iterable<OutMessage>, taken?: () => void): Generator<OutMessage> {
    for (const message of messages) {
      this.#counters.published++;
      yield {
        ...message,
        taken: () => {
          message.taken?.();
          taken?.();
          this.#counters.acked++;
          this.#carried = true;
          this.#lastAck = this.#options.clock.monotonic();
        },
      };
    }
  }
}
