/**
 * UTC from the sentences of a GPS (NMEA 0183). RMC says itself whether it has a fix; ZDA does not, and counts only while
 * the newest other sentence said so: without one a receiver tells the time of its own small clock, or any.
 */
import { nmeaChecksum } from './nmea.ts';
import { decodeText } from './text.ts';

const TIME = /^(\d\d)(\d\d)(\d\d)(\.\d+)?$/;
/** Mode of RMC: autonomous, differential, precise, RTK. The others are guessed, typed in or simulated. */
const MODES = ['A', 'D', 'P', 'R', 'F'];
/** What says whether there is a fix, and how. */
const FIX: Readonly<Record<string, (parts: readonly string[]) => boolean>> = {
  GGA: (p) => /^[1-5]$/.test(p[6] ?? ''),
  GLL: (p) => p[6] === 'A',
  GNS: (p) => /[ADPRF]/.test(p[6] ?? ''),
};

export const NMEA_TIME_SENTENCES = ['RMC', 'ZDA'];
/** Sentences that a receiver sends which also sends one of those. */
export const NMEA_GPS_SENTENCES = [...NMEA_TIME_SENTENCES, ...Object.keys(FIX), 'GSA', 'GSV'];

export class NmeaTime {
  #fix = false;

  /** @returns UTC ms that the sentence tells, with a fix; undefined for all others */
  push(frame: Uint8Array): number | undefined {
    const [, body, checksum] = /^\$([\x20-\x7e]{5,250}?)\*([0-9A-Fa-f]{2})\s*$/.exec(decodeText(frame)) ?? [];
    if (body === undefined || checksum === undefined || nmeaChecksum(body) !== checksum.toUpperCase()) return undefined;
    const [, id = ''] = /^[A-Z]{2}([A-Z]{3}),/.exec(body) ?? [];
    const parts = body.split(',');
    const says = FIX[id];
    if (says !== undefined) this.#fix = says(parts);
    if (id === 'RMC') {
      this.#fix = parts[2] === 'A' && (parts[12] === undefined || parts[12] === '' || MODES.includes(parts[12]));
      const [, day, month, year] = /^(\d\d)(\d\d)(\d\d)$/.exec(parts[9] ?? '') ?? [];
      // Two digits of a year: nothing that runs this was made before 2000.
      return this.#fix ? utc(parts[1], `20${year}`, month, day) : undefined;
    }
    return id === 'ZDA' && this.#fix ? utc(parts[1], parts[4], parts[3], parts[2]) : undefined;
  }
}

function utc(time = '', year = '', month = '', day = ''): number | undefined {
  const [, h, m, s, fraction] = TIME.exec(time) ?? [];
  if (s === undefined || !/^\d{4}$/.test(year) || !/^\d\d$/.test(month) || !/^\d\d$/.test(day)) return undefined;
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // A day that the month does not have would roll over into the next one, a month of none into another year.
  if (new Date(date).toISOString().slice(0, 10) !== `${year}-${month}-${day}`) return undefined;
  if (Number(h) > 23 || Number(m) > 59 || Number(s) > 60) return undefined;
  return date + Number(h) * 3_600_000 + Number(m) * 60_000 + Number(s) * 1000 + Math.round(Number(fraction ?? 0) * 1000);
}
