/**
 * What Home Assistant does with MQTT discovery of devices, as its documentation says: it listens for discovery messages, then for
 * the topics of each entity, keeps what it was told until it is told to remove it, and publishes commands. What the documentation
 * does not have is a fault: unknown keys and abbreviations, a unit that a device class does not allow, a state that is none.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { waitFor } from '../harness/wait-for.ts';

type Json = Readonly<Record<string, unknown>>;

/** Keys of a discovery message of a device beside `dev`, `o` and `cmps`: what components share. */
const SHARED = ['availability', 'availability_mode', 'state_topic', 'command_topic', 'qos', 'encoding'];
const DEVICE = 'identifiers connections name manufacturer model model_id sw_version hw_version serial_number via_device'.split(
  ' ',
);
const ENTITY =
  'p name unique_id value_template availability availability_mode state_topic device_class icon entity_category enabled_by_default json_attributes_topic json_attributes_template qos encoding'.split(
    ' ',
  );
const COMMANDED = ['command_topic', 'command_template', 'retain', 'optimistic'];
const KEYS: Readonly<Record<string, readonly string[]>> = {
  sensor: [
    ...ENTITY,
    'unit_of_measurement',
    'state_class',
    'options',
    'expire_after',
    'force_update',
    'suggested_display_precision',
  ],
  binary_sensor: [...ENTITY, 'payload_on', 'payload_off', 'expire_after', 'force_update', 'off_delay'],
  number: [...ENTITY, ...COMMANDED, 'min', 'max', 'step', 'mode', 'unit_of_measurement', 'payload_reset'],
  switch: [...ENTITY, ...COMMANDED, 'payload_on', 'payload_off', 'state_on', 'state_off'],
  select: [...ENTITY, ...COMMANDED, 'options'],
};
/** Units of device classes in every release with discovery of devices, and the state classes of a sensor: m, t, i. */
const CLASSES: Readonly<Record<string, readonly [units: readonly (string | undefined)[], states: string]>> = {
  apparent_power: [['VA'], 'm'],
  conductivity: [['S/cm', 'mS/cm', 'µS/cm'], 'm'],
  current: [['A', 'mA'], 'm'],
  data_rate: [['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'B/s', 'kB/s', 'MB/s', 'GB/s'], 'm'],
  data_size: [['bit', 'kbit', 'Mbit', 'Gbit', 'B', 'kB', 'MB', 'GB', 'TB'], 'mti'],
  distance: [['km', 'm', 'cm', 'mm', 'mi', 'yd', 'in', 'ft'], 'mti'],
  duration: [['d', 'h', 'min', 's', 'ms'], 'mti'],
  energy: [['J', 'kJ', 'MJ', 'GJ', 'Wh', 'kWh', 'MWh'], 'ti'],
  frequency: [['Hz', 'kHz', 'MHz', 'GHz'], 'm'],
  illuminance: [['lx'], 'm'],
  irradiance: [['W/m²', 'BTU/(h⋅ft²)'], 'm'],
  ph: [[undefined], 'm'],
  power: [['W', 'kW'], 'm'],
  pressure: [['Pa', 'hPa', 'kPa', 'bar', 'cbar', 'mbar', 'mmHg', 'inHg', 'psi'], 'm'],
  reactive_power: [['var'], 'm'],
  signal_strength: [['dB', 'dBm'], 'm'],
  speed: [['m/s', 'km/h', 'mph', 'kn', 'ft/s'], 'm'],
  temperature: [['°C', '°F', 'K'], 'm'],
  voltage: [['V', 'mV'], 'm'],
  volume: [['L', 'mL', 'm³', 'gal', 'fl. oz.', 'ft³', 'CCF'], 'ti'],
  volume_flow_rate: [['m³/h', 'ft³/min', 'L/min', 'gal/min'], 'm'],
  volume_storage: [['L', 'mL', 'm³', 'gal', 'fl. oz.', 'ft³', 'CCF'], 'm'],
  weight: [['kg', 'g', 'mg', 'µg', 'oz', 'lb', 'st'], 'mti'],
};
const STATE_CLASSES: Readonly<Record<string, string>> = { measurement: 'm', total: 't', total_increasing: 'i' };
const BINARY_CLASSES = ['problem', 'connectivity'];
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
  only(o, ['name', 'sw_version', 'support_url'], 'o');
  assert.ok(isWord(o.name), 'the origin has a name');
  only(shared, SHARED, 'the message');
  assert.ok(Object.keys(cmps).length > 0, 'a device has components');
  const found = new Map<string, Entity | 'removed'>();
  for (const [key, component] of Object.entries(cmps)) {
    const platform = String(component.p);
    assert.ok(KEYS[platform] !== undefined, `${key}: no platform ${platform}`);
    if (Object.keys(component).length === 1) {
      found.set(key, 'removed');
      continue;
    }
    only(component, KEYS[platform], key);
    const config = { ...shared, ...component };
    entity(platform, config, key);
    found.set(key, { platform, device: String((dev.identifiers as unknown[])[0]), config });
  }
  return found;
}

function entity(platform: string, config: Json, key: string): void {
  assert.ok(isWord(config.unique_id) && isWord(config.name), `${key} has a name and an id`);
  assert.ok(isTopic(config.state_topic), `${key} has a state`);
  assert.ok(config.qos === 0 || config.qos === 1 || config.qos === 2);
  if (config.value_template !== undefined) assert.match(String(config.value_template), TEMPLATE);
  for (const one of (config.availability ?? []) as Json[]) {
    only(one, ['topic', 'payload_available', 'payload_not_available', 'value_template'], key);
    assert.ok(isTopic(one.topic));
  }
  assert.ok([undefined, 'all', 'any', 'latest'].includes(config.availability_mode as string));
  const { device_class: is, unit_of_measurement: unit, state_class: state, options } = config as Readonly<Record<string, string>>;
  if (COMMANDED.length > 0 && ['number', 'switch', 'select'].includes(platform))
    assert.ok(isTopic(config.command_topic), `${key} is commanded`);
  if (platform === 'binary_sensor') assert.ok(is === undefined || BINARY_CLASSES.includes(is), `${key}: ${is}`);
  if (platform === 'number') {
    const { min, max, step } = config as Readonly<Record<string, number>>;
    assert.ok(Number(min) < Number(max) && Number(step) >= 0.001, `${key}: ${min} to ${max} by ${step}`);
  }
  if (platform === 'select' || is === 'enum') {
    assert.ok(Array.isArray(options) && options.length > 0 && options.every(isWord) && new Set(options).size === options.length);
    assert.deepEqual([unit, state], [undefined, undefined], `${key}: labels have no unit`);
    return;
  }
  assert.equal(options, undefined);
  if (state !== undefined) assert.ok(STATE_CLASSES[state] !== undefined, `${key}: ${state}`);
  if (unit !== undefined) assert.ok(isWord(unit), key);
  if (is === undefined || platform === 'binary_sensor') return;
  const [units, states] = CLASSES[is] ?? assert.fail(`${key}: no device class ${is}`);
  assert.ok(units.includes(unit), `${key}: ${is} in ${unit}`);
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
    const [, point, word] = TEMPLATE.exec(String(config.value_template ?? '')) ?? [];
    const key = point ?? word;
    const rendered = key === undefined ? payload : pythonText((JSON.parse(payload) as Json)[key]);
    if (rendered === 'None') return 'unknown';
    return this.#judged(entity, rendered, id);
  }

  /** What the platform makes of a text. */
  #judged({ platform, config }: Entity, text: string, id: string): string {
    const wrong = (): string => {
      this.faults.push(`${id} cannot be ${text}`);
      return 'unknown';
    };
    if (platform === 'switch' || platform === 'binary_sensor')
      return text === (config.payload_on ?? 'ON') ? 'on' : text === (config.payload_off ?? 'OFF') ? 'off' : wrong();
    if (config.options !== undefined) return (config.options as string[]).includes(text) ? text : wrong();
    if (platform === 'number' || config.state_class !== undefined)
      return Number.isFinite(Number(text)) && text !== '' ? text : wrong();
    return text.length <= 255 ? text : wrong();
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
