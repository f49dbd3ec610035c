/** The table of payload formats. A new format is one file here and one line in TABLE; schemas take their names from it. */
import { SluiceError } from '../core/errors.ts';
import type { PayloadFormat } from './format.ts';
import { json } from './format-json.ts';

const TABLE: readonly PayloadFormat[] = [json];

export const FORMATS: ReadonlyMap<string, PayloadFormat> = new Map(TABLE.map((format) => [format.name, format]));

/** @throws SluiceError internal: schemas let no other name through */
export function formatNamed(name: string): PayloadFormat {
  const format = FORMATS.get(name);
  if (format === undefined) throw new SluiceError('internal', `the payload format ${name} is not registered`);
  return format;
}
