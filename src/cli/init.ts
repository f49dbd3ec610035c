import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { starterConfig } from '../config/starter.ts';
import { SluiceError } from '../core/errors.ts';

export async function init(dir: string): Promise<void> {
  const file = path.join(dir, 'gateway.yaml');
  if (existsSync(file)) throw new SluiceError('usage', `${file} exists already and was left as it is; name another folder`);
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, starterConfig());
  process.stdout.write(`Wrote ${file}. Next:\n  sluice check ${file}\n  sluice run -c ${file}\n`);
}
