import { request } from '../admin/client.ts';
import type { ReadReply } from '../admin/target.ts';
import { SluiceError } from '../core/errors.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { readingLine } from './tail.ts';

/** Reads through the running gateway: it owns the wire. */
export async function read(target: string, options: RunningOptions): Promise<void> {
  const [device = '', point, ...rest] = target.split('.');
  if (rest.length > 0) throw new SluiceError('usage', `${target} is neither a device nor a point: write device or device.point`);
  const reply = (await request(socketOf(options), 'POST', '/api/v1/read', { device })) as ReadReply;
  const readings = point === undefined ? reply.readings : reply.readings.filter((r) => r.point === point);
  if (readings.length === 0)
    throw new SluiceError(
      'not-found',
      `${device} has no point ${point}; it has: ${reply.readings.map((r) => r.point).join(', ')}`,
    );
  if (options.json) process.stdout.write(`${JSON.stringify({ device, readings })}\n`);
  else for (const reading of readings) process.stdout.write(`${readingLine({ ...reading, device })}\n`);
  if (readings.some((r) => r.quality === 'bad')) process.exitCode = 1;
}
