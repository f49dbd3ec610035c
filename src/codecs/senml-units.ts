/**
 * Units of SenML for UCUM codes: the registry of RFC 8428 (section 12.1) with its additions (RFC 8798, sections 2 and 3, and later
 * ones). A unit that the registry lacks is turned into a registered one where this moves nothing but the decimal point.
 */
import { movePoint } from './decimal.ts';

export interface SenmlUnit {
  /** The symbol of the registry. */
  readonly symbol: string;
  /** It is of the registry of secondary units; RFC 9100 has a version number for their use. */
  readonly secondary: boolean;
  /** A number in the unit of the point, in this unit. */
  readonly value: (v: number) => number;
}

const same = (v: number): number => v;

/** UCUM codes that have another symbol in the registry; the others of PRIMARY are the same in both. */
export const PRIMARY: ReadonlyMap<string, string> = new Map<string, string>([
  ...'m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 cd/m2 bit bit/s dB S/m J/m kg/m3 deg'
    .split(' ')
    .map((symbol) => [symbol, symbol] as const),
  ...Object.entries({
    ...{ L: 'l', 'L/s': 'l/s', '[pH]': 'pH', 'dB[W]': 'dBW', '1': '/', '/s': '1/s', '1/s': '1/s', 's-1': '1/s' },
    ...{ '/min': '1/min', '1/min': '1/min', By: 'B', 'V.A': 'VA', 'V.A.s': 'VAs', 'V.A{reactive}': 'var', var: 'var' },
    ...{ 'V.A.s{reactive}': 'vars', '{NTU}': 'NTU', '[NTU]': 'NTU' },
  }),
]);

type Secondary = readonly [symbol: string, primary: string, scale: number, offset?: number];
export const SECONDARY: ReadonlyMap<string, Secondary> = new Map<string, Secondary>(
  Object.entries({
    ms: ['ms', 's', 1e-3],
    min: ['min', 's', 60],
    h: ['h', 's', 3600],
    MHz: ['MHz', 'Hz', 1e6],
    kW: ['kW', 'W', 1e3],
    'kV.A': ['kVA', 'VA', 1e3],
    'kV.A{reactive}': ['kvar', 'var', 1e3],
    'A.h': ['Ah', 'C', 3600],
    'W.h': ['Wh', 'J', 3600],
    'kW.h': ['kWh', 'J', 3.6e6],
    'V.A.h{reactive}': ['varh', 'vars', 3600],
    'kV.A.h{reactive}': ['kvarh', 'vars', 3.6e6],
    'V.A.h': ['VAh', 'VAs', 3600],
    'kV.A.h': ['kVAh', 'VAs', 3.6e6],
    'W.h/km': ['Wh/km', 'J/m', 3.6],
    KiBy: ['KiB', 'B', 1024],
    GBy: ['GB', 'B', 1e9],
    'Mbit/s': ['Mbit/s', 'bit/s', 1e6],
    'By/s': ['B/s', 'bit/s', 8],
    'MBy/s': ['MB/s', 'bit/s', 8e6],
    mV: ['mV', 'V', 1e-3],
    mA: ['mA', 'A', 1e-3],
    'dB[mW]': ['dBm', 'dBW', 1, -30],
    'dB{mW}': ['dBm', 'dBW', 1, -30],
    'ug/m3': ['ug/m3', 'kg/m3', 1e-9],
    'mm/h': ['mm/h', 'm/s', 1 / 3.6e6],
    'm/h': ['m/h', 'm/s', 1 / 3600],
    '[ppm]': ['ppm', '/', 1e-6],
    '[ppb]': ['ppb', '/', 1e-9],
    '[pptr]': ['ppt', '/', 1e-12],
    '%': ['/100', '/', 0.01],
    '[ppth]': ['/1000', '/', 1e-3],
    hPa: ['hPa', 'Pa', 100],
    mbar: ['hPa', 'Pa', 100],
    mm: ['mm', 'm', 1e-3],
    cm: ['cm', 'm', 0.01],
    km: ['km', 'm', 1e3],
    'km/h': ['km/h', 'm/s', 1 / 3.6],
    'mg/L': ['mg/l', 'kg/m3', 1e-3],
    'mg/l': ['mg/l', 'kg/m3', 1e-3],
    'ug/L': ['ug/l', 'kg/m3', 1e-6],
    'ug/l': ['ug/l', 'kg/m3', 1e-6],
    'g/L': ['g/l', 'kg/m3', 1],
    'g/l': ['g/l', 'kg/m3', 1],
  } satisfies Record<string, Secondary>),
);

/** Not in the registry: the registered unit, and by how many places the point moves. */
export const MOVED: ReadonlyMap<string, readonly [symbol: string, places: number]> = new Map(
  Object.entries({
    ...{ bar: ['Pa', 5], kPa: ['Pa', 3], MPa: ['Pa', 6], kHz: ['Hz', 3], kV: ['V', 3], kA: ['A', 3], uA: ['A', -6] },
    ...{ mW: ['W', -3], MW: ['W', 6], kJ: ['J', 3], MJ: ['J', 6], kOhm: ['Ohm', 3], MOhm: ['Ohm', 6], kN: ['N', 3] },
    ...{ 'uS/cm': ['S/m', -4], 'mS/cm': ['S/m', -1], um: ['m', -6], 'kW/m2': ['W/m2', 3], t: ['kg', 3] },
  } satisfies Record<string, readonly [string, number]>),
);

/**
 * @param secondary whether secondary units may be used; else their values are turned into those of the primary unit
 * @returns undefined: the registry has nothing for it
 */
export function senmlUnit(ucum: string, secondary: boolean): SenmlUnit | undefined {
  const primary = PRIMARY.get(ucum);
  if (primary !== undefined) return { symbol: primary, secondary: false, value: same };
  const other = SECONDARY.get(ucum);
  if (other !== undefined) {
    const [symbol, base, scale, offset = 0] = other;
    if (secondary) return { symbol, secondary: true, value: same };
    // 15 digits always survive a double; what is beyond them comes from the scale.
    return { symbol: base, secondary: false, value: (v) => Number((v * scale + offset).toPrecision(15)) };
  }
  const moved = MOVED.get(ucum);
  if (moved !== undefined) return { symbol: moved[0], secondary: false, value: (v) => movePoint(v, moved[1]) };
  // An annotation alone counts things: {particles}.
  return /^\{[^{}]*\}$/.test(ucum) ? { symbol: 'count', secondary: false, value: same } : undefined;
}
