/**
 * Units of Home Assistant for UCUM codes, and the device class that a unit alone proves. A class is named only where every
 * release with device discovery allows it that unit: one that does not match makes Home Assistant refuse the entity.
 */
import { unitWords } from '../../../../core/unit-words.ts';

export interface HaUnit {
  /** `unit_of_measurement`; absent for a number without a unit. */
  readonly unit?: string;
  readonly deviceClass?: string;
}

/** What `state_class` of a device class can be. */
const ONLY_TOTALS: ReadonlySet<string> = new Set(['energy', 'volume']);
const ALSO_TOTALS: ReadonlySet<string> = new Set(['distance', 'duration', 'data_size', 'weight']);

/** By device class, and by UCUM code. */
export const CLASSES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  temperature: { Cel: '°C', '[degF]': '°F', K: 'K' },
  voltage: { V: 'V', mV: 'mV' },
  current: { A: 'A', mA: 'mA' },
  power: { W: 'W', kW: 'kW' },
  apparent_power: { 'V.A': 'VA' },
  reactive_power: { 'V.A{reactive}': 'var', var: 'var' },
  energy: { 'W.h': 'Wh', 'kW.h': 'kWh', 'MW.h': 'MWh', J: 'J', kJ: 'kJ', MJ: 'MJ', GJ: 'GJ' },
  frequency: { Hz: 'Hz', kHz: 'kHz', MHz: 'MHz', GHz: 'GHz' },
  pressure: { Pa: 'Pa', hPa: 'hPa', kPa: 'kPa', bar: 'bar', mbar: 'mbar', '[psi]': 'psi' },
  distance: { m: 'm', km: 'km', cm: 'cm', mm: 'mm', '[in_i]': 'in', '[ft_i]': 'ft', '[mi_i]': 'mi', '[nmi_i]': 'nmi' },
  speed: { 'm/s': 'm/s', 'mm/s': 'mm/s', 'km/h': 'km/h', '[kn_i]': 'kn' },
  volume_storage: { L: 'L', l: 'L', mL: 'mL', ml: 'mL', m3: 'm³', '[gal_us]': 'gal', '[cft_i]': 'ft³' },
  volume_flow_rate: { 'm3/h': 'm³/h', 'L/min': 'L/min', 'l/min': 'L/min' },
  duration: { ms: 'ms', s: 's', min: 'min', h: 'h', d: 'd' },
  weight: { g: 'g', kg: 'kg', mg: 'mg', '[lb_av]': 'lb', '[oz_av]': 'oz' },
  illuminance: { lx: 'lx' },
  irradiance: { 'W/m2': 'W/m²' },
  signal_strength: { 'dB[mW]': 'dBm', 'dB{mW}': 'dBm' },
  conductivity: { 'uS/cm': 'µS/cm' },
  data_size: { bit: 'bit', By: 'B', kBy: 'kB', MBy: 'MB', GBy: 'GB' },
  data_rate: { 'bit/s': 'bit/s', 'kbit/s': 'kbit/s', 'Mbit/s': 'Mbit/s', 'By/s': 'B/s' },
};
const KNOWN = new Map<string, HaUnit>(
  Object.entries(CLASSES).flatMap(([deviceClass, units]) =>
    Object.entries(units).map(([ucum, unit]): [string, HaUnit] => [ucum, { unit, deviceClass }]),
  ),
);

export function haUnit(ucum: string | undefined): HaUnit {
  if (ucum === undefined || ucum === '1') return {};
  if (ucum === '[pH]') return { deviceClass: 'ph' };
  const known = KNOWN.get(ucum);
  if (known !== undefined) return known;
  const unit = unitWords(ucum);
  return unit === '' ? {} : { unit };
}

export const STATE_CLASSES = ['measurement', 'total', 'total_increasing'] as const;
export interface Measured extends HaUnit {
  readonly stateClass: (typeof STATE_CLASSES)[number];
}

/**
 * @param counts the configuration calls it a counter
 * @param unsigned its type has no negative numbers
 */
export function measured(ucum: string | undefined, counts: boolean, unsigned: boolean): Measured {
  const { unit, deviceClass } = haUnit(ucum);
  const of = unit === undefined ? {} : { unit };
  if (deviceClass === 'energy')
    // A float may go down where energy is fed back, and a total may.
    return { ...of, deviceClass, stateClass: counts || unsigned ? 'total_increasing' : 'total' };
  if (!counts) return { ...of, ...(deviceClass === undefined ? {} : { deviceClass }), stateClass: 'measurement' };
  const counted = deviceClass === 'volume_storage' ? 'volume' : deviceClass;
  const fits = counted !== undefined && (ONLY_TOTALS.has(counted) || ALSO_TOTALS.has(counted));
  return { ...of, ...(fits ? { deviceClass: counted } : {}), stateClass: 'total_increasing' };
}
