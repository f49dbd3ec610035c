/** The table of payload formats. A new format is one file here and one line in TABLE; schemas take their names from it. */
import { SluiceError } from '../core/errors.ts';
import { compressed, isCompression } from './compress.ts';
import type { Batch, Encoded, FormatOptions, PayloadFormat } from './format.ts';
import { columns } from './format-columns.ts';
import { json, markedJson } from './format-json.ts';
import { lineProtocol } from './format-line-protocol.ts';
import { senml } from './format-senml.ts';
import { sparkplugB } from './format-sparkplug-b.ts';
import { thingsboard } from './format-thingsboard.ts';

const TABLE: readonly PayloadFormat[] = [json, markedJson, lineProtocol, senml, columns, thingsboard, sparkplugB];

export const FORMATS: ReadonlyMap<string, PayloadFormat> = new Map(TABLE.map((format) => [format.name, format]));

/** @throws SluiceError internal: schemas let no other name through */
export function formatNamed(name: string): PayloadFormat {
  const format = FORMATS.get(name);
  if (format === undefined) throw new SluiceError('internal', `the payload format ${name} is not registered`);
  return format;
}

/** The messages of a batch, compressed where the option `compress` says so. */
export function encodeBatch(format: PayloadFormat, batch: Batch, options: FormatOptions): readonly Encoded[] {
  const messages = format.encode(batch, options);
  const { compress } = options;
  if (!isCompression(compress)) return messages;
  return messages.map(({ to, payload }) => ({ to, payload: compressed(payload, compress) }));
}
