/**
 * The fields of NMEA 0183 sentences. An empty field is absent, one without its form is unparsable, and one that cannot be
 * (the 31st of February, minutes of 75) is invalid: a reading is good only when the sentence really says it.
 */
import { readSentence } from './nmea-sentence.ts';
import { fullYear, momentOf, TIME_FORM, timeWords } from './nmea-utc.ts';
import type { Decoded, Decoder, Field } from './types.ts';
import { INVALID, REFUSED, UNPARSABLE } from './types.ts';

interface NmeaField {
  /** Comma fields of the sentence (0 is `$GPGGA`) that must not be empty, each with its form. */
  readonly parts: readonly (readonly [index: number, form: RegExp])[];
  /** Is called with parts that have their form. @returns undefined for what cannot be */
  read(parts: readonly string[]): string | number | boolean | undefined;
  /** The value means nothing while the receiver has no fix. */
  readonly needsFix?: true;
}
type Fields = Readonly<Record<string, NmeaField>>;

interface Layout {
  readonly fields: Fields;
  /** Comma fields, the address included; a sentence with fewer was cut off. */
  readonly least: number;
  /** The comma field that says that there is no fix, and its value. */
  readonly noFix?: readonly [index: number, value: string];
  /** Another form of the sentence in the order of this one. */
  arrange?(parts: readonly string[]): readonly string[];
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)$/;
const COUNT = /^\d+$/;
const LATITUDE = /^\d{3,4}(?:\.\d*)?$/;
const LONGITUDE = /^\d{3,5}(?:\.\d*)?$/;
const DATE = /^\d{6}$/;
/** The names of the fix of GGA, by its number. */
export const FIXES = ['none', 'fix', 'delta', 'pps', 'rtk', 'frtk', 'estimated', 'manual', 'simulation'];

const number = (index: number, form = NUMBER): NmeaField => ({ parts: [[index, form]], read: (p) => Number(p[index]) });
const text = (index: number, form = /./): NmeaField => ({ parts: [[index, form]], read: (p) => p[index] });
const flag = (index: number): NmeaField => ({ parts: [[index, /^[AV]$/]], read: (p) => p[index] === 'A' });
const time = (index: number): NmeaField => ({ parts: [[index, TIME_FORM]], read: (p) => timeWords(p[index] ?? '') });
const fix = (field: NmeaField): NmeaField => ({ ...field, needsFix: true });
/** A number and the letter of its direction. */
const directed = (index: number, letters: RegExp, read: NmeaField['read']): NmeaField => ({
  parts: [
    [index, NUMBER],
    [index + 1, letters],
  ],
  read,
});
/** East counts positive. */
const eastward = (index: number): NmeaField =>
  directed(index, /^[EW]$/, (p) => (p[index + 1] === 'W' ? -Number(p[index]) : Number(p[index])));

function position(first: number): Readonly<Record<'latitude' | 'longitude', NmeaField>> {
  const angle = (index: number, form: RegExp, letters: RegExp, limit: number): NmeaField => ({
    parts: [
      [index, form],
      [index + 1, letters],
    ],
    read: (p) => degrees(p[index] ?? '', limit, /[SW]/.test(p[index + 1] ?? '')),
    needsFix: true,
  });
  return { latitude: angle(first, LATITUDE, /^[NS]$/, 90), longitude: angle(first + 2, LONGITUDE, /^[EW]$/, 180) };
}

/** @param angle degrees and two digits of minutes. To 1e-8 (a millimetre): what follows is the dust of dividing minutes by 60. */
function degrees(angle: string, limit: number, negative: boolean): number | undefined {
  const [whole = ''] = angle.split('.');
  const minutes = Number(angle.slice(whole.length - 2));
  const value = Number(whole.slice(0, -2)) + minutes / 60;
  return minutes < 60 && value <= limit ? Number((negative ? -value : value).toFixed(8)) : undefined;
}

const GGA: Fields = {
  time: time(1),
  ...position(2),
  fix: { parts: [[6, /^[0-8]$/]], read: (p) => FIXES[Number(p[6])] },
  satellites: number(7, COUNT),
  hdop: number(8),
  altitude: fix(number(9)),
  geoidalSeparation: number(11),
  differentialAge: number(13),
};
const RMC: Fields = {
  time: time(1),
  dateTime: {
    parts: [
      [1, TIME_FORM],
      [9, DATE],
    ],
    read: ([, clock = '', , , , , , , , date = '']) =>
      momentOf(clock, fullYear(date.slice(4)), date.slice(2, 4), date.slice(0, 2))?.words,
  },
  valid: flag(2),
  ...position(3),
  speed: fix(number(7)),
  track: fix(number(8)),
  variation: eastward(10),
};
const GLL: Fields = { ...position(1), time: time(5), valid: flag(6) };
const GNS: Fields = {
  time: time(1),
  ...position(2),
  mode: text(6),
  satellites: number(7, COUNT),
  hdop: number(8),
  altitude: number(9),
};
const GSA: Fields = {
  fix: { parts: [[2, /^[1-3]$/]], read: (p) => ['none', '2D', '3D'][Number(p[2]) - 1] },
  satellites: { parts: [[2, /^[1-3]$/]], read: (p) => p.slice(3, 15).filter((part) => part !== '').length },
  pdop: number(15),
  hdop: number(16),
  vdop: number(17),
};
const VTG: Fields = { track: number(1), trackMagnetic: number(3), speed: number(5), speedKmh: number(7) };
const ZDA: Fields = {
  dateTime: {
    parts: [
      [1, TIME_FORM],
      [2, /^\d\d$/],
      [3, /^\d\d$/],
      [4, /^\d{4}$/],
    ],
    read: ([, clock = '', day = '', month = '', year = '']) => momentOf(clock, year, month, day)?.words,
  },
};
const HDG: Fields = { heading: number(1), deviation: eastward(2), variation: eastward(4) };
const MWV: Fields = {
  angle: fix(number(1)),
  reference: { parts: [[2, /^[RT]$/]], read: (p) => (p[2] === 'R' ? 'relative' : 'true') },
  speed: fix(number(3)),
  speedUnit: text(4, /^[KMNS]$/),
  valid: flag(5),
};
const DBT: Fields = { depthFeet: number(1), depth: number(3), depthFathoms: number(5) };

/** Before NMEA 2.0 no letters followed the four numbers of VTG. */
function arrangeVtg(parts: readonly string[]): readonly string[] {
  const [address = '', track = '', magnetic = '', knots = '', kmh = '', ...more] = parts;
  return more.length > 0 || magnetic === 'T' ? parts : [address, track, 'T', magnetic, 'M', knots, 'N', kmh, 'K'];
}

const LAYOUTS: ReadonlyMap<string, Layout> = new Map<string, Layout>([
  ['GGA', { fields: GGA, least: 10, noFix: [6, '0'] }],
  ['RMC', { fields: RMC, least: 10, noFix: [2, 'V'] }],
  ['GLL', { fields: GLL, least: 5, noFix: [6, 'V'] }],
  ['GNS', { fields: GNS, least: 10, noFix: [6, 'N'] }],
  ['GSA', { fields: GSA, least: 18 }],
  ['GSV', { fields: { satellites: number(3, COUNT) }, least: 4 }],
  ['VTG', { fields: VTG, least: 5, arrange: arrangeVtg }],
  ['ZDA', { fields: ZDA, least: 5 }],
  ['HDT', { fields: { heading: number(1) }, least: 2 }],
  ['HDM', { fields: { heading: number(1) }, least: 2 }],
  ['HDG', { fields: HDG, least: 2 }],
  ['MWV', { fields: MWV, least: 6, noFix: [5, 'V'] }],
  ['DBT', { fields: DBT, least: 5 }],
]);

/** The possible values of `from: GGA.latitude`: sentence -> its fields. */
export const NMEA_FIELDS: ReadonlyMap<string, readonly string[]> = new Map(
  Array.from(LAYOUTS, ([id, { fields }]) => [id, Object.keys(fields)]),
);

/** Which comma field (0 is `$GPGGA`) holds this field as a plain number; undefined: none does. */
export function nmeaNumberIndex(id: string, field: string): number | undefined {
  const [part, ...more] = LAYOUTS.get(id)?.fields[field]?.parts ?? [];
  return part !== undefined && more.length === 0 && (part[1] === NUMBER || part[1] === COUNT) ? part[0] : undefined;
}

export class NmeaDecoder implements Decoder {
  private readonly wanted: ReadonlySet<string>;

  /** @param wanted sentences that points ask for */
  constructor(wanted: Iterable<string>) {
    this.wanted = new Set(wanted);
  }

  decode(frame: Uint8Array): Decoded {
    const sentence = readSentence(frame);
    if (sentence.kind === 'damaged') return { kind: 'refused', cause: sentence.cause };
    if (sentence.kind === 'proprietary' || !this.wanted.has(sentence.id)) return { kind: 'other' };
    const { id } = sentence;
    const layout = LAYOUTS.get(id);
    if (layout === undefined) return { kind: 'other' };
    if (sentence.parts.length < layout.least) return REFUSED;
    const parts = layout.arrange?.(sentence.parts) ?? sentence.parts;
    const [statusAt = -1, noFix] = layout.noFix ?? [];
    const blind = statusAt >= 0 && (parts[statusAt] ?? '').replaceAll(/N+/g, 'N') === noFix;
    return {
      kind: 'fields',
      group: id,
      get: (from) => {
        const name = from.slice(id.length + 1);
        const field = Object.hasOwn(layout.fields, name) ? layout.fields[name] : undefined;
        return field && take(field, parts, blind);
      },
    };
  }
}

function take(field: NmeaField, parts: readonly string[], blind: boolean): Field {
  for (const [index, form] of field.parts) {
    const part = parts[index] ?? '';
    if (part === '') return undefined;
    if (!form.test(part)) return UNPARSABLE;
  }
  return field.needsFix && blind ? INVALID : (field.read(parts) ?? INVALID);
}
