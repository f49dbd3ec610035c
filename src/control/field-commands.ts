/** The commands that go to a device: finding its bus, and the message for a device that does not exist. */
import type { ReadCommand, ReadResult, Results, SafeCommand, WriteCommand, WriteResult } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import type { Bus, Field } from '../core/ports.ts';
import type { Handlers } from './commands.ts';
import { listenTo, readNow } from './read-now.ts';

interface WritableBus extends Bus {
  readonly write: NonNullable<Bus['write']>;
}

/** @param devices names as the configuration in force has them, for messages */
export function fieldCommands(
  field: Field,
  devices: () => Iterable<string>,
): Required<Pick<Handlers, 'read' | 'write' | 'safe'>> {
  const busOf = (device: string): Bus => {
    const bus = field.busOf(device);
    if (bus === undefined)
      throw new SluiceError('not-found', `there is no device ${device}; the devices are: ${[...devices()].join(', ')}`);
    return bus;
  };
  const writable = (device: string, target: string): WritableBus => {
    const bus = busOf(device);
    if (!canWrite(bus))
      throw new SluiceError(
        'write-refused',
        `${target}: devices on the bus ${bus.name} only send, so nothing can be written to them`,
      );
    return bus;
  };
  return {
    async read({ device, raw = false }: ReadCommand): Promise<ReadResult> {
      const bus = busOf(device);
      return readNow(bus, device, raw ? listenTo(bus) : undefined);
    },
    async write({ point: target, value }: WriteCommand, _by, { begin } = {}): Promise<WriteResult> {
      const [device, point] = partsOf(target);
      const bus = writable(device, target);
      const written = await bus.write(device, point, value, { begin });
      const info = bus.shapes
        .filter((s) => s.device === device)
        .flatMap((s) => s.points)
        .find((p) => p.name === point);
      return { ...written, point: target, type: info?.type, unit: info?.unit };
    },
    async safe({ point: target }: SafeCommand): Promise<Results['safe']> {
      const [device, point] = partsOf(target);
      const safe = field.safePoints.find((p) => p.device === device && p.point === point);
      if (safe === undefined) throw new SluiceError('not-found', `${target} has no safe value (write.safe)`);
      return writable(device, target).write(device, point, safe.value, { safe: true });
    },
  };
}

/** `device.point` */
function partsOf(target: string): [device: string, point: string] {
  const [device = '', point = '', ...rest] = target.split('.');
  if (point === '' || rest.length > 0)
    throw new SluiceError('not-found', `${target.slice(0, 140)} is not a point; a point is written device.point`);
  return [device, point];
}

function canWrite(bus: Bus): bus is WritableBus {
  return bus.write !== undefined;
}
