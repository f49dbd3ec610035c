/** NMEA sentences for the simulator: numbers of any sentence, and position, time, date and status of GGA and RMC. */
import type { Value } from '../../core/point.ts';
import { FIXES, nmeaNumberIndex } from './nmea.ts';
import { nmeaChecksum } from './nmea-sentence.ts';

/** Comma fields of each sentence, the address included. */
const LENGTHS: Readonly<Record<string, number>> = { GGA: 15, RMC: 13, VTG: 10, HDT: 3, HDM: 3, HDG: 6, MWV: 6, DBT: 7, GSA: 18 };
const LETTERS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  GGA: { 10: 'M', 12: 'M' },
  RMC: { 12: 'A' },
  VTG: { 2: 'T', 4: 'M', 6: 'N', 8: 'K', 9: 'A' },
  HDT: { 2: 'T' },
  HDM: { 2: 'M' },
  MWV: { 2: 'R', 4: 'M', 5: 'A' },
  DBT: { 2: 'f', 4: 'M', 6: 'F' },
  GSA: { 1: 'A', 2: '3' },
};

/**
 * One sentence for each that `raw` names (`GGA.latitude` -> value), without terminator. Sentences and fields that cannot
 * be spoken are left out.
 * @param now wall time in milliseconds
 */
export function encodeNmea(raw: ReadonlyMap<string, Value>, now: number): string[] {
  const groups = Map.groupBy(raw, ([from]) => from.split('.')[0] ?? '');
  const sentences: string[] = [];
  for (const [id, entries] of groups) {
    const length = LENGTHS[id];
    if (length === undefined) continue;
    const parts = Array.from({ length }, (_, i) => LETTERS[id]?.[i] ?? '');
    parts[0] = `GP${id}`;
    setTime(id, parts, now);
    for (const [from, value] of entries) setField(id, parts, from.slice(id.length + 1), value);
    const body = parts.join(',');
    sentences.push(`$${body}*${nmeaChecksum(body)}`);
  }
  return sentences;
}

function setTime(id: string, parts: string[], now: number): void {
  const [date = '', time = ''] = new Date(now).toISOString().replace('Z', '').split('T');
  if (id === 'GGA' || id === 'RMC') parts[1] = time.replaceAll(':', '').slice(0, 9);
  if (id === 'GGA') parts[6] = '1';
  if (id !== 'RMC') return;
  const [year = '', month, day] = date.split('-');
  parts[2] = 'A';
  parts[9] = `${day}${month}${year.slice(2)}`;
}

function setField(id: string, parts: string[], field: string, value: Value): void {
  const first = id === 'GGA' ? 2 : id === 'RMC' ? 3 : undefined;
  if (first !== undefined && field === 'latitude') [parts[first], parts[first + 1]] = angle(Number(value), 2, 'NS');
  else if (first !== undefined && field === 'longitude') [parts[first + 2], parts[first + 3]] = angle(Number(value), 3, 'EW');
  else if (id === 'GGA' && field === 'fix') parts[6] = String(Math.max(0, FIXES.indexOf(String(value))));
  else if (id === 'RMC' && field === 'valid') parts[2] = value === true ? 'A' : 'V';
  else {
    const index = nmeaNumberIndex(id, field);
    if (index !== undefined) parts[index] = String(field === 'satellites' ? Math.round(Number(value)) : value);
  }
}

/** Degrees and minutes with seven decimals (0.2 mm): `4916.4500000`. */
function angle(value: number, digits: number, signs: string): [string, string] {
  const units = Math.round(Math.abs(value) * 60e7);
  const degrees = Math.floor(units / 60e7);
  const minutes = ((units - degrees * 60e7) / 1e7).toFixed(7).padStart(10, '0');
  return [`${String(degrees).padStart(digits, '0')}${minutes}`, signs[value < 0 ? 1 : 0] as string];
}
