/** A bus of MQTT devices from the text of a configuration, with an embedded broker that a test is. */
import path from 'node:path';
import { loadConfigText } from '../../src/config/load.ts';
import type { DeviceTopics, TopicListener } from '../../src/core/device-topics.ts';
import type { Logger } from '../../src/core/logger.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { plainValue, type Sample } from '../../src/core/point.ts';
import type { Bus, DeviceStatus, GatewayEvent } from '../../src/core/ports.ts';
import { ABSENT, GOOD, reasonName } from '../../src/core/reasons.ts';
import { matches } from '../../src/core/topic-filter.ts';
import { mqtt } from '../../src/drivers/mqtt/kind.ts';
import { kinds } from '../../src/gateway/registry.ts';
import { ManualClock } from './manual-clock.ts';

const PROFILES = path.join(import.meta.dirname, '../../hardware-profiles/devices');

export class FakeTopics implements DeviceTopics {
  open = true;
  readonly published: [topic: string, payload: string][] = [];
  /** Whether somebody has subscribed to what is published. */
  taken = true;
  readonly #clock: ManualClock;
  readonly #listeners = new Map<TopicListener, readonly string[]>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  listen(filters: readonly string[], listener: TopicListener): () => void {
    this.#listeners.set(listener, filters);
    return () => this.#listeners.delete(listener);
  }

  publish(topic: string, payload: string): boolean {
    if (this.taken) this.published.push([topic, payload]);
    return this.taken;
  }

  say(topic: string, payload: string | Uint8Array | object, flags: { retained?: boolean; again?: boolean } = {}): void {
    const bytes =
      payload instanceof Uint8Array ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
    const { retained = false, again = false } = flags;
    for (const [listener, filters] of this.#listeners)
      if (filters.some((filter) => matches(filter, topic)))
        listener.message({ topic, payload: bytes, at: this.#clock.monotonic(), retained, again });
  }
}

export interface MqttBench {
  readonly clock: ManualClock;
  readonly topics: FakeTopics;
  readonly bus: Bus & Required<Pick<Bus, 'write' | 'capture'>>;
  readonly samples: Sample[];
  readonly events: GatewayEvent[];
  readonly logs: string[];
  /** `device point=value` or `point!reason`, for each sample since the last call. */
  told(): string[];
  device(name?: string): DeviceStatus;
}

/** @param devices the entries of `devices:`, on the bus `radio` */
export function mqttBench(devices: string, { broker = 'broker: {}', started = true } = {}): MqttBench {
  const text = `gateway: {id: g}\n${broker}\nbuses: {radio: {protocol: mqtt}}\ndevices:\n${devices}\n`;
  const { config, faults, warnings } = loadConfigText(text, '/tmp/gateway.yaml', kinds, { profileDirs: [PROFILES] });
  if (config === undefined) throw new Error(faults.map(({ message }) => message).join('\n'));
  if (warnings.length > 0) throw new Error(warnings.map(({ message }) => message).join('\n'));
  const clock = new ManualClock();
  const topics = new FakeTopics(clock);
  const samples: Sample[] = [];
  const events: GatewayEvent[] = [];
  const logs: string[] = [];
  const note = (_: object, message: string) => void logs.push(message);
  const logger: Logger = { ...silentLogger, warn: note, info: note, child: () => logger };
  const made = mqtt.create(config.buses.get('radio') as never, [...config.devices.values()], {
    ...{ clock, logger, topics },
    emit: (sample) => samples.push(sample),
    tell: (event) => events.push(event),
  }) as MqttBench['bus'];
  if (started) made.start();
  let shown = 0;
  const told = () => {
    const news = samples.slice(shown).map(inWords);
    shown = samples.length;
    return news;
  };
  const device = (name?: string) => {
    const found = made.status().devices.find((one) => name === undefined || one.name === name);
    if (found === undefined) throw new Error('no such device');
    return found;
  };
  return { clock, topics, bus: made, samples, events, logs, told, device };
}

function inWords({ shape, values, reasons }: Sample): string {
  const words = shape.points.flatMap(({ name, type }, i) => {
    const reason = reasons?.[i] ?? GOOD;
    if (reason === ABSENT) return [];
    if (reason !== GOOD && reason < 128) return [`${name}!${reasonName(reason)}`];
    const value = String(plainValue(values[i] ?? 0, type));
    return [`${name}=${value}${reason === GOOD ? '' : `?${reasonName(reason)}`}`];
  });
  return `${shape.device} ${words.join(' ')}`;
}
