/** The devices of an MQTT bus: they publish to the embedded broker of a running gateway, and take what is written to them. */
import { encodeFrames } from '../../codecs/serial/encode.ts';
import { createDecoder } from '../../codecs/serial/point-groups.ts';
import type { Field } from '../../codecs/serial/types.ts';
import { toReading } from '../../codecs/serial/values.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import { SluiceError } from '../../core/errors.ts';
import { hasValue, type Value } from '../../core/point.ts';
import { type MqttPlan, planOf, type Source, type Writable } from '../../drivers/mqtt/plan.ts';
import type { FaultBoard } from './faults.ts';
import type { ValueNow } from './modbus-device.ts';
import { MqttLink } from './mqtt-link.ts';

/** Milliseconds between two messages on a topic: quick enough for somebody who tries a gateway. */
const TALK_MS = 2000;
/** The variable with the password of the account. */
export const PASSWORD = 'SLUICE_SIMULATE_PASSWORD';

export interface MqttTalkersContext {
  readonly valueNow: ValueNow;
  readonly wall: () => number;
  /** A value was written to a point. */
  readonly set: (device: string, point: string, value: Value) => void;
  readonly note: (words: string) => void;
}

export class MqttTalkers {
  readonly bus: string;
  readonly #plans: readonly MqttPlan[];
  readonly #faults: FaultBoard;
  readonly #context: MqttTalkersContext;
  readonly #link: MqttLink;
  #timer: NodeJS.Timeout | undefined;

  /** @param url `mqtt://name@host:port`; the password is in the environment. @throws SluiceError `usage` */
  constructor(bus: string, url: string, devices: readonly ResolvedDevice[], faults: FaultBoard, context: MqttTalkersContext) {
    this.bus = bus;
    this.#plans = devices.map(planOf);
    this.#faults = faults;
    this.#context = context;
    const filters = new Set(this.#plans.flatMap(({ written }) => [...written]));
    this.#link = new MqttLink({
      ...addressOf(url),
      ...{ clientId: `simulated-${bus}`, filters: [...filters] },
      opened: () => this.#talk(),
      lost: (why) => context.note(`${bus}: no connection to the broker: ${why}; it is tried again`),
      message: (topic, payload) => this.#written(topic, payload),
    });
  }

  async start(): Promise<void> {
    // Asked once before there is a connection: a form that cannot be spoken is reported at the start.
    for (const plan of this.#plans) for (const source of plan.sources) this.#payload(plan, source);
    this.#link.start();
    this.#timer = setInterval(() => this.#talk(), TALK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#link.stop();
  }

  #talk(only?: MqttPlan): void {
    if (this.#faults.bus(this.bus).down) return;
    for (const plan of only === undefined ? this.#plans : [only]) {
      if (this.#faults.device(plan.device).silent) continue;
      for (const source of plan.sources) {
        // Somebody chose the names behind a wildcard; any will do.
        const topic = (source.filters[0] ?? '').replaceAll('+', 'simulated').replace(/#$/, 'simulated');
        this.#link.publish(topic, this.#payload(plan, source));
      }
    }
  }

  #payload({ device }: MqttPlan, { decode, points }: Source): Uint8Array {
    const values = new Map(Array.from(points.keys(), (name) => [name, this.#context.valueNow(device, name)]));
    const frame = { type: 'line', terminator: '', maxLength: 4096 } as const;
    return encodeFrames({ frame, decode, points }, values, this.#context.wall()).at(-1) ?? new Uint8Array(0);
  }

  #written(topic: string, payload: Uint8Array): void {
    for (const plan of this.#plans)
      for (const [point, writable] of plan.writable) {
        if (writable.write.topic !== topic || this.#faults.device(plan.device).silent) continue;
        const value = readValue(writable, payload);
        if (value === undefined) continue;
        this.#context.set(plan.device, point, value);
        this.#talk(plan);
      }
  }
}

/** The value in a message that the gateway made; undefined: it is about another point. */
function readValue({ point, from, json, write }: Writable, payload: Uint8Array): Value | undefined {
  const text = new TextDecoder().decode(payload);
  let field: Field;
  if (write.payload !== undefined) {
    const [before = '', after = ''] = write.payload.split('{value}');
    if (!text.startsWith(before) || !text.endsWith(after)) return undefined;
    field = text.slice(before.length, text.length - after.length);
  } else if (json) {
    const decoded = createDecoder({ decode: { type: 'json' }, points: new Map() }).decode(payload);
    field = decoded.kind === 'fields' ? decoded.get(from) : undefined;
  } else field = text;
  if (field === write.on || field === write.off) field = field === write.on;
  const { value, reason } = toReading(field, point);
  return hasValue(reason) ? value : undefined;
}

function addressOf(url: string) {
  const wrong = new SluiceError('usage', `${url.slice(0, 100)} is no address of a broker; write mqtt://name@127.0.0.1:1883`);
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw wrong;
  }
  if (parsed.protocol !== 'mqtt:' || parsed.hostname === '') throw wrong;
  if (parsed.password !== '')
    throw new SluiceError(
      'usage',
      `a command line shows its passwords to every user; put this one into the variable ${PASSWORD}`,
    );
  return {
    ...{ host: parsed.hostname, port: Number(parsed.port || 1883) },
    ...{ username: decodeURIComponent(parsed.username), password: process.env[PASSWORD] ?? '' },
  };
}
