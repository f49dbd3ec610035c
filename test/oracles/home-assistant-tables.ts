/**
 * What Home Assistant takes in discovery messages of devices. Facts from two ends of the releases that have them:
 *
 * - 2024.11.0, the first one with them: the type stubs of its source (KapJI/homeassistant-stubs, tag 2024.11.0) for keys, classes and
 *   the values of each `UnitOf…` in homeassistant/const.py. Stubs do not have DEVICE_CLASS_UNITS, DEVICE_CLASS_STATE_CLASSES and
 *   SHARED_OPTIONS: these were read in versions of components/sensor/const.py, mqtt/schemas.py and mqtt/discovery.py before and after
 *   it, which agree for the classes below, save that state classes of `weight` came with pull request 108505 of January 2024;
 * - 2026.9.4: schemas of components/mqtt (schemas.py, sensor.py, number.py, select.py, switch.py, binary_sensor.py), and the tables of
 *   components/sensor/const.py and components/number/const.py, which agree for the classes below. They were read in the catalogue
 *   SukramJ/go-ha-catalog, which is made from each release.
 *
 * Keys that only one of them knows are not here: a gateway does not know which release listens.
 */
const words = (text: string): readonly string[] => text.split(' ');

/**
 * Keys of a message beside `dev`, `o` and `cmps` that components inherit. `qos` and `encoding` are taken by each release, and inherited
 * by newer ones alone. Any other key has the whole message refused.
 */
export const SHARED = words(
  'availability availability_mode availability_template availability_topic command_topic payload_available payload_not_available state_topic',
);
export const DEVICE = words(
  'identifiers connections name manufacturer model model_id sw_version hw_version serial_number via_device suggested_area configuration_url',
);
export const ORIGIN = words('name sw_version support_url');

const ENTITY = words(
  'p name unique_id value_template state_topic availability availability_mode availability_template availability_topic payload_available payload_not_available icon entity_category entity_picture enabled_by_default json_attributes_topic json_attributes_template qos encoding',
);
const COMMANDED = words('command_topic command_template retain optimistic');
/** Keys of a component, by platform. Others are dropped in silence. */
export const COMPONENTS: Readonly<Record<string, readonly string[]>> = {
  sensor: [
    ...ENTITY,
    ...words('device_class unit_of_measurement state_class options expire_after force_update last_reset_value_template'),
    'suggested_display_precision',
  ],
  binary_sensor: [...ENTITY, ...words('device_class payload_on payload_off expire_after force_update off_delay')],
  number: [...ENTITY, ...COMMANDED, ...words('device_class min max step mode unit_of_measurement payload_reset')],
  switch: [...ENTITY, ...COMMANDED, ...words('device_class payload_on payload_off state_on state_off')],
  select: [...ENTITY, ...COMMANDED, 'options'],
};
/** Without them a component is refused. `unique_id` is required of all, and without it the whole message is refused. */
export const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  sensor: ['state_topic'],
  binary_sensor: ['state_topic'],
  number: ['command_topic'],
  switch: ['command_topic'],
  select: ['command_topic', 'options'],
};
export const LEAST_STEP = 0.001;
/** Attributes that an entity has of its own: those of `json_attributes_topic` with these names are dropped in silence. */
export const BLOCKED = words(
  'assumed_state available device_class device_info entity_category entity_id entity_picture entity_registry_enabled_default extra_state_attributes force_update friendly_name icon should_poll state supported_features unique_id unit_of_measurement',
);

export const STATE_CLASSES: Readonly<Record<string, string>> = { measurement: 'm', total: 't', total_increasing: 'i' };
export const BINARY_CLASSES = words(
  'battery battery_charging carbon_monoxide cold connectivity door garage_door gas heat light lock moisture motion moving occupancy opening plug power presence problem running safety smoke sound tamper update vibration window',
);

/** Spellings that newer releases replace before they look. Both have a micro sign; they are two letters of Unicode. */
export const RESPELT: Readonly<Record<string, string>> = {
  '\u00b5S/cm': '\u03bcS/cm',
  '\u00b5g': '\u03bcg',
  '\u00b5V': '\u03bcV',
  '\u00b5s': '\u03bcs',
  '\u00b5g/m³': '\u03bcg/m³',
};

type Unit = string | undefined;
export interface DeviceClass {
  /** Units of 2024.11.0, and of 2026.9.4. */
  readonly since: readonly Unit[];
  readonly now: readonly Unit[];
  /** State classes of a sensor: m, t, i. */
  readonly states: string;
}
/** Units that both have, those that came later, and those that only the older one spells so. Separated by `|`, since some have spaces. */
function units(both: string, later = '', states = 'm', older = ''): DeviceClass {
  const list = (text: string) => (text === '' ? [] : text.split('|'));
  return { since: [...list(both), ...list(older)], now: [...list(both), ...list(later)], states };
}
const VOLUMES = 'L|mL|m³|gal|fl. oz.|ft³|CCF';

export const CLASSES: Readonly<Record<string, DeviceClass>> = {
  apparent_power: units('VA', 'kVA|mVA'),
  conductivity: units('S/cm|mS/cm', '\u03bcS/cm', 'm', '\u00b5S/cm'),
  current: units('A|mA', '\u03bcA'),
  data_rate: units('bit/s|kbit/s|Mbit/s|Gbit/s|B/s|kB/s|MB/s|GB/s|KiB/s|MiB/s|GiB/s'),
  data_size: units('bit|kbit|Mbit|Gbit|B|kB|MB|GB|TB|PB|EB|ZB|YB|KiB|MiB|GiB|TiB|PiB|EiB|ZiB|YiB', '', 'mti'),
  distance: units('km|m|cm|mm|mi|nmi|yd|in|ft', '', 'mti'),
  duration: units('d|h|min|s|ms', '\u03bcs', 'mti'),
  energy: units('J|kJ|MJ|GJ|Wh|kWh|MWh|cal|kcal|Mcal|Gcal', 'mWh|GWh|TWh', 'ti'),
  frequency: units('Hz|kHz|MHz|GHz', 'mHz'),
  illuminance: units('lx'),
  irradiance: units('W/m²|BTU/(h⋅ft²)'),
  ph: { since: [undefined], now: [undefined], states: 'm' },
  power: units('W|kW', 'mW|MW|GW|TW'),
  pressure: units('Pa|hPa|kPa|bar|cbar|mbar|mmHg|inHg|psi', 'mPa|inH₂O'),
  reactive_power: units('var', 'kvar|mvar'),
  signal_strength: units('dB|dBm'),
  speed: units('m/s|km/h|mph|kn|ft/s|mm/s|in/s|mm/d|mm/h|in/d|in/h|Beaufort', 'm/min'),
  temperature: units('°C|°F|K'),
  voltage: units('V|mV', '\u03bcV|kV|MV'),
  volume: units(VOLUMES, 'MCF', 'ti'),
  volume_flow_rate: units('m³/h|ft³/min|L/min|gal/min', 'm³/min|m³/s|L/h|L/s|mL/s|gal/d|gal/h'),
  volume_storage: units(VOLUMES, 'MCF'),
  weight: units('kg|g|mg|oz|lb|st', '\u03bcg', 'mti', '\u00b5g'),
};
