/**
 * What releases of Home Assistant themselves have in their tables, and what they do with a discovery message by them.
 *
 * The tables are facts that two releases answered when they ran on 2026-11-28, with voluptuous 0.14.2 of Debian: 2025.6.3, and
 * 2026.4.0.dev0 of March 2026. Keys and required keys are those of the schemas in components/mqtt (schemas.py, sensor.py,
 * binary_sensor.py, number.py, switch.py, select.py), units and state classes those of components/sensor/const.py. The table of units in
 * components/number/const.py is the same in both. The second release was written for a newer Python than there was. Its syntax was
 * changed for Python 3.13, and packages that MQTT does not use were replaced by empty ones.
 *
 * test/unit/forwarders/homeassistant-released.test.ts has messages with the answer of both releases, which this file has to repeat.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

type Json = Readonly<Record<string, unknown>>;
interface Keys {
  readonly keys: string;
  readonly required: string;
}
/** Lists are words with spaces between them, units have `|` between them. An empty unit is none. */
export interface Release {
  readonly release: string;
  readonly message: Keys;
  readonly shared: string;
  readonly device: string;
  readonly origin: Keys;
  readonly abbreviations: Readonly<Record<string, string>>;
  readonly components: Readonly<Record<string, Keys>>;
  readonly binaryClasses: string;
  readonly sensorClasses: string;
  readonly numberClasses: string;
  readonly stateClasses: Readonly<Record<string, string>>;
  readonly units: Readonly<Record<string, string>>;
  /** Spellings that are replaced before they are looked up. */
  readonly respelt: Readonly<Record<string, string>>;
  /** Attributes of `json_attributes_topic` that are dropped. */
  readonly attributesDropped: string;
}

export const RELEASES: readonly Release[] = ['2025.6.3', '2026.4.0.dev0'].map(
  (name) => JSON.parse(readFileSync(path.join(import.meta.dirname, `home-assistant-${name}.json`), 'utf8')) as Release,
);
/** This one and later ones refuse a sensor with a unit that its class does not have; earlier ones log a warning. */
const STRICT_UNITS = '2025.7';
const STATES = ['measurement', 'measurement_angle', 'total', 'total_increasing'];

export type Answer = 'taken' | 'warned' | 'refused';
export interface Answers {
  readonly message: 'taken' | 'refused';
  readonly components: ReadonlyMap<string, Answer>;
  /** `component.key` of keys that are dropped in silence. */
  readonly dropped: readonly string[];
}

const words = (text: string): readonly string[] => (text === '' ? [] : text.split(' '));
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const asJson = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});

export function answersOf(release: Release, text: string): Answers {
  const long = (of: Json): Json =>
    Object.fromEntries(Object.entries(of).map(([key, value]) => [release.abbreviations[key] ?? key, value]));
  const message = long(JSON.parse(text) as Json);
  const components = Object.entries(asJson(message.components)).map(([key, one]) => [key, long(asJson(one))] as const);
  const dropped: string[] = [];
  if (
    !takesMessage(
      release,
      message,
      components.map(([, one]) => one),
    )
  )
    return { message: 'refused', components: new Map(), dropped };
  const shared = Object.fromEntries(Object.entries(message).filter(([key]) => words(release.shared).includes(key)));
  const answers = components.flatMap(([key, { platform, ...own }]): (readonly [string, Answer])[] => {
    // A component that has its platform alone is removed.
    if (Object.keys(own).length === 0) return [];
    const keys = release.components[String(platform)];
    if (keys === undefined) throw new Error(`there is no table of ${String(platform)}`);
    for (const one of Object.keys(own)) if (!words(keys.keys).includes(one)) dropped.push(`${key}.${one}`);
    const merged = { ...shared, ...own };
    const whole = words(keys.required).every((one) => Object.hasOwn(merged, one));
    return [[key, whole ? componentAnswer(release, String(platform), merged) : 'refused']];
  });
  return { message: 'taken', components: new Map(answers), dropped };
}

function takesMessage(release: Release, message: Json, components: readonly Json[]): boolean {
  const [device, origin] = [asJson(message.device), asJson(message.origin)];
  return (
    has(message, release.message) &&
    has(device, { keys: release.device, required: '' }) &&
    [device.identifiers, device.connections].some((ids) => Array.isArray(ids) && ids.length > 0) &&
    has(origin, release.origin) &&
    components.every(
      ({ platform, ...own }) =>
        Object.hasOwn(release.components, String(platform)) && (Object.keys(own).length === 0 || isText(own.unique_id)),
    )
  );
}

function has(of: Json, { keys, required }: Keys): boolean {
  return Object.keys(of).every((key) => words(keys).includes(key)) && words(required).every((key) => Object.hasOwn(of, key));
}

function componentAnswer(release: Release, platform: string, config: Json): Answer {
  const { device_class: is, unit_of_measurement: unit, state_class: state, options, min = 1, max = 100, step = 1 } = config;
  if (platform === 'binary_sensor')
    return is === undefined || words(release.binaryClasses).includes(String(is)) ? 'taken' : 'refused';
  if (platform === 'number')
    return (is === undefined || words(release.numberClasses).includes(String(is))) &&
      Number(max) >= Number(min) &&
      Number(step) >= 0.001
      ? 'taken'
      : 'refused';
  if (platform !== 'sensor') return 'taken';
  if (is !== undefined && !words(release.sensorClasses).includes(String(is))) return 'refused';
  if (state !== undefined && !STATES.includes(String(state))) return 'refused';
  if (options !== undefined && (is !== 'enum' || state !== undefined || unit !== undefined)) return 'refused';
  if (is === undefined) return 'taken';
  const units = release.units[String(is)]?.split('|');
  const spelt = release.respelt[String(unit)] ?? unit ?? '';
  if (units !== undefined && !units.includes(String(spelt)))
    return unit !== undefined && release.release >= STRICT_UNITS ? 'refused' : 'warned';
  const states = release.stateClasses[String(is)];
  return state !== undefined && states !== undefined && !words(states).includes(String(state)) ? 'warned' : 'taken';
}
