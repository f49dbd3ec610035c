/** Golden folders of payload formats: `batch.json` is the input of all of them. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Batch, FormatOptions } from '../../src/codecs/format.ts';
import type { LogRecord, Shape, Value } from '../../src/core/point.ts';
import { ABSENT, type ReasonName, reasonCode } from '../../src/core/reasons.ts';

interface Written extends Omit<Batch, 'lane' | 'records'> {
  readonly options?: FormatOptions;
  readonly shapes: readonly Shape[];
  readonly records: readonly {
    readonly seq: number;
    readonly shape: number;
    readonly at: number;
    readonly values: readonly (number | boolean | string)[];
    readonly reasons?: readonly string[];
  }[];
}

export interface FormatCase {
  readonly name: string;
  readonly batch: Batch;
  readonly options: FormatOptions;
  /** The text of a file of the case. */
  readonly read: (file: string) => string;
  readonly file: (file: string) => string;
}

const reasonOf = (name: string) => (name === '' ? 0 : name === 'absent' ? ABSENT : reasonCode(name as ReasonName));

function recordOf(shapes: readonly Shape[], { seq, shape: index, at, values, reasons }: Written['records'][number]): LogRecord {
  const shape = shapes[index] as Shape;
  const typed = values.map((v, i): Value => {
    const { storage } = shape.points[i] as Shape['points'][number];
    if (storage === 'integer64') return BigInt(v as string);
    return storage === 'number' ? Number(v) : v;
  });
  return {
    seq,
    sample: { shape, at, values: typed, reasons: reasons === undefined ? null : Uint8Array.from(reasons, reasonOf) },
  };
}

/** All cases of a format. */
export function formatCases(format: string): FormatCase[] {
  const folder = path.join(import.meta.dirname, '../cases/formats', format);
  return readdirSync(folder).map((name) => {
    const file = (of: string) => path.join(folder, name, of);
    const read = (of: string) => readFileSync(file(of), 'utf8');
    const { shapes, records, options = {}, ...head } = JSON.parse(read('batch.json')) as Written;
    return { name, options, read, file, batch: { lane: 'data', ...head, records: records.map((r) => recordOf(shapes, r)) } };
  });
}
