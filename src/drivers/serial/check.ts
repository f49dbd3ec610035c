/** Rules between the keys of a point that is read from a decoded frame, whatever brought the frame. */
import { NMEA_FIELDS } from '../../codecs/serial/nmea.ts';
import { infoOf, sourceOf } from '../../codecs/serial/point-groups.ts';
import type { DecodeConfig, PointConfig } from '../../codecs/serial/types.ts';
import { reportFaults } from '../../config/report.ts';
import { type CountedPoint, counterFaults } from '../counter.ts';

/** A path relative to the point. */
type PointFault = readonly [keys: readonly string[], message: string];

export function countedPoint(name: string, point: PointConfig, decode?: DecodeConfig): CountedPoint {
  const { scale, offset, counter } = point;
  const field = decode?.type === 'binary' ? decode.fields[sourceOf(name, point)]?.type : undefined;
  const bits = /^u?int(8|16|32)$/.exec(field ?? '')?.[1];
  const of = { info: infoOf(name, point), scale, offset, counter };
  if (field !== undefined && bits !== undefined)
    return { ...of, capacity: 2 ** (Number(bits) - (field.startsWith('u') ? 0 : 1)), holder: field };
  return { ...of, capacity: point.type === 'int64' ? 2 ** 63 : undefined, holder: point.type };
}

/** @param counted all points of the device */
export function* pointFaults(
  name: string,
  point: PointConfig,
  decode: DecodeConfig,
  counted: readonly CountedPoint[],
): Generator<PointFault> {
  const number = point.enum === undefined && (point.type === 'float64' || point.type === 'int64');
  const kind = point.enum === undefined ? point.type : 'label';
  if (!number)
    for (const key of ['scale', 'offset', 'range'] as const)
      if (point[key] !== undefined) yield [[key], `\`${key}\` is for numbers, and this point is a ${kind}`];
  for (const [key, message] of reportFaults(point.report, number))
    yield [['report', ...(key === undefined ? [] : [key])], message];
  for (const [key, message] of counterFaults(countedPoint(name, point, decode), counted))
    yield [['counter', ...(key === undefined ? [] : [key])], message];
  yield* sourceFaults(name, point, decode);
}

function* sourceFaults(name: string, point: PointConfig, decode: DecodeConfig): Generator<PointFault> {
  const from = sourceOf(name, point);
  const at = (message: string): PointFault => [['from'], message];
  switch (decode.type) {
    case 'binary':
      if (!Object.hasOwn(decode.fields, from))
        yield at(`there is no field ${from} in \`decode.fields\`: it has ${Object.keys(decode.fields).join(', ') || 'none'}`);
      return;
    case 'csv':
      if (decode.columns && !decode.header && !decode.columns.includes(from) && !/^\d+$/.test(from))
        yield at(`there is no column ${from}: \`decode.columns\` has ${decode.columns.join(', ')}`);
      if (!decode.columns && !decode.header && !/^\d+$/.test(from))
        yield at('the column is missing; write its number (from: 0), or name the columns in `decode.columns`');
      return;
    case 'regex':
      if (!decode.pattern.includes(`(?<${from}>`))
        yield at(`the pattern has no group ${from}: write (?<${from}>…) around what is its value`);
      return;
    case 'nmea': {
      const [sentence = '', field = ''] = from.split('.');
      const known = NMEA_FIELDS.get(sentence);
      if (known === undefined)
        yield at(`write SENTENCE.field, for example GGA.latitude; sentences: ${[...NMEA_FIELDS.keys()].join(', ')}`);
      else if (!known.includes(field)) yield at(`${sentence} has no field ${field}: it has ${known.join(', ')}`);
      return;
    }
    case 'text':
      if (point.from !== undefined) yield at('the whole text is the value, so there is no field; remove this key');
      return;
    case 'json':
    case 'key-value':
      return;
  }
}
