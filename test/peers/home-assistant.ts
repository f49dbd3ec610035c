/**
 * What Home Assistant does with MQTT discovery of devices, as its documentation says: it listens for discovery messages, then for
 * the topics of each entity, keeps what it was told until it is told to remove it, and publishes commands. What the documentation
 * does not have is a fault: unknown keys and abbreviations, a unit that a device class does not allow, a state that is none.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { waitFor } from '../harness/wait-for.ts';
import {
  BINARY_CLASSES,
  BLOCKED,
  CLASSES,
  COMPONENTS,
  DEVICE,
  LEAST_STEP,
  ORIGIN,
  REQUIRED,
  RESPELT,
  SHARED,
  STATE_CLASSES,
} from '../oracles/home-assistant-tables.ts';

type Json = Readonly<Record<string, unknown>>;

const TEMPLATE = /^\{\{ value_json(?:\['([a-z0-9][a-z0-9_-]*)'\]|\.([a-z]+)) \}\}$/;
const TOPIC = /^[^+#\0]+$/;

export interface Entity {
  readonly platform: string;
  readonly device: string;
  /** As it was told, with what its device shares. */
  readonly config: Json;
}

/** @throws AssertionError for what Home Assistant would refuse. @returns components by their key; one without an id is to be removed */
export function discovered(text: string): Map<string, Entity | 'removed'> {
  const message = JSON.parse(text) as Json;
  const { dev, o, cmps, ...shared } = message as { dev: Json; o: Json; cmps: Readonly<Record<string, Json>> };
  only(dev, DEVICE, 'dev');
  assert.ok(Array.isArray(dev.identifiers) && dev.identifiers.length > 0 && dev.identifiers.every(isWord), 'a device has an id');
  only(o, ORIGIN, 'o');
  assert.ok(isWord(o.name), 'the origin has a name');
  only(shared, SHARED, 'the message');
  assert.ok(Object.keys(cmps).length > 0, 'a device has components');
  const found = new Map<string, Entity | 'removed'>();
  for (const [key, component] of Object.entries(cmps)) {
    const platform = String(component.p);
    const keys = COMPONENTS[platform] ?? assert.fail(`${key}: no platform ${platform}`);
    if (Object.keys(component).length === 1) {
      found.set(key, 'removed');
      continue;
    }
    only(component, keys, key);
    // Without it Home Assistant refuses the whole message.
    assert.ok(isWord(component.unique_id), `${key} has an id`);
    const config: Json = { ...shared, ...component };
    for (const required of REQUIRED[platform] ?? []) assert.ok(config[required] !== undefined, `${key} has its ${required}`);
    entity(platform, config, key);
    found.set(key, { platform, device: String((dev.identifiers as unknown[])[0]), config });
  }
  return found;
}

function entity(platform: string, config: Json, key: string): void {
  assert.ok(isWord(config.name), `${key} has a name`);
  assert.ok(isTopic(config.state_topic), `${key} has a state`);
  // Not of its device: older releases give it to no component.
  assert.equal(config.qos, 1, `${key} is received with QoS 1`);
  if (config.value_template !== undefined) assert.match(String(config.value_template), TEMPLATE);
  for (const one of (config.availability ?? []) as Json[]) {
    only(one, ['topic', 'payload_available', 'payload_not_available', 'value_template'], key);
    assert.ok(isTopic(one.topic));
  }
  assert.ok([undefined, 'all', 'any', 'latest'].includes(config.availability_mode as string));
  const { device_class: is, unit_of_measurement: unit, state_class: state, options } = config as Readonly<Record<string, string>>;
  if (config.command_topic !== undefined) assert.ok(isTopic(config.command_topic), `${key} is commanded`);
  if (platform === 'binary_sensor') assert.ok(is === undefined || BINARY_CLASSES.includes(is), `${key}: ${is}`);
  if (platform === 'number') {
    const { min, max, step } = config as Readonly<Record<string, number>>;
    assert.ok(Number(min) < Number(max) && Number(step) >= LEAST_STEP, `${key}: ${min} to ${max} by ${step}`);
  }
  if (platform === 'select' || is === 'enum') {
    assert.ok(Array.isArray(options) && options.length > 0 && options.every(isWord) && new Set(options).size === options.length);
    // What a template gives is stripped, and "none" is no option but "unknown".
    for (const option of options) assert.ok(option === option.trim() && !/^none$/i.test(option), `${key}: the option ${option}`);
    assert.deepEqual([unit, state], [undefined, undefined], `${key}: labels have no unit`);
    return;
  }
  assert.equal(options, undefined);
  if (state !== undefined) assert.ok(STATE_CLASSES[state] !== undefined, `${key}: ${state}`);
  if (unit !== undefined) assert.ok(isWord(unit), key);
  if (is === undefined || platform === 'binary_sensor') return;
  const { since, now, states } = CLASSES[is] ?? assert.fail(`${key}: no device class ${is}`);
  assert.ok(since.includes(unit) && now.includes(RESPELT[unit ?? ''] ?? unit), `${key}: ${is} in ${unit}`);
  if (platform === 'sensor') assert.ok(states.includes(STATE_CLASSES[state as string] ?? '?'), `${key}: ${is} as ${state}`);
}

function only(of: Json, keys: readonly string[], where: string): void {
  assert.deepEqual(
    Object.keys(of).filter((key) => !keys.includes(key)),
    [],
    `unknown keys in ${where}`,
  );
}
const isWord = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isTopic = (value: unknown): value is string => isWord(value) && TOPIC.test(value);

/** What an entity shows for a payload of its state topic. @throws AssertionError for what its platform refuses, going on with what it had */
export function shown({ platform, config }: Entity, payload: string): string {
  const [, point, word] = TEMPLATE.exec(String(config.value_template ?? '')) ?? [];
  const key = point ?? word;
  // What a template gives is stripped.
  const text = key === undefined ? payload : pythonText((JSON.parse(payload) as Json)[key]).trim();
  if (text === 'None' || (platform === 'select' && text.toLowerCase() === 'none')) return 'unknown';
  if (platform === 'switch' || platform === 'binary_sensor') {
    const [on, off] = [config.payload_on ?? 'ON', config.payload_off ?? 'OFF'];
    assert.ok(text === on || text === off, text);
    return text === on ? 'on' : 'off';
  }
  if (config.options !== undefined) assert.ok((config.options as string[]).includes(text), text);
  else if (platform === 'number' || config.state_class !== undefined) {
    assert.ok(Number.isFinite(Number(text)) && text !== '', text);
    if (platform === 'number') assert.ok(Number(text) >= Number(config.min) && Number(text) <= Number(config.max), text);
  }
  assert.ok(text.length <= 255, text);
  return text;
}

interface Account {
  readonly username?: string;
  readonly password?: string;
}

export class HomeAssistant {
  /** By `topic key`, as the discovery of the entity. */
  readonly #entities = new Map<string, Entity>();
  /** The last message of each topic that an entity asked for. */
  readonly #topics = new Map<string, string>();
  readonly faults: string[] = [];
  #client: MqttClient | undefined;
  readonly #port: number;
  readonly #account: Account;

  constructor(port: number, account: Account = {}) {
    this.#port = port;
    this.#account = account;
  }

  /** Connects, and subscribes to discovery. It does not outlive the test. */
  static async start(t: TestContext, port: number, account: Account = {}): Promise<HomeAssistant> {
    const ha = new HomeAssistant(port, account);
    t.after(() => ha.stop());
    await ha.connect();
    return ha;
  }

  async connect(): Promise<void> {
    const client = await mqtt.connectAsync({
      ...this.#account,
      host: '127.0.0.1',
      port: this.#port,
      clientId: 'homeassistant',
      clean: true,
    });
    this.#client = client;
    client.on('message', (topic, payload) => {
      try {
        this.#take(topic, payload.toString());
      } catch (error) {
        this.faults.push(`${topic}: ${String(error)}`);
      }
    });
    await client.subscribeAsync(['homeassistant/+/+/config', 'homeassistant/+/+/+/config'], { qos: 1 });
  }

  async stop(): Promise<void> {
    await this.#client?.endAsync(true);
    this.#client = undefined;
  }

  /** It starts anew: what it had learnt of topics is gone, and it says that it is there. */
  async restart(): Promise<void> {
    await this.stop();
    this.#entities.clear();
    this.#topics.clear();
    await this.connect();
    await this.say('homeassistant/status', 'online');
  }

  async say(topic: string, payload: string, retain = false): Promise<void> {
    await this.#client?.publishAsync(topic, payload, { qos: 1, retain });
  }

  #take(topic: string, payload: string): void {
    if (!topic.endsWith('/config')) {
      if (this.#asked().has(topic)) this.#topics.set(topic, payload);
      return;
    }
    assert.match(topic, /^homeassistant\/device\/[a-zA-Z0-9_-]+\/config$/);
    if (payload === '') {
      for (const key of this.#entities.keys()) if (key.startsWith(`${topic} `)) this.#entities.delete(key);
      return;
    }
    // A component that is left out of a message stays: only a message that says so removes it.
    for (const [key, found] of discovered(payload))
      if (found === 'removed') this.#entities.delete(`${topic} ${key}`);
      else {
        const twin = [...this.#entities].find(
          ([at, { config }]) => config.unique_id === found.config.unique_id && at !== `${topic} ${key}`,
        );
        assert.equal(twin, undefined, `${String(found.config.unique_id)} is taken`);
        const before = this.#entities.get(`${topic} ${key}`);
        assert.ok(before === undefined || before.platform === found.platform, `${key} changes its platform`);
        this.#entities.set(`${topic} ${key}`, found);
      }
    const fresh = [...this.#asked()].filter((one) => !this.#topics.has(one));
    if (fresh.length > 0) void this.#client?.subscribeAsync(fresh, { qos: 1 });
  }

  /** Topics of the entities. */
  #asked(): Set<string> {
    return new Set(
      [...this.#entities.values()].flatMap(({ config }) => [
        String(config.state_topic),
        ...((config.availability ?? []) as Json[]).map(({ topic }) => String(topic)),
      ]),
    );
  }

  /** Those of its own topic. @throws AssertionError for one that Home Assistant drops, since each entity has it */
  attributes(id: string): Json {
    const { config } = this.entities.get(id) ?? assert.fail(`there is no ${id}`);
    const text = this.#topics.get(String(config.json_attributes_topic));
    const found = JSON.parse(text ?? '{}') as Json;
    for (const key of Object.keys(found)) assert.ok(!BLOCKED.includes(key), `${id}: the attribute ${key}`);
    return found;
  }

  get entities(): ReadonlyMap<string, Entity> {
    return new Map([...this.#entities.values()].map((entity) => [String(entity.config.unique_id), entity]));
  }

  /** As its page shows it: `unavailable`, `unknown`, or the state. */
  state(id: string): string | undefined {
    const entity = this.entities.get(id);
    if (entity === undefined) return undefined;
    const { config } = entity;
    const available = ((config.availability ?? []) as Json[]).map(({ topic }) => this.#topics.get(String(topic)) === 'online');
    if (available.includes(false)) return 'unavailable';
    const payload = this.#topics.get(String(config.state_topic));
    if (payload === undefined) return 'unknown';
    try {
      return shown(entity, payload);
    } catch (thrown) {
      this.faults.push(`${id}: ${String(thrown)}`);
      return 'unknown';
    }
  }

  /** A person sets an entity. */
  async set(id: string, payload: string): Promise<void> {
    const { config } = this.entities.get(id) ?? assert.fail(`there is no ${id}`);
    await this.say(String(config.command_topic ?? assert.fail(`${id} cannot be set`)), payload);
  }

  /** Waits for a state. */
  async shows(id: string, state: string | undefined): Promise<void> {
    await waitFor(
      () => `${id} to be ${state}; it is ${this.state(id)}; faults: ${this.faults.join('; ')}`,
      () => this.state(id) === state,
    );
  }
}

function pythonText(value: unknown): string {
  return value === null || value === undefined ? 'None' : String(value);
}
