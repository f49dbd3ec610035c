/** Reading a device of a bus now, for whoever asks: the readings, what was refused, and of a serial line what was on it. */
import { SluiceError } from '../core/errors.ts';
import type { Bus, ReadFault } from '../core/ports.ts';
import { SerialBus } from '../drivers/serial/bus.ts';
import type { ReadReply } from './target.ts';
import { tellSample } from './tell-sample.ts';
import { frameOf } from './wire-access.ts';
import type { WireFrame } from './wire-target.ts';

/** Stretches of bytes that are shown of one reading. */
const MOST_FRAMES = 1000;

export interface Listening {
  readonly frames: readonly WireFrame[];
  stop(): void;
}

/** What is on the line of a serial instrument from now on; undefined for other buses, whose frames `exchange` has. @param offset from monotonic to UTC, ms */
export function listenTo(bus: Bus, offset: () => number): Listening | undefined {
  if (!(bus instanceof SerialBus)) return undefined;
  const frames: WireFrame[] = [];
  const stop = bus.capture((way, bytes, at) => {
    if (frames.length < MOST_FRAMES) frames.push(frameOf({ way, bytes, at }, offset()));
  });
  return { frames, stop };
}

/** @param listening is told as well, and ended; a reading that fails is then a fault, told with what came */
export async function readNow(bus: Bus, device: string, offset: () => number, listening?: Listening): Promise<ReadReply> {
  const faults: ReadFault[] = [];
  const readings: ReadReply['readings'][number][] = [];
  try {
    for (const sample of await bus.read(device, (fault) => faults.push(fault)))
      tellSample(sample, offset(), (item) => {
        if (item.type !== 'reading') return;
        const { type: _, device: __, ...reading } = item;
        readings.push(reading);
      });
  } catch (thrown) {
    const unheard = listening === undefined || !(thrown instanceof SluiceError);
    if (unheard || thrown.code === 'bus-closed' || thrown.code === 'bus-open') throw thrown;
    const points = bus.shapes.filter((shape) => shape.device === device).flatMap((shape) => shape.points.map((p) => p.name));
    faults.push({ points, code: thrown.code, message: thrown.message });
  } finally {
    listening?.stop();
  }
  return { device, readings, faults, ...(listening === undefined ? {} : { frames: listening.frames }) };
}
