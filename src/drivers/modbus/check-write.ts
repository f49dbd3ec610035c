/** Rules between the keys of `write:`, and between them and their point. */
import { encodePoint } from '../../codecs/modbus-encode.ts';
import type { ModbusPoint, SafeRule } from '../../codecs/modbus-point.ts';
import { valueToWrite } from '../../codecs/modbus-value.ts';
import type { Around, ResolvedDevice } from '../../config/kinds.ts';
import { toError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
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

/** A scale factor is in the device, so what it does to a value shows only when it is written. @returns why a value may not be written */
export function valueFault(device: ResolvedDevice, point: string, value: Value): string | undefined {
  const p = device.points.get(point) as ModbusPoint | undefined;
  if (p?.write === undefined) return 'it may not be written';
  try {
    const checked = valueToWrite(p, value);
    if (p.scaleFactor === undefined) encodePoint(p, checked);
    return undefined;
  } catch (thrown) {
    return toError(thrown).message;
  }
}
