import { existsSync } from 'node:fs';
import path from 'node:path';

/** Raspberry Pi OS mounts it at /boot/firmware since Bookworm, other systems at /boot. */
export function bootFolder(root: string): string | undefined {
  return ['boot/firmware', 'boot'].map((dir) => path.join(root, dir)).find((dir) => existsSync(dir));
}
