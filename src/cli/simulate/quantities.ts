/**
 * What is usual: the values of a quantity where nothing is wrong, by its unit (UCUM) and by words in the names of device and point.
 * No limit of a rule is looked at: a rule whose limit is wrong must be seen.
 */

/** A quantity that moves around a middle, in its unit. */
export interface Wave {
  readonly middle: number;
  /** Half of the way between its ends. */
  readonly swing: number;
}
/** A quantity that only grows, in its unit. */
export interface Count {
  readonly start: number;
  /** Growth of a second. */
  readonly rate: number;
}

type Row = readonly [unit: string, words: RegExp | undefined, middle: number, swing: number];

/** The first row that fits counts. Words stand before the row of a unit without any. */
const WAVES: readonly Row[] = [
  ['Cel', /\bbatter(y|ies)\b/, 28, 2],
  ['Cel', /\b(weather|outdoor|outside|ambient)\b/, 26, 3],
  ['Cel', /\b(room|store|indoor)\b/, 22, 1.5],
  ['Cel', undefined, 5, 2.5],
  ['[degF]', undefined, 41, 4],
  ['K', undefined, 278, 2.5],
  ['%', undefined, 50, 10],
  // A lead-acid battery of 12 V that is charged.
  ['V', /\bbatter(y|ies)\b/, 12.8, 0.4],
  ['V', /\bl[123]-l[123]\b/, 400, 7],
  ['V', undefined, 230, 4],
  ['mV', undefined, 3700, 150],
  ['kV', undefined, 11, 0.2],
  ['A', undefined, 4, 2],
  ['mA', undefined, 12, 4],
  ['W', undefined, 900, 350],
  ['kW', undefined, 0.9, 0.35],
  ['V.A', undefined, 980, 350],
  // A motor turns at the frequency of its inverter, not of the mains.
  ['Hz', /speed|drive|rpm/, 38, 9],
  ['Hz', undefined, 50, 0.05],
  ['bar', undefined, 3, 0.4],
  ['mbar', undefined, 1012, 6],
  ['hPa', undefined, 1012, 6],
  ['kPa', undefined, 101.2, 0.6],
  ['Pa', undefined, 101_200, 600],
  ['[ppm]', undefined, 620, 150],
  ['ppm', undefined, 620, 150],
  ['[ppb]', undefined, 30, 8],
  ['uS/cm', undefined, 650, 180],
  ['mg/L', /\bchlorine\b/, 0.7, 0.1],
  ['mg/L', undefined, 330, 90],
  ['[NTU]', undefined, 0.5, 0.2],
  ['[pH]', undefined, 7.2, 0.1],
  ['ug/m3', /\bpm-?2/, 10, 4],
  ['ug/m3', /\bpm-?10/, 24, 8],
  ['ug/m3', undefined, 22, 12],
  ['m', /\b(tank|cistern|reservoir)/, 1.5, 0.3],
  // A river rises in hours, not in minutes.
  ['m', /\b(river|gauge|canal)\b/, 2.4, 0.03],
  ['m', undefined, 2.4, 0.5],
  ['cm', /\b(tank|cistern|reservoir)/, 150, 30],
  ['cm', undefined, 240, 50],
  ['mm', undefined, 2400, 500],
  ['kg', undefined, 12.5, 0.4],
  ['L/min', undefined, 32, 8],
  ['m3/h', undefined, 4.2, 1.2],
  ['m/s', undefined, 3.1, 1.6],
  // The velocity of a vibration.
  ['mm/s', undefined, 0.15, 0.05],
  ['[kn_i]', undefined, 6, 2],
  ['lx', undefined, 420, 250],
  ['dB', undefined, 46, 8],
  ['1', undefined, 0.95, 0.04],
];
/** Where the unit says nothing, the name of the point says what it is. */
const NAMED: readonly (readonly [words: RegExp, middle: number, swing: number])[] = [
  [/^lat(itude)?$/, 23.8103, 0.000_1],
  [/^(lon|lng|longitude)$/, 90.4125, 0.000_1],
  [/satellites/, 9, 2],
  [/(^|-)rpm|speed$/, 1450, 30],
];
const UNKNOWN: Wave = { middle: 50, swing: 20 };

const COUNTS: readonly (readonly [unit: string, words: RegExp | undefined, start: number, rate: number])[] = [
  ['W.h', undefined, 1_200_000, 0.25],
  ['kW.h', undefined, 1234, 0.000_25],
  ['kV.A.h', undefined, 210, 0.000_05],
  ['m3', undefined, 512, 0.0012],
  ['L', undefined, 51_200, 1.2],
  // Some 9 mm a day.
  ['mm', /\brain/, 100, 0.0001],
];
/** 180 vehicles in a quarter of an hour. */
const TRAFFIC: Count = { start: 1000, rate: 0.2 };
const TRAFFIC_NAME = /\b(vehicles|cars|trucks|bicycles|persons)\b/;
const PLAIN: Count = { start: 1000, rate: 0.5 };
const COUNTER_NAME = /\b(count(er)?|total|pulses|starts)\b/;

/** Parts of a name are words, whichever sign is between them. */
const wordsOf = (text: string) => text.replaceAll('_', '-');
/** `V.A{reactive}` is V.A here. */
const plainUnit = (unit: string | undefined) => unit?.replaceAll(/\{[^}]*\}/g, '') ?? '';

/** @param counts its settings say that it is a counter @returns undefined where the quantity goes up and down */
export function countOf(device: string, name: string, unit: string | undefined, counts: boolean): Count | undefined {
  const [plain, words] = [plainUnit(unit), wordsOf(`${device} ${name}`)];
  const row = COUNTS.find(([its, which]) => its === plain && which?.test(words) !== false);
  if (row !== undefined) return { start: row[2], rate: row[3] };
  const own = wordsOf(name);
  if (plain === '' && TRAFFIC_NAME.test(own)) return TRAFFIC;
  // A total power is no counter.
  const isCount = counts || (COUNTER_NAME.test(own) && !WAVES.some(([its]) => its === plain));
  return isCount ? PLAIN : undefined;
}

/** @returns undefined where neither unit nor name says what it is */
export function waveOf(device: string, name: string, unit: string | undefined): Wave | undefined {
  const [plain, words] = [plainUnit(unit), wordsOf(`${device} ${name}`)];
  const row = WAVES.find(([its, which]) => its === plain && which?.test(words) !== false);
  if (row !== undefined) return { middle: row[2], swing: row[3] };
  const named = NAMED.find(([which]) => which.test(wordsOf(name)));
  return named && { middle: named[1], swing: named[2] };
}

/**
 * The same inside the bounds of a point. What is usual elsewhere and impossible here is replaced by the middle of what is possible:
 * an unknown quantity from 0 to 14 is around 7.
 */
export function within(wave: Wave | undefined, low: number, high: number): Wave {
  const { middle, swing } = wave ?? UNKNOWN;
  const fits = middle - swing >= low && middle + swing <= high;
  if (fits || !Number.isFinite(high - low)) return { middle, swing };
  return { middle: (low + high) / 2, swing: (high - low) / 10 };
}
