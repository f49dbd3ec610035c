/**
 * `port: board:rs485-1` stands for a device file of this board. It is replaced where the configuration is read, so everything that
 * follows (two buses on one wire, the drivers, commands) sees the device file alone.
 */
import type { Section } from './checker.ts';
import type { GpioLine } from './gpio-line.ts';

export const BOARD_PORT = 'board:';

/** What the configuration says of the board. */
export interface NamedBoard {
  readonly board?: string | undefined;
  readonly hats?: readonly string[] | undefined;
}

/** @param name behind `board:` */
export type BoardPorts = (
  name: string,
  named: NamedBoard,
) => { readonly port: string; readonly direction?: string | GpioLine | undefined } | { readonly fault: string };

/** @returns undefined after a fault was reported */
export function onBoard<T extends Section>(
  settings: T,
  { ports, named, fault }: { ports: BoardPorts | undefined; named: NamedBoard; fault: (message: string) => void },
): T | undefined {
  const { port } = settings;
  if (typeof port !== 'string' || !port.startsWith(BOARD_PORT)) return settings;
  const found = ports?.(port.slice(BOARD_PORT.length), named) ?? { fault: `${port} is not known here; write the device file` };
  if ('fault' in found) {
    fault(found.fault);
    return undefined;
  }
  // Only what the gateway has to ask for: the other ways work by themselves.
  const { direction } = found;
  const isAsked = direction === 'kernel' || typeof direction === 'object';
  return { ...settings, port: found.port, ...(isAsked && settings.direction === undefined ? { direction } : {}) };
}
