import { request } from '../admin/client.ts';
import type { WriteReply } from '../admin/target.ts';
import { systemClock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import { silentLogger } from '../core/logger.ts';
import { plainValue } from '../core/point.ts';
import { withUnit } from '../core/unit-words.ts';
import { createBus } from '../gateway/registry-create.ts';
import { configInForce } from './in-force.ts';
import { nobodyRuns, type RunningOptions, socketOf } from './running.ts';
import { clean } from './terminal/clean.ts';

/** Through the running gateway, since it owns the wire; where none runs, the bus is opened for this one write. */
export async function write(target: string, value: string, options: RunningOptions): Promise<void> {
  const [device = '', point = '', ...rest] = target.split('.');
  if (device === '' || point === '' || rest.length > 0)
    throw new SluiceError('usage', `${target} is not a point; write device.point, for example fridge.setpoint`);
  const reply = await viaGateway(target, value, options).catch((thrown: unknown) => {
    if (options.socket !== undefined || !nobodyRuns(thrown)) throw thrown;
    return directly(device, point, value, options.config);
  });
  if (options.json) process.stdout.write(`${JSON.stringify(reply)}\n`);
  else process.stdout.write(`${words(reply)}\n`);
}

async function viaGateway(point: string, value: string, options: RunningOptions): Promise<WriteReply> {
  return (await request(socketOf(options), 'POST', '/api/v1/write', { point, value })) as WriteReply;
}

async function directly(name: string, point: string, value: string, file: string): Promise<WriteReply> {
  const config = configInForce(file);
  const device = config.devices.get(name);
  const settings = config.buses.get(device?.bus ?? '');
  if (device === undefined || settings === undefined)
    throw new SluiceError('not-found', `there is no device ${name}; the devices are: ${[...config.devices.keys()].join(', ')}`);
  const context = { clock: systemClock, logger: silentLogger, emit: () => {}, tell: () => {} };
  const bus = createBus(settings, [device], context);
  if (bus.write === undefined)
    throw new SluiceError('write-refused', `${name}.${point}: devices on the bus ${bus.name} only talk, nothing can be written`);
  bus.start();
  try {
    const written = await bus.write(name, point, value).catch((thrown: unknown) => {
      if (mayHaveBeenSent(thrown)) warnUnkept();
      throw thrown;
    });
    warnUnkept();
    const info = bus.shapes.flatMap((s) => s.points).find((p) => p.name === point);
    const time = Math.round(systemClock.wall() - systemClock.monotonic() + written.at);
    const shown = plainValue(written.value, info?.type);
    return { point: `${name}.${point}`, value: shown, unit: info?.unit, time, readBack: written.readBack };
  } finally {
    await bus.stop();
  }
}

function mayHaveBeenSent(thrown: unknown): boolean {
  return (
    !(thrown instanceof SluiceError) ||
    (thrown.data.sent !== false && !['write-refused', 'request-invalid'].includes(thrown.code))
  );
}

/** The log belongs to the gateway and its user: files of another user in it would keep it from starting. */
function warnUnkept(): void {
  process.stderr.write('sluice: no gateway runs, so this went straight to the bus: neither the log nor an event shows it\n');
}

function words({ point, value, unit, readBack }: WriteReply): string {
  const shown = withUnit(clean(String(value)), unit);
  return readBack
    ? `${point} is ${shown} now`
    : `${shown} was written to ${point}; the device acknowledged it and does not show it`;
}
