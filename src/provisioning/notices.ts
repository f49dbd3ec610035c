/** Leaves an event for the next start of the gateway, which reports it and removes the file (reports/left-notices.ts). */
import path from 'node:path';
import { MOST_NOTICES, MOST_NOTICES_BYTES, NOTICES_FILE, parseNotices } from '../core/notices.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { type Owner, readSmall } from '../disk/durable.ts';
import type { Disk } from './disk.ts';

export function leaveNotice(
  { disk, stateDir, owner }: { disk: Disk; stateDir: string; owner: Owner | undefined },
  notice: GatewayEvent,
): void {
  const file = path.join(stateDir, NOTICES_FILE);
  const before = parseNotices(readSmall(file, MOST_NOTICES_BYTES)?.toString('utf8') ?? '');
  // A start that a power cut repeats says it once.
  const others = before.filter(({ message }) => message !== notice.message).slice(1 - MOST_NOTICES);
  disk.put(file, `${JSON.stringify([...others, notice])}\n`, { mode: 0o600, owner });
}
