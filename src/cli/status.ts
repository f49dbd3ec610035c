import { request } from '../admin/client.ts';
import type { WaitingReply } from '../admin/log-questions.ts';
import type { GatewayStatus } from '../admin/target.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { statusText } from './status-page.ts';

export async function status(options: RunningOptions & { readonly verbose?: boolean }): Promise<void> {
  const report = (await request(socketOf(options), 'GET', '/api/v1/status')) as GatewayStatus;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const width = Math.max(40, process.stdout.columns ?? 80);
  const waiting = await waitingOf(socketOf(options), report);
  process.stdout.write(statusText(report, { verbose: options.verbose === true, width, waiting }));
}

/** Milliseconds: the page comes without the count where the log is busy. */
const COUNT_WITHIN = 2000;

/** How many readings wait on the disk, where some do. */
async function waitingOf(socket: string, { forwarders }: GatewayStatus): Promise<WaitingReply['forwarders']> {
  if (forwarders.every(({ lag }) => lag.history === 0)) return [];
  try {
    return ((await request(socket, 'GET', '/api/v1/waiting', undefined, COUNT_WITHIN)) as WaitingReply).forwarders;
  } catch {
    return [];
  }
}
