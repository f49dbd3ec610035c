/** Reading a device now, beside its polls. */
import { type ModbusRequest, payloadOf } from '../../codecs/modbus-pdu.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { badSample, type Sample } from '../../core/point.ts';
import type { ReadFault } from '../../core/ports.ts';
import type { Answer, CallOptions } from './calls.ts';
import { type Device, isAway } from './device.ts';
import type { Job } from './jobs.ts';
import { isRefusal, SEARCH } from './model-search.ts';
import { reasonOf } from './words.ts';

export type AskByHand = (request: ModbusRequest, options: CallOptions) => Promise<Answer>;

interface ByHand {
  readonly ask: AskByHand;
  readonly clock: Clock;
  /** Gets what failed while other requests did not; without it the first failure ends the reading. */
  readonly refused: ((fault: ReadFault) => void) | undefined;
}

/** One sample for each job. @throws SluiceError when all fail */
export async function readByHand(device: Device, jobs: readonly Job[], { ask, clock, refused }: ByHand): Promise<Sample[]> {
  const samples: Sample[] = [];
  let error: SluiceError | undefined;
  let failed = 0;
  for (const job of jobs) {
    // A device that is away is not asked for the rest.
    if (error === undefined || !isAway(error)) {
      try {
        samples.push(await readJob(device, job, ask, clock));
        continue;
      } catch (thrown) {
        if (refused === undefined || !(thrown instanceof SluiceError)) throw thrown;
        error = thrown;
        if (isAway(thrown) && samples.length === failed) throw thrown;
      }
    }
    failed++;
    refused?.({ points: job.shape.points.map((p) => p.name), code: error.code, message: error.message });
    samples.push(badSample(job.shape, clock.monotonic(), reasonOf(error)));
  }
  if (error !== undefined && samples.length === failed) throw error;
  return samples;
}

async function readJob(device: Device, polled: Job, ask: AskByHand, clock: Clock): Promise<Sample> {
  // One of its own: the poll of the same registers may be under way.
  const job = { ...polled };
  if (job.lack !== undefined) return badSample(job.shape, clock.monotonic(), job.lack);
  const { pdu, at } = await ask({ kind: 'read', ...job.request }, {});
  const sample = device.took(job, payloadOf(pdu), at);
  if (sample !== undefined) return sample;
  const step = device.models?.look(job);
  if (step === undefined) return badSample(job.shape, at, 'bad-reply');
  const head = await ask(step.request, { label: SEARCH }).catch((thrown: unknown) => {
    if (thrown instanceof SluiceError && isRefusal(thrown)) return undefined;
    throw thrown;
  });
  const now = head?.at ?? clock.monotonic();
  return device.looked(job, step, head && payloadOf(head.pdu), now) ?? badSample(job.shape, now, 'bad-reply');
}
