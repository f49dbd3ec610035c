/**
 * A healthy publisher and a healthy subscriber beside a storm: a message every BEAT ms that carries when it was sent. It also notes
 * the alarms that arrive. All times in microseconds of CLOCK_MONOTONIC.
 */
import type { Socket } from 'node:net';
import { waitFor } from '../../test/harness/wait-for.ts';
import * as mqtt from './mqtt-wire.ts';

const BEAT = 20;

export const now = (): number => Number(process.hrtime.bigint() / 1000n);

export interface Alarm {
  readonly rule: string;
  readonly value: number;
  readonly at: number;
}

export interface BeatLogIns {
  readonly publisher?: mqtt.LogIn | undefined;
  readonly subscriber?: mqtt.LogIn | undefined;
}

/** Notes the alarms of a topic as they arrive. */
export class Alarms {
  seen: Alarm[] = [];

  take({ topic, payload }: mqtt.Message): void {
    const { value } = JSON.parse(payload.toString()) as { readonly value: number };
    this.seen.push({ rule: topic.slice(topic.lastIndexOf('/') + 1), value, at: now() });
  }
}

export class Beats {
  readonly alarms = new Alarms();
  /** Connections of the two that ended. */
  broken = 0;
  readonly #port: number;
  readonly #logIns: BeatLogIns;
  readonly #sent: number[] = [];
  readonly #delays = new Map<number, number>();
  #publisher: Socket | undefined;
  #subscriber: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #granted = false;
  #stopped = false;

  constructor(port: number, logIns: BeatLogIns) {
    this.#port = port;
    this.#logIns = logIns;
  }

  async start(): Promise<void> {
    this.#listen();
    this.#publish();
    await waitFor('the healthy subscriber', () => this.#granted);
    this.#timer = setInterval(() => {
      const at = now();
      const payload = Buffer.alloc(8);
      payload.writeBigUInt64BE(BigInt(at));
      this.#sent.push(at);
      this.#publisher?.write(mqtt.publishing('storm/beat', payload));
    }, BEAT);
    await waitFor('the first beat', () => this.#delays.size > 0);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#publisher?.destroy();
    this.#subscriber?.destroy();
  }

  /** Delays of the beats sent in that time, milliseconds; what did not arrive is as late as now. */
  delays(from: number, to: number): number[] {
    const end = now();
    return this.#sent.filter((at) => at >= from && at < to).map((at) => (this.#delays.get(at) ?? end - at) / 1000);
  }

  lost(from: number, to: number): number {
    return this.#sent.filter((at) => at >= from && at < to && !this.#delays.has(at)).length;
  }

  #publish(): void {
    this.#publisher = mqtt.dial(this.#port, mqtt.connecting('beats', this.#logIns.publisher));
    this.#publisher.once('close', () => this.#again(() => this.#publish()));
  }

  #listen(): void {
    const first = Buffer.concat([
      mqtt.connecting('healthy', this.#logIns.subscriber),
      mqtt.subscribing('storm/beat'),
      mqtt.subscribing('sluice/storm/alarm/#', 0, 2),
    ]);
    this.#subscriber = mqtt.dial(this.#port, first, (type, body) => {
      if (type >> 4 === mqtt.PACKET.suback) this.#granted = true;
      if (type >> 4 !== mqtt.PACKET.publish) return;
      const message = mqtt.messageOf(type, body);
      if (message.topic !== 'storm/beat') this.alarms.take(message);
      else {
        const at = Number(message.payload.readBigUInt64BE(0));
        this.#delays.set(at, now() - at);
      }
    });
    this.#subscriber.once('close', () => this.#again(() => this.#listen()));
  }

  #again(run: () => void): void {
    if (this.#stopped) return;
    this.broken++;
    setTimeout(run, 100);
  }
}
