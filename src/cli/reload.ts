import { request } from '../admin/client.ts';
import type { ReloadReply } from '../admin/target.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { clean } from './terminal/clean.ts';

/** `sluice reload`: what changed, one line each. @throws SluiceError config-invalid: the file has faults, and nothing changed */
export async function reload(options: RunningOptions): Promise<void> {
  const reply = (await request(socketOf(options), 'POST', '/api/v1/reload')) as ReloadReply;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(reply)}\n`);
    return;
  }
  const lines = [
    ...(reply.changes.length === 0
      ? ['Read again; nothing changed.']
      : ['Read again:', ...reply.changes.map((text) => `  ${text}`)]),
    ...reply.warnings.map((text) => `warning: ${text}`),
  ];
  process.stdout.write(`${lines.map(clean).join('\n')}\n`);
}
