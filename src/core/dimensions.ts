/**
 * What a UCUM code measures: its dimension and its size in base units, so that units are compared and converted. Sizes are those
 * of UCUM 2.2, which has them from the SI Brochure and from NIST SP 811. Units of a scale of their own (`[pH]`, `[NTU]`, `B[SPL]`) are
 * comparable with themselves only.
 */
import { ucumFault } from './ucum.ts';

/** Exponents by the names of base units: m, s, g, rad, K, C, cd, and units of a scale of their own. */
type Exponents = ReadonlyMap<string, number>;

export interface Dimension {
  readonly exponents: Exponents;
  /** Base units in one. */
  readonly size: number;
  /** Base units at 0 of the scale; only of temperatures. */
  readonly zero: number;
}

/** value × scale + offset */
export interface Conversion {
  readonly scale: number;
  readonly offset: number;
}

const PREFIXES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ Y: 1e24, Z: 1e21, E: 1e18, P: 1e15, T: 1e12, G: 1e9, M: 1e6, k: 1e3, h: 1e2, da: 1e1 },
    ...{ d: 1e-1, c: 1e-2, m: 1e-3, u: 1e-6, n: 1e-9, p: 1e-12, f: 1e-15, a: 1e-18, z: 1e-21, y: 1e-24 },
    ...{ Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 },
  }),
);
const BASE = new Set(['m', 's', 'g', 'rad', 'K', 'C', 'cd']);
/** Each in units that stand in this table or above; a number alone has no dimension. */
const UNITS: ReadonlyMap<string, readonly [size: number, of: string]> = new Map(
  Object.entries({
    ...{ '%': [1e-2, '1'], '[ppth]': [1e-3, '1'], '[ppm]': [1e-6, '1'], '[ppb]': [1e-9, '1'], '[pptr]': [1e-12, '1'] },
    ...{ '[pi]': [Math.PI, '1'], '10*': [10, '1'], '10^': [10, '1'], mol: [6.02214076e23, '1'], sr: [1, 'rad2'] },
    ...{ min: [60, 's'], h: [3600, 's'], d: [86_400, 's'], wk: [604_800, 's'], a: [31_557_600, 's'], a_j: [31_557_600, 's'] },
    ...{ mo: [2_629_800, 's'], mo_j: [2_629_800, 's'], a_t: [31_556_925.216, 's'] },
    ...{ deg: [Math.PI / 180, 'rad'], gon: [Math.PI / 200, 'rad'], circ: [2 * Math.PI, 'rad'], "'": [Math.PI / 10_800, 'rad'] },
    ...{ "''": [Math.PI / 648_000, 'rad'], Hz: [1, 's-1'], Bd: [1, 's-1'], N: [1000, 'g.m/s2'], Pa: [1, 'N/m2'], J: [1, 'N.m'] },
    ...{ W: [1, 'J/s'], A: [1, 'C/s'], V: [1, 'J/C'], F: [1, 'C/V'], Ohm: [1, 'V/A'], S: [1, 'A/V'], mho: [1, 'A/V'] },
    ...{ Wb: [1, 'V.s'], T: [1, 'Wb/m2'], H: [1, 'Wb/A'], lm: [1, 'cd.sr'], lx: [1, 'lm/m2'], Bq: [1, 's-1'], Gy: [1, 'J/kg'] },
    ...{
      Sv: [1, 'J/kg'],
      kat: [1, 'mol/s'],
      U: [1e-6, 'mol/min'],
      l: [1, 'dm3'],
      L: [1, 'dm3'],
      ar: [100, 'm2'],
      t: [1000, 'kg'],
    },
    ...{
      bar: [100_000, 'Pa'],
      atm: [101_325, 'Pa'],
      att: [98_066.5, 'Pa'],
      eV: [1.602176634e-19, 'J'],
      u: [1.6605390666e-24, 'g'],
    },
    ...{ pc: [3.085678e16, 'm'], b: [100, 'fm2'], Ci: [3.7e10, 'Bq'], R: [2.58e-4, 'C/kg'], RAD: [1, 'cGy'], REM: [1, 'cSv'] },
    ...{ G: [1e-4, 'T'], Mx: [1e-8, 'Wb'], P: [1, 'dyn.s/cm2'], St: [1, 'cm2/s'], dyn: [1, 'g.cm/s2'], erg: [1, 'dyn.cm'] },
    ...{
      Gal: [1, 'cm/s2'],
      'm[H2O]': [9806.65, 'Pa'],
      'm[Hg]': [133_322, 'Pa'],
      'g%': [1, 'g/dL'],
      osm: [1, 'mol'],
      eq: [1, 'mol'],
    },
    ...{ cal: [4.184, 'J'], cal_th: [4.184, 'J'], cal_IT: [4.1868, 'J'], 'cal_[15]': [4.1858, 'J'], bit: [1, '1'] },
    ...{
      gf: [9.80665e-3, 'N'],
      '[g]': [9.80665, 'm/s2'],
      '[c]': [299_792_458, 'm/s'],
      '[in_i]': [2.54, 'cm'],
      '[ft_i]': [0.3048, 'm'],
    },
    ...{ '[yd_i]': [0.9144, 'm'], '[mi_i]': [1609.344, 'm'], '[nmi_i]': [1852, 'm'], '[kn_i]': [1, '[nmi_i]/h'] },
    ...{ '[mil_i]': [2.54e-5, 'm'], '[sin_i]': [1, '[in_i]2'], '[sft_i]': [1, '[ft_i]2'], '[cin_i]': [1, '[in_i]3'] },
    ...{ '[cft_i]': [1, '[ft_i]3'], '[cyd_i]': [1, '[yd_i]3'], '[bf_i]': [144, '[in_i]3'], '[acr_us]': [4046.8726, 'm2'] },
    ...{ '[gal_us]': [231, '[in_i]3'], '[qt_us]': [57.75, '[in_i]3'], '[pt_us]': [28.875, '[in_i]3'] },
    ...{
      '[foz_us]': [1.8046875, '[in_i]3'],
      '[gal_br]': [4.54609, 'L'],
      '[bbl_us]': [42, '[gal_us]'],
      '[bu_us]': [2150.42, '[in_i]3'],
    },
    ...{
      '[lb_av]': [453.59237, 'g'],
      '[oz_av]': [28.349523125, 'g'],
      '[ston_av]': [907_184.74, 'g'],
      '[lbf_av]': [4.4482216152605, 'N'],
    },
    ...{ '[psi]': [1, '[lbf_av]/[sin_i]'], '[Btu]': [1055.05585262, 'J'], '[Btu_IT]': [1055.05585262, 'J'] },
    ...{ '[Btu_th]': [1054.35, 'J'], '[HP]': [550, '[ft_i].[lbf_av]/s'], '[Cal]': [1, 'kcal_th'] },
    ...{
      "[in_i'H2O]": [249.08891, 'Pa'],
      "[in_i'Hg]": [3386.3788, 'Pa'],
      '[diop]': [1, 'm-1'],
      '[degR]': [5 / 9, 'K'],
      tex: [1, 'g/km'],
    },
  } satisfies Record<string, [number, string]>),
);
/** Temperatures whose 0 is not that of K: K in one degree, and K at 0. Only alone: `Cel/h` is a rise. */
const SCALES: ReadonlyMap<string, readonly [size: number, zero: number]> = new Map([
  ['Cel', [1, 273.15]],
  ['[degF]', [5 / 9, 459.67 * (5 / 9)]],
  ['[degRe]', [1.25, 273.15]],
]);
const NONE: Dimension = { exponents: new Map(), size: 1, zero: 0 };
/** Codes come from a configuration, so there are few; hostile ones do not grow it. */
const MOST_KNOWN = 2000;
const known = new Map<string, Dimension | undefined>();

/** @returns how a value in one unit becomes one in the other; undefined where they measure different things or one is no UCUM code */
export function conversion(from: string, to: string): Conversion | undefined {
  if (from === to) return { scale: 1, offset: 0 };
  const [a, b] = [dimensionOf(from), dimensionOf(to)];
  if (a === undefined || b === undefined || !isAlike(a, b)) return undefined;
  // A difference of two sizes that were made from decimals: 1e-3 / 1e3 shall be 1e-6.
  const scale = Number((a.size / b.size).toPrecision(15));
  return { scale, offset: Number(((a.zero - b.zero) / b.size).toPrecision(15)) };
}

/** @returns how a value becomes one in base units; undefined where the unit is no UCUM code */
export function toBase(from: string): Conversion | undefined {
  const dimension = dimensionOf(from);
  return dimension && { scale: dimension.size, offset: dimension.zero };
}

export function dimensionOf(code: string): Dimension | undefined {
  if (known.has(code)) return known.get(code);
  const found = read(code);
  if (known.size < MOST_KNOWN) known.set(code, found);
  return found;
}

function read(code: string): Dimension | undefined {
  // Brackets that this room puts around a unit make a code longer than one that people write.
  if (code.length > 200 || ucumFault(code.replace(/^\((.*)\)([./])s$/, '$1')) !== undefined) return undefined;
  const scale = SCALES.get(code.replace(/\{[^}]*\}$/, ''));
  if (scale !== undefined) return { exponents: new Map([['K', 1]]), size: scale[0], zero: scale[1] };
  const whole = new Reader(code).term();
  return whole !== undefined && Number.isFinite(whole.size) && whole.size > 0 ? whole : undefined;
}

/** The code is one of UCUM: only its meaning is read here. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  term(): Dimension | undefined {
    let whole: Dimension | undefined = NONE;
    let sign = 1;
    if (this.#take('/')) sign = -1;
    for (;;) {
      const part = this.#component();
      if (part === undefined || whole === undefined) return undefined;
      whole = times(whole, part, sign);
      if (this.#take('.')) sign = 1;
      else if (this.#take('/')) sign = -1;
      else return whole;
    }
  }

  #take(sign: string): boolean {
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string {
    const [text = ''] = pattern.exec(this.#text.slice(this.#at)) ?? [];
    this.#at += text.length;
    return text;
  }

  #component(): Dimension | undefined {
    if (this.#take('(')) {
      const inner = this.term();
      return this.#take(')') ? inner : undefined;
    }
    if (this.#match(/^\{[^}]*\}/) !== '') return NONE;
    // As the grammar of ucum.ts: a power of ten, a unit with its exponent, a factor.
    const word = this.#match(/^(?:10[*^]|(?:\[[^\]]*\]|[^\d./(){}+[\]-])+(?:\[[^\]]*\])?)/);
    const part = word === '' ? factor(this.#match(/^\d+/)) : simple(word);
    if (part === undefined) return undefined;
    const exponent = word === '' ? '' : this.#match(/^[+-]?\d+/);
    this.#match(/^\{[^}]*\}/);
    return exponent === '' ? part : times(NONE, part, Number(exponent));
  }
}

const factor = (digits: string): Dimension | undefined => (digits === '' ? undefined : { ...NONE, size: Number(digits) });

function simple(word: string): Dimension | undefined {
  const whole = atom(word);
  if (whole !== undefined) return whole;
  for (const length of [2, 1]) {
    const size = PREFIXES.get(word.slice(0, length));
    const of = size === undefined ? undefined : atom(word.slice(length));
    if (size !== undefined && of !== undefined) return { ...of, size: size * of.size };
  }
  // A scale of its own.
  return { exponents: new Map([[word, 1]]), size: 1, zero: 0 };
}

function atom(word: string): Dimension | undefined {
  if (BASE.has(word)) return { exponents: new Map([[word, 1]]), size: 1, zero: 0 };
  const scale = SCALES.get(word);
  if (scale !== undefined) return { exponents: new Map([['K', 1]]), size: scale[0], zero: 0 };
  const entry = UNITS.get(word);
  if (entry === undefined) return undefined;
  const [size, of] = entry;
  const base = of === '1' ? NONE : new Reader(of).term();
  return base && { exponents: base.exponents, size: size * base.size, zero: 0 };
}

function times(a: Dimension, b: Dimension, power: number): Dimension {
  const exponents = new Map(a.exponents);
  for (const [name, exponent] of b.exponents) {
    const sum = (exponents.get(name) ?? 0) + exponent * power;
    if (sum === 0) exponents.delete(name);
    else exponents.set(name, sum);
  }
  return { exponents, size: a.size * b.size ** power, zero: 0 };
}

/** Whether they measure the same, whatever their sizes. */
export function isAlike({ exponents: a }: Dimension, { exponents: b }: Dimension): boolean {
  return a.size === b.size && [...a].every(([name, exponent]) => b.get(name) === exponent);
}

/** One unit of a scale of its own and nothing else: `[pH]`, and no `[CFU]/dL`. */
export function isOwnScale({ exponents }: Dimension): boolean {
  const [[name, exponent] = ['', 0]] = exponents;
  return exponents.size === 1 && exponent === 1 && !BASE.has(name);
}

/** A number and nothing else: `1` and `{pH}`, and no `%`. */
export function isNumber({ exponents, size }: Dimension): boolean {
  return exponents.size === 0 && size === 1;
}

/** @param power of the second one */
export function product(a: Dimension, b: Dimension, power: number): Dimension {
  return times(a, b, power);
}
