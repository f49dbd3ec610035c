/** What a self-check finds. */

/** Parts of the check, in the order in which they are shown. */
export const AREAS = ['configuration', 'ports', 'permissions', 'clock', 'disk', 'memory', 'network', 'security'] as const;
export type Area = (typeof AREAS)[number];

/** `unknown`: this machine does not say. `warning` and `fault` make the exit status 1. */
export type Level = 'ok' | 'unknown' | 'warning' | 'fault';

export interface Finding {
  readonly area: Area;
  readonly level: Level;
  /** A short word that stays the same for programs: `port-busy`. */
  readonly code: string;
  /** A sentence, without secrets. */
  readonly text: string;
  /** What to do; every warning and every fault has it. */
  readonly remedy?: string | undefined;
}

export const ok = (area: Area, code: string, text: string): Finding => ({ area, level: 'ok', code, text });
export const unknown = (area: Area, code: string, text: string): Finding => ({ area, level: 'unknown', code, text });
export const warning = (area: Area, code: string, text: string, remedy: string): Finding => ({
  ...{ area, level: 'warning', code, text, remedy },
});
export const fault = (area: Area, code: string, text: string, remedy: string): Finding => ({
  ...{ area, level: 'fault', code, text, remedy },
});

/** Where the system shows itself; other folders are for tests. */
export interface Roots {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
  readonly etc: string;
}
export const SYSTEM: Roots = { sys: '/sys', proc: '/proc', dev: '/dev', etc: '/etc' };
