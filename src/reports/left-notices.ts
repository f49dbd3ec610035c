/** Reports what a tool left for this start (core/notices.ts): a card that was copied, a board that was replaced. */
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { MOST_NOTICES_BYTES, NOTICES_FILE, parseNotices } from '../core/notices.ts';
import type { GatewayEvent } from '../core/ports.ts';

/** Never rejects. A notice is reported again when the file cannot be removed. */
export async function reportLeft(stateDir: string, tell: (event: GatewayEvent) => void): Promise<void> {
  const file = path.join(stateDir, NOTICES_FILE);
  try {
    const text = await readBounded(file);
    for (const notice of parseNotices(text)) tell(notice);
    await rm(file, { force: true });
  } catch {
    // There is none, which is the rule.
  }
}

async function readBounded(file: string): Promise<string> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(MOST_NOTICES_BYTES), 0, MOST_NOTICES_BYTES, 0);
  return buffer.toString('utf8', 0, bytesRead);
}
