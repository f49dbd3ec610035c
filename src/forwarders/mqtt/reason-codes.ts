/**
 * The reason codes of MQTT 5 (section 2.4) that a broker may answer with: what each means for a message, for a connection, and in
 * words. docs/reference/reason-codes.md is this table for people; a test compares them. Pure.
 */
import type { Failure } from './failure.ts';

/**
 * What follows from a code in the answer to a message:
 * - `later`: the broker may take it later, and it is offered again;
 * - `smaller`: it may take less at once;
 * - `unclear`: the code does not say why. It is offered again in smaller batches, and in the end counted and skipped;
 * - `never`: it is counted and skipped.
 */
export type Verdict = 'later' | 'smaller' | 'unclear' | 'never';

export interface Reason {
  /** In the words of the standard. */
  readonly name: string;
  /** Absent: `unclear`. */
  readonly message?: Verdict;
  /** The kind of failure when a connection is refused or ended with it. Absent: `login` when refused, `lost` when ended. */
  readonly failure?: Failure;
  /** What to do, as a sentence without its end; absent: the log of the broker says why. */
  readonly remedy?: string;
}

const BUSY = { message: 'later', failure: 'busy' } as const;

export const REASONS: Readonly<Record<number, Reason>> = {
  128: { name: 'unspecified error' },
  129: { name: 'malformed packet', message: 'never', failure: 'protocol' },
  130: { name: 'protocol error', message: 'never', failure: 'protocol' },
  131: { name: 'implementation specific error' },
  132: { name: 'unsupported protocol version', remedy: 'write the version that it takes as `protocol` of the forwarder' },
  133: { name: 'client identifier not valid', remedy: 'write a client id that it allows as `clientId` of the forwarder' },
  134: { name: 'bad user name or password', remedy: 'correct `username` and `password` of the forwarder' },
  135: {
    name: 'not authorized',
    message: 'later',
    remedy: 'allow this gateway to connect, and to publish on its topics, at the broker',
  },
  136: { name: 'server unavailable', ...BUSY },
  137: { name: 'server busy', ...BUSY },
  138: { name: 'banned', remedy: 'ask the operator of the broker to admit this gateway again' },
  139: { name: 'server shutting down', ...BUSY },
  140: { name: 'bad authentication method', remedy: 'ask the operator of the broker which log-in it takes' },
  141: {
    name: 'keep alive timeout',
    message: 'later',
    remedy: 'look at the line: nothing from this gateway arrived for a while',
  },
  142: { name: 'session taken over', message: 'later', remedy: 'another client uses the same client id; give each its own' },
  143: { name: 'topic filter invalid', message: 'never' },
  144: {
    name: 'topic name invalid',
    message: 'never',
    remedy: 'correct the names of which the topic is made, or the rules of the broker',
  },
  145: { name: 'packet identifier in use', message: 'later' },
  146: { name: 'packet identifier not found', message: 'later' },
  147: { name: 'receive maximum exceeded', message: 'later' },
  148: { name: 'topic alias invalid', message: 'later' },
  149: {
    name: 'packet too large',
    message: 'smaller',
    remedy: 'send smaller batches: lower `batch.maxReadings`, or raise the limit of the broker',
  },
  150: {
    name: 'message rate too high',
    ...BUSY,
    remedy: 'send fewer and larger batches: raise `batch.maxAge`, or the limit of the broker',
  },
  151: {
    name: 'quota exceeded',
    ...BUSY,
    remedy: 'the quota of this gateway is used up; ask the operator of the broker, or wait for the next period',
  },
  152: { name: 'administrative action', message: 'later', remedy: 'ask the operator of the broker' },
  153: { name: 'payload format invalid', message: 'never', remedy: 'the platform expects another `format`' },
  154: { name: 'retain not supported', message: 'never', failure: 'protocol', remedy: 'allow retained messages at the broker' },
  155: { name: 'QoS not supported', message: 'never', failure: 'protocol', remedy: 'allow QoS 1 at the broker' },
  156: { name: 'use another server', message: 'later', remedy: 'write the address of the other broker' },
  157: { name: 'server moved', message: 'later', remedy: 'write the new address of the broker' },
  158: { name: 'shared subscriptions not supported', message: 'never' },
  159: { name: 'connection rate exceeded', ...BUSY },
  160: { name: 'maximum connect time', message: 'later' },
  161: { name: 'subscription identifiers not supported', message: 'never' },
  162: { name: 'wildcard subscriptions not supported', message: 'never' },
};

/** @param code at least 128: a refusal */
export function verdictOf(code: number): Verdict {
  return REASONS[code]?.message ?? 'unclear';
}

/** `quota exceeded (code 151)`. */
export function reasonName(code: number): string {
  const name = REASONS[code]?.name;
  return name === undefined ? `code ${code}` : `${name} (code ${code})`;
}

/** `; what to do`, as the end of a sentence. */
export function remedyOf(code: number): string {
  return `; ${REASONS[code]?.remedy ?? 'the log of the broker says why'}`;
}
