/**
 * NMEA 0183 through nmea-simple. The library reads an empty field as 0 and a latitude without a point as 0, and it takes
 * sentences without a checksum in some factories, so presence, form and checksum are judged here, before its word counts.
 */
import type { Packet } from 'nmea-simple';
import nmea from 'nmea-simple';
import { decodeText } from './text.ts';
import type { Decoded, Decoder, Field } from './types.ts';
import { INVALID, REFUSED, UNPARSABLE } from './types.ts';

type PacketOf<S extends string> = Extract<Packet, { readonly sentenceId: S }>;

interface NmeaField<S extends string> {
  /** Comma fields of the sentence (0 is `$GPGGA`) that must not be empty, each with its form. */
  readonly parts: readonly (readonly [index: number, form: RegExp])[];
  pick(packet: PacketOf<S>, parts: readonly string[]): string | number | boolean;
  /** The value means nothing while the receiver has no fix. */
  readonly needsFix?: true;
}

const NUMBER = /^[+-]?\d+(\.\d*)?$/;
const COUNT = /^\d+$/;
const TIME = /^\d{6}(\.\d+)?$/;
const LATITUDE = /^\d{3,4}\.\d+$/;
const LONGITUDE = /^\d{3,5}\.\d+$/;
const DATE = /^\d{6}$/;

type Fields<S extends string> = Readonly<Record<string, NmeaField<S>>>;
type Parts = NmeaField<string>['parts'];
interface PositionField {
  readonly parts: Parts;
  pick(packet: { readonly latitude: number; readonly longitude: number }): number;
  readonly needsFix: true;
}

const clock = (time: string) => `${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}`;
const number = <S extends string>(index: number, pick: (packet: PacketOf<S>) => number | undefined): NmeaField<S> => ({
  parts: [[index, NUMBER]],
  pick: (packet) => pick(packet) ?? Number.NaN,
});
const text = <S extends string>(index: number, pick: (packet: PacketOf<S>) => string | undefined): NmeaField<S> => ({
  parts: [[index, /./]],
  pick: (packet) => pick(packet) ?? '',
});
const flag = <S extends string>(index: number): NmeaField<S> => ({
  parts: [[index, /^[AV]$/]],
  pick: (_, parts) => parts[index] === 'A',
});
const time = <S extends string>(index: number): NmeaField<S> => ({
  parts: [[index, TIME]],
  pick: (_, parts) => clock(parts[index] ?? ''),
});
const fix = <S extends string>(field: NmeaField<S>): NmeaField<S> => ({ ...field, needsFix: true });

function position(first: number): Readonly<Record<'latitude' | 'longitude', PositionField>> {
  const latitude: Parts = [
    [first, LATITUDE],
    [first + 1, /^[NS]$/],
  ];
  const longitude: Parts = [
    [first + 2, LONGITUDE],
    [first + 3, /^[EW]$/],
  ];
  return {
    latitude: { parts: latitude, pick: (p) => degrees(p.latitude, 90), needsFix: true },
    longitude: { parts: longitude, pick: (p) => degrees(p.longitude, 180), needsFix: true },
  };
}

/** Degrees to 1e-8 (a millimetre): what follows is the dust of dividing minutes by 60. */
function degrees(value: number, limit: number): number {
  return Math.abs(value) <= limit ? Number(value.toFixed(8)) : Number.NaN;
}

/** East and north count positive. */
const signed = (value: number, direction: string) => (direction === 'W' ? -value : value);

const GGA: Fields<'GGA'> = {
  time: time(1),
  ...position(2),
  fix: { parts: [[6, /^[0-8]$/]], pick: (p) => p.fixType },
  satellites: { parts: [[7, COUNT]], pick: (p) => p.satellitesInView },
  hdop: number(8, (p) => p.horizontalDilution),
  altitude: fix(number(9, (p) => p.altitudeMeters)),
  geoidalSeparation: number(11, (p) => p.geoidalSeperation),
  differentialAge: number(13, (p) => p.differentialAge),
};
const RMC: Fields<'RMC'> = {
  time: time(1),
  dateTime: {
    parts: [
      [1, TIME],
      [9, DATE],
    ],
    // The time to the digit that was sent; the library keeps hundredths only when there are exactly two.
    pick: (p, parts) => `${p.datetime.toISOString().slice(0, 10)}T${clock(parts[1] ?? '')}Z`,
  },
  valid: flag(2),
  ...position(3),
  speed: fix(number(7, (p) => p.speedKnots)),
  track: fix(number(8, (p) => p.trackTrue)),
  variation: {
    parts: [
      [10, NUMBER],
      [11, /^[EW]$/],
    ],
    pick: (p) => signed(p.variation, p.variationPole),
  },
};
const GLL: Fields<'GLL'> = { ...position(1), time: time(5), valid: flag(6) };
const GNS: Fields<'GNS'> = {
  time: time(1),
  ...position(2),
  mode: text(6, (p) => p.modeIndicator),
  satellites: { parts: [[7, COUNT]], pick: (p) => p.satellitesInView },
  hdop: number(8, (p) => p.horizontalDilution),
  altitude: number(9, (p) => p.altitudeMeters),
};
const GSA: Fields<'GSA'> = {
  fix: { parts: [[2, /^[1-3]$/]], pick: (p) => p.fixMode },
  satellites: { parts: [[2, /^[1-3]$/]], pick: (p) => p.satellites.length },
  pdop: number(15, (p) => p.PDOP),
  hdop: number(16, (p) => p.HDOP),
  vdop: number(17, (p) => p.VDOP),
};
const GSV: Fields<'GSV'> = { satellites: { parts: [[3, COUNT]], pick: (p) => p.satellitesInView } };
const VTG: Fields<'VTG'> = {
  track: number(1, (p) => p.trackTrue),
  trackMagnetic: number(3, (p) => p.trackMagnetic),
  speed: number(5, (p) => p.speedKnots),
  speedKmh: number(7, (p) => p.speedKmph),
};
const ZDA: Fields<'ZDA'> = {
  dateTime: {
    parts: [
      [1, TIME],
      [2, /^(0[1-9]|[12]\d|3[01])$/],
      [3, /^(0[1-9]|1[0-2])$/],
      [4, /^\d{4}$/],
    ],
    pick: (_, parts) => `${parts[4]}-${parts[3]}-${parts[2]}T${clock(parts[1] ?? '')}Z`,
  },
};
const HDT: Fields<'HDT'> = { heading: number(1, (p) => p.heading) };
const HDM: Fields<'HDM'> = { heading: number(1, (p) => p.heading) };
const HDG: Fields<'HDG'> = {
  heading: number(1, (p) => p.heading),
  deviation: {
    parts: [
      [2, NUMBER],
      [3, /^[EW]$/],
    ],
    pick: (p) => signed(p.deviation, p.deviationDirection),
  },
  variation: {
    parts: [
      [4, NUMBER],
      [5, /^[EW]$/],
    ],
    pick: (p) => signed(p.variation, p.variationDirection),
  },
};
const MWV: Fields<'MWV'> = {
  angle: fix(number(1, (p) => p.windAngle)),
  reference: text(2, (p) => p.reference),
  speed: fix(number(3, (p) => p.speed)),
  speedUnit: text(4, (p) => p.units),
  valid: flag(5),
};
const DBT: Fields<'DBT'> = {
  depthFeet: number(1, (p) => p.depthFeet),
  depth: number(3, (p) => p.depthMeters),
  depthFathoms: number(5, (p) => p.depthFathoms),
};

type AnyField = Omit<NmeaField<string>, 'pick'> & { pick(packet: Packet, parts: readonly string[]): string | number | boolean };

/** The fields of one sentence among those of all. */
function sentence<S extends string>(id: S, fields: Fields<S>): [string, Readonly<Record<string, AnyField>>] {
  const isMine = (packet: Packet): packet is PacketOf<S> => packet.sentenceId === id;
  const wrap = (field: NmeaField<S>): AnyField => ({
    ...field,
    pick: (packet, parts) => (isMine(packet) ? field.pick(packet, parts) : Number.NaN),
  });
  return [id, Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, wrap(field)]))];
}

const SENTENCES = new Map([
  sentence('GGA', GGA),
  sentence('RMC', RMC),
  sentence('GLL', GLL),
  sentence('GNS', GNS),
  sentence('GSA', GSA),
  sentence('GSV', GSV),
  sentence('VTG', VTG),
  sentence('ZDA', ZDA),
  sentence('HDT', HDT),
  sentence('HDM', HDM),
  sentence('HDG', HDG),
  sentence('MWV', MWV),
  sentence('DBT', DBT),
]);

/** What `from: GGA.latitude` may be: sentence -> its fields. */
export const NMEA_FIELDS: ReadonlyMap<string, readonly string[]> = new Map(
  Array.from(SENTENCES, ([id, fields]) => [id, Object.keys(fields)]),
);

/** Which comma field (0 is `$GPGGA`) holds this field as a plain number; undefined: none does. */
export function nmeaNumberIndex(id: string, field: string): number | undefined {
  const [part, ...more] = SENTENCES.get(id)?.[field]?.parts ?? [];
  return part !== undefined && more.length === 0 && (part[1] === NUMBER || part[1] === COUNT) ? part[0] : undefined;
}

/** What says that there is no fix: the comma field and its value. */
const NO_FIX: Readonly<Record<string, readonly [number, string]>> = {
  GGA: [6, '0'],
  RMC: [2, 'V'],
  GLL: [6, 'V'],
  GNS: [6, 'N'],
  MWV: [5, 'V'],
};

/** The two hexadecimal digits after `*`: exclusive-or of what stands between `$` and `*`. */
export function nmeaChecksum(body: string): string {
  let value = 0;
  for (let i = 0; i < body.length; i++) value ^= body.charCodeAt(i);
  return value.toString(16).toUpperCase().padStart(2, '0');
}

export class NmeaDecoder implements Decoder {
  private readonly wanted: ReadonlySet<string>;

  /** @param wanted sentences that points ask for */
  constructor(wanted: Iterable<string>) {
    this.wanted = new Set(wanted);
  }

  decode(frame: Uint8Array): Decoded {
    const line = decodeText(frame);
    const [, body, checksum] = /^\$([\x20-\x7e]{5,250}?)\*([0-9A-Fa-f]{2})\s*$/.exec(line) ?? [];
    if (body === undefined || checksum === undefined) return REFUSED;
    if (nmeaChecksum(body) !== checksum.toUpperCase()) return { kind: 'refused', cause: 'crc' };
    const [, id] = /^[A-Z]{2}([A-Z]{3}),/.exec(body) ?? [];
    const fields = id === undefined ? undefined : SENTENCES.get(id);
    if (id === undefined || fields === undefined || !this.wanted.has(id)) return { kind: 'other' };
    let packet: Packet;
    try {
      packet = nmea.parseNmeaSentence(`$${body}*${checksum.toUpperCase()}`);
    } catch {
      return REFUSED; // the library stumbles over sentences that end too early
    }
    const parts = body.split(',');
    const [statusAt = -1, noFix] = NO_FIX[id] ?? [];
    const blind = statusAt >= 0 && (parts[statusAt] ?? '').replaceAll(/N+/g, 'N') === noFix;
    return {
      kind: 'fields',
      group: id,
      get: (from) => {
        const name = from.slice(id.length + 1);
        const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
        return field && take(field, packet, parts, blind);
      },
    };
  }
}

function take(field: AnyField, packet: Packet, parts: readonly string[], blind: boolean): Field {
  for (const [index, form] of field.parts) {
    const part = parts[index] ?? '';
    if (part === '') return undefined;
    if (!form.test(part)) return UNPARSABLE;
  }
  if (field.needsFix && blind) return INVALID;
  try {
    const value = field.pick(packet, parts);
    return typeof value === 'number' && Number.isNaN(value) ? UNPARSABLE : value;
  } catch {
    return UNPARSABLE; // a date that does not exist
  }
}
