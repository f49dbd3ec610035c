/**
 * What the gateway and the Node-RED process say to each other: one JSON object in a line, over a socket that nobody else has. The
 * process may run any code, so what comes from it is checked and bounded before anything uses it.
 */

/** What Node-RED may do beyond passing messages. */
export const GRANTS = ['exec', 'files', 'palette', 'modules'] as const;
export type Grant = (typeof GRANTS)[number];

/** All that the process needs to know; it never touches a disk. */
export interface StartOrder {
  readonly type: 'start';
  /** The folder of Node-RED: flows, credentials, context. */
  readonly folder: string;
  /** Where the editor answers; absent: on the socket that systemd handed over. */
  readonly socket?: string | undefined;
  readonly credentialSecret: string;
  readonly title: string;
  /** The key of this start, with which the gateway asks for flows (child/flow-hatch.ts). */
  readonly flowKey: string;
  readonly allow: readonly Grant[];
  /** The folder is measured by the process itself, up to so many bytes; absent: the gateway does it. */
  readonly measure?: number | undefined;
  /** The socket for flows; absent: there is none. */
  readonly gateway?: { readonly socket: string; readonly token: string } | undefined;
  /** Why the flows do not start; absent: they start. */
  readonly safeMode?: string | undefined;
}

export type ToChild = StartOrder | { readonly type: 'check'; readonly n: number } | { readonly type: 'stop' };

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export interface LogLine {
  readonly type: 'log';
  readonly level: Level;
  readonly text: string;
  /** The node that wrote it: its id, its type and the name that its author gave it. */
  readonly node?: string | undefined;
  readonly nodeType?: string | undefined;
  readonly nodeName?: string | undefined;
  /** Lines before this one that were left out because there were too many. */
  readonly suppressed?: number | undefined;
}

export interface Blocked {
  readonly type: 'blocked';
  /** Types of nodes, or npm modules. */
  readonly missing: 'types' | 'modules';
  readonly names: readonly string[];
}

export type FlowsState = 'started' | 'stopped' | 'safe';

export type FromChild =
  | LogLine
  /** The process runs; what its own fence lets through. */
  | { readonly type: 'hello'; readonly pid: number; readonly allows: readonly Grant[] }
  | { readonly type: 'ready'; readonly version: string }
  /** A message has passed through the runtime. */
  | {
      readonly type: 'checked';
      readonly n: number;
      readonly flows: FlowsState;
      readonly resident: number;
      readonly proportional?: number | undefined;
      /** What its folder takes on the disk, bytes. */
      readonly disk?: number | undefined;
    }
  /** Somebody deployed. */
  | { readonly type: 'deployed'; readonly flows: FlowsState }
  /** What the flows do not start without; nothing: they may start. */
  | Blocked
  /**
   * Before it is ready: its flows would never come to an end of their start, so they are held back. `lost`: they could not even be
   * read, and it begins without any.
   */
  | { readonly type: 'held'; readonly why: string; readonly lost?: true }
  /** It cannot go on, and ends. */
  | { readonly type: 'failed'; readonly text: string };

/** Characters of a line of the log, and bytes of any message. */
export const LONGEST_TEXT = 2000;
export const LONGEST_LINE = 16_384;
const LONGEST_NAME = 200;
const LONGEST_WHY = 500;
/** Names of what is missing. */
export const MOST_MISSING = 10;

/** @returns undefined for what is no message */
export function parseFromChild(line: string): FromChild | undefined {
  const m = parsed(line);
  if (m === undefined) return undefined;
  switch (m.type) {
    case 'hello': {
      const pid = count(m.pid);
      const allows = Array.isArray(m.allows) ? GRANTS.filter((grant) => (m.allows as unknown[]).includes(grant)) : [];
      return pid === undefined ? undefined : { type: 'hello', pid, allows };
    }
    case 'ready':
      return typeof m.version === 'string' ? { type: 'ready', version: m.version.slice(0, LONGEST_NAME) } : undefined;
    case 'checked': {
      const [n, resident, flows] = [count(m.n), count(m.resident), flowsState(m.flows)];
      if (n === undefined || resident === undefined || flows === undefined) return undefined;
      return { type: 'checked', n, flows, resident, proportional: count(m.proportional), disk: count(m.disk) };
    }
    case 'deployed': {
      const flows = flowsState(m.flows);
      return flows === undefined ? undefined : { type: 'deployed', flows };
    }
    case 'blocked': {
      if (!Array.isArray(m.names)) return undefined;
      const names = (m.names as unknown[]).slice(0, MOST_MISSING).map(name);
      return {
        type: 'blocked',
        missing: m.missing === 'modules' ? 'modules' : 'types',
        names: names.filter((n) => n !== undefined),
      };
    }
    case 'held':
      if (typeof m.why !== 'string' || m.why === '') return undefined;
      return { type: 'held', why: m.why.slice(0, LONGEST_WHY), ...(m.lost === true ? { lost: true } : {}) };
    case 'failed':
      return typeof m.text === 'string' ? { type: 'failed', text: m.text.slice(0, LONGEST_TEXT) } : undefined;
    case 'log': {
      const level = LEVELS.find((one) => one === m.level);
      if (level === undefined || typeof m.text !== 'string') return undefined;
      return {
        ...{ type: 'log', level, text: m.text.slice(0, LONGEST_TEXT) },
        ...{ node: name(m.node), nodeType: name(m.nodeType), nodeName: name(m.nodeName), suppressed: count(m.suppressed) },
      };
    }
    default:
      return undefined;
  }
}

/** What the gateway says is believed: only it has the other end. */
export function parseToChild(line: string): ToChild | undefined {
  const m = parsed(line);
  return m !== undefined && (m.type === 'start' || m.type === 'check' || m.type === 'stop')
    ? (m as unknown as ToChild)
    : undefined;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
function name(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, LONGEST_NAME) : undefined;
}
function flowsState(value: unknown): FlowsState | undefined {
  return (['started', 'stopped', 'safe'] as const).find((one) => one === value);
}
