/** Rules between the keys of `write:`, and between them and their point. */
import { encodePoint } from '../../codecs/modbus-encode.ts';
import type { ModbusPoint, SafeRule } from '../../codecs/modbus-point.ts';
import { valueToWrite } from '../../codecs/modbus-value.ts';
import type { Around } from '../../config/kinds.ts';
import { toError } from '../../core/errors.ts';

type WriteFault = [keys: readonly string[], message: string];

/** Paths are relative to `write`. */
export function* writeFaults(p: ModbusPoint, number: boolean, around: Around | undefined): Generator<WriteFault> {
  const { write } = p;
  if (write === undefined) return;
  if (p.table === 'input' || p.table === 'discrete') {
    yield [[], `${p.table} can only be read`];
    return;
  }
  const { min, max, safe } = write;
  if (number && (min === undefined || max === undefined)) yield [[], 'a number needs both bounds; write: {min: …, max: …}'];
  if (!number && p.enum === undefined && (min !== undefined || max !== undefined))
    yield [[min === undefined ? 'max' : 'min'], 'only numbers and labels have bounds; write: {} is enough'];
  if (min !== undefined && max !== undefined && min > max) yield [[], 'min is above max'];
  else if (safe) yield* safeFaults(p, safe, around);
}

function* safeFaults(p: ModbusPoint, safe: SafeRule, around: Around | undefined): Generator<WriteFault> {
  try {
    const value = valueToWrite(p, safe.value);
    if (p.scaleFactor === undefined) encodePoint(p, value);
  } catch (thrown) {
    yield [['safe', 'value'], toError(thrown).message];
  }
  if (!safe.onStop && safe.offline === undefined)
    yield [['safe'], 'write when it is used: onStop: true, or offline: 10m, or both'];
  if (safe.offline !== undefined && around?.upstream === false)
    yield [['safe', 'offline'], 'there is no forwarder, so nothing can be offline; remove this key, or add a forwarder'];
}
