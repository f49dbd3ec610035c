/** A recording in JSON lines: an export of the log, one record a line. */
import { GOOD } from '../../core/reasons.ts';
import { jsonValue, qualityCell, shown } from './cells.ts';
import { atLine, type Line } from './lines.ts';
import type { Recorded, RecordedSample, Wanted } from './recording.ts';

type Fields = Readonly<Record<string, unknown>>;
const isFields = (found: unknown): found is Fields => typeof found === 'object' && found !== null && !Array.isArray(found);

/** @throws SluiceError recording */
export async function* jsonSamples(lines: AsyncIterable<readonly Line[]>, wanted: Wanted): AsyncGenerator<RecordedSample> {
  const order = new Order();
  for await (const batch of lines)
    for (const { text, number } of batch) if (text.trim() !== '') yield sampleOf(text, number, wanted, order);
}

function sampleOf(text: string, line: number, wanted: Wanted, order: Order): RecordedSample {
  const record = parsed(text, line);
  const { device, time, values = {}, bad = {}, uncertain = {}, boot, clock } = record;
  if ('min' in record && 'mean' in record)
    throw atLine(line, 'these are minima, means and maxima (--every). Rules need the readings: export without --every');
  if (typeof device !== 'string') throw atLine(line, 'it has no "device": write a record as `sluice export --format jsonl` does');
  if (typeof time !== 'number' || !Number.isFinite(time) || Math.abs(time) > 8.64e15)
    throw atLine(line, 'its "time" is no number of UTC milliseconds');
  for (const [key, part] of Object.entries({ values, bad, uncertain }))
    if (!isFields(part)) throw atLine(line, `its "${key}" is no object of points`);
  const found = new Map<string, Recorded>();
  for (const [name, value] of Object.entries(values as Fields)) {
    const point = wanted.get(`${device}.${name}`);
    if (point === undefined) continue;
    const doubt = Object.hasOwn(uncertain as Fields, name) ? (uncertain as Fields)[name] : undefined;
    const read = jsonValue(value, point, line);
    const reason = read.reason || (doubt === undefined ? GOOD : qualityCell('uncertain', String(doubt), line));
    found.set(name, { device, point: name, value: read.value, reason });
  }
  for (const [name, why] of Object.entries(bad as Fields))
    if (wanted.has(`${device}.${name}`))
      found.set(name, { device, point: name, value: undefined, reason: qualityCell('bad', shown(String(why)), line) });
  return {
    ...{ time, line, boot: typeof boot === 'string' ? boot : undefined, estimated: clock === 'estimated' },
    readings: order.sorted(device, found),
  };
}

function parsed(text: string, line: number): Fields {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw atLine(line, 'it is no JSON. A recording is CSV, or one JSON record a line');
  }
  if (!isFields(found))
    throw atLine(line, 'it is no JSON object. Write one record a line, as `sluice export --format jsonl` does');
  return found;
}

/** JSON keeps bad readings apart, but rules look at the points of a record in their order. Bound: the wanted points. */
class Order {
  readonly #places = new Map<string, Map<string, number>>();

  sorted(device: string, found: ReadonlyMap<string, Recorded>): Recorded[] {
    if (found.size <= 1) return [...found.values()];
    let places = this.#places.get(device);
    if (places === undefined) {
      places = new Map();
      this.#places.set(device, places);
    }
    for (const name of found.keys()) if (!places.has(name)) places.set(name, places.size);
    return [...found.values()].sort((a, b) => (places.get(a.point) ?? 0) - (places.get(b.point) ?? 0));
  }
}
