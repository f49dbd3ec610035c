import path from 'node:path';
import { validConfig } from './config-file.ts';

export interface RunningOptions {
  readonly config: string;
  readonly socket?: string;
  readonly json?: boolean;
}

/** Where the running gateway answers: as named, else in the state directory of the configuration. */
export function socketOf(options: RunningOptions): string {
  return options.socket ?? path.join(validConfig(options.config, { readSecrets: false }).config.gateway.stateDir, 'sluice.sock');
}

/** Colours only where a person looks. */
const colours = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
export const paint = (code: 31 | 32 | 33 | 2 | 1, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Texts from the field may hold anything: nothing but printable characters reaches the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '�');
}
