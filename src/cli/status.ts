import { request } from '../admin/client.ts';
import type { GatewayStatus } from '../admin/target.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { statusText } from './status-page.ts';

export async function status(options: RunningOptions & { readonly verbose?: boolean }): Promise<void> {
  const report = (await request(socketOf(options), 'GET', '/api/v1/status')) as GatewayStatus;
  const page = { verbose: options.verbose === true, width: Math.max(40, process.stdout.columns ?? 80) };
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : statusText(report, page));
}
