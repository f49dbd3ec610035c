/** Reads a device of a bus now, for a caller: its samples, the requests that were refused, and the bytes on a serial line. */

import type { Frame } from '../core/bus-frames.ts';
import type { ReadResult } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import type { Sample } from '../core/point.ts';
import type { Bus, ReadFault } from '../core/ports.ts';

/** Stretches of bytes that are shown of one reading. */
const MOST_FRAMES = 1000;

export interface Listening {
  readonly frames: readonly Frame[];
  stop(): void;
}

/** What is on the wire from now on; undefined where nothing can be seen, and for buses whose frames `exchange` shows. */
export function listenTo(bus: Bus): Listening | undefined {
  if (bus.capture === undefined || bus.exchange !== undefined) return undefined;
  const frames: Frame[] = [];
  const stop = bus.capture((way, bytes, at) => {
    // A copy: the bytes are the driver's.
    if (frames.length < MOST_FRAMES) frames.push({ way, bytes: Uint8Array.from(bytes), at });
  });
  return { frames, stop };
}

/** @param listening gets the frames, and is ended; a reading that fails is then a fault, given with what came */
export async function readNow(bus: Bus, device: string, listening?: Listening): Promise<ReadResult> {
  const faults: ReadFault[] = [];
  let samples: readonly Sample[] = [];
  try {
    samples = await bus.read(device, (fault) => faults.push(fault));
  } catch (thrown) {
    const unheard = listening === undefined || !(thrown instanceof SluiceError);
    if (unheard || thrown.code === 'bus-closed' || thrown.code === 'bus-open') throw thrown;
    const points = bus.shapes.filter((shape) => shape.device === device).flatMap((shape) => shape.points.map((p) => p.name));
    faults.push({ points, code: thrown.code, message: thrown.message });
  } finally {
    listening?.stop();
  }
  return { device, samples, faults, ...(listening === undefined ? {} : { frames: listening.frames }) };
}
