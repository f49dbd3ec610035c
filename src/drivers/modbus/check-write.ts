/** Rules between the keys of `write:`, and between them and their point. */
import { encodePoint } from '../../codecs/modbus-encode.ts';
import type { ModbusPoint, SafeRule } from '../../codecs/modbus-point.ts';
import { valueToWrite } from '../../codecs/modbus-value.ts';
import type { Around } from '../../config/kinds.ts';
import { toError } from '../../core/errors.ts';
import { boundFaults, safeUseFaults, type WriteFault } from '../write-schema.ts';

/** Paths are relative to `write`. */
export function* writeFaults(p: ModbusPoint, number: boolean, around: Around | undefined): Generator<WriteFault> {
  const { write } = p;
  if (write === undefined) return;
  if (p.table === 'input' || p.table === 'discrete') {
    yield [[], `${p.table} can only be read`];
    return;
  }
  yield* boundFaults(write, number ? 'number' : p.enum === undefined ? 'other' : 'label');
  const { min, max, safe } = write;
  if (safe !== undefined && !(min !== undefined && max !== undefined && min > max)) {
    yield* valueFaults(p, safe);
    yield* safeUseFaults(write, around);
  }
}

function* valueFaults(p: ModbusPoint, safe: SafeRule): Generator<WriteFault> {
  try {
    const value = valueToWrite(p, safe.value);
    if (p.scaleFactor === undefined) encodePoint(p, value);
  } catch (thrown) {
    yield [['safe', 'value'], toError(thrown).message];
  }
}
