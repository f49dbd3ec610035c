/** A planned read, put to where it is asked: as it stands, or from the start of a SunSpec model on. Pure. */
import type { DeviceMemory } from '../../codecs/modbus-memory.ts';
import { encodeRequest, type Pdu } from '../../codecs/modbus-pdu.ts';
import { widthOf } from '../../codecs/modbus-point.ts';
import { compileRequest } from '../../codecs/modbus-registers.ts';
import { HEAD, type SunspecModel } from '../../codecs/sunspec.ts';
import type { Sample, Shape } from '../../core/point.ts';
import type { ReasonName } from '../../core/reasons.ts';
import type { PlannedRead, ReadRequest } from './plan.ts';
import { requestLabel } from './words.ts';

export interface Placed {
  readonly request: ReadRequest;
  readonly pdu: Pdu;
  /** The request in words. */
  readonly label: string;
  readonly decode: (payload: Uint8Array, at: number) => Sample;
}

/** A read that is polled. A read of a model moves to the addresses where the model lies. */
export interface Movable {
  request: Placed['request'];
  pdu: Placed['pdu'];
  label: Placed['label'];
  decode: Placed['decode'];
  /** For a SunSpec device: the role of the model, and the points that are read where it lies. */
  readonly model?: { readonly role: string; readonly place: (model: SunspecModel) => Placed | undefined } | undefined;
  /** Why it cannot be asked: its device does not have what it reads. */
  lack?: ReasonName | undefined;
  /** The search after which it was put where it is. */
  search?: number;
}

/** A read at the addresses that it names. */
export function readAsIs(shape: Shape, read: PlannedRead, memory: DeviceMemory): Placed {
  return placedAt(shape, read, memory, 0, Number.POSITIVE_INFINITY);
}

/**
 * The read of a model. Its shape stays as it is: points that the model is too short for are reported as not there.
 * @returns undefined where the model is too short for all of them
 */
export function readOfModel(shape: Shape, read: PlannedRead, memory: DeviceMemory, model: SunspecModel): Placed | undefined {
  const end = HEAD + model.length;
  if (read.points.every((point) => point.address + widthOf(point) > end)) return undefined;
  return placedAt(shape, read, memory, model.start, end);
}

/** @param end address behind the last register that is there, counted as those of the points are */
function placedAt(shape: Shape, read: PlannedRead, memory: DeviceMemory, start: number, end: number): Placed {
  const { table, points } = read;
  const request = { table, points, start: start + read.start, count: Math.min(read.start + read.count, end) - read.start };
  return {
    request,
    pdu: encodeRequest({ kind: 'read', ...request }),
    label: requestLabel(request),
    decode: compileRequest(shape, points, read.start, memory, (point) => point.address + widthOf(point) > end),
  };
}
