/**
 * UTC from the sentences of a GPS (NMEA 0183). RMC says itself whether it has a fix. ZDA does not, so it counts only while
 * the newest other sentence had one: without a fix a receiver gives the time of its own small clock, or any.
 */
import { readSentence } from './nmea-sentence.ts';
import { fullYear, momentOf } from './nmea-utc.ts';

/** Mode of RMC: autonomous, differential, precise, RTK. The others are guessed, typed in or simulated. */
const MODES = ['A', 'D', 'P', 'R', 'F'];
/** The fields that say whether there is a fix, and how. */
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

  /** @returns UTC ms that the sentence gives, with a fix; undefined for all others */
  push(frame: Uint8Array): number | undefined {
    const sentence = readSentence(frame);
    if (sentence.kind !== 'sentence') return undefined;
    const { id, parts } = sentence;
    const says = FIX[id];
    if (says !== undefined) this.#fix = says(parts);
    if (id === 'RMC') {
      const [, time = '', status, , , , , , , date = '', , , mode = ''] = parts;
      this.#fix = status === 'A' && (mode === '' || MODES.includes(mode));
      if (!this.#fix || !/^\d{6}$/.test(date)) return undefined;
      return momentOf(time, fullYear(date.slice(4)), date.slice(2, 4), date.slice(0, 2))?.utc;
    }
    const [, time = '', day = '', month = '', year = ''] = parts;
    return id === 'ZDA' && this.#fix ? momentOf(time, year, month, day)?.utc : undefined;
  }
}
