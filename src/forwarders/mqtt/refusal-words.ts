/** Why an upstream broker does not take this gateway, what that means and what to do, in words for people. Pure. */
import { SluiceError } from '../../core/errors.ts';
import { foreignText } from '../../core/foreign-text.ts';
import { hostAndPort } from './address.ts';
import { reasonName, remedyOf } from './reason-codes.ts';

/** How far an attempt came. */
export type Stage = 'tcp' | 'proxy' | 'tls' | 'web-socket' | 'mqtt';

export interface Attempt {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  /** Whether a user name is sent. */
  readonly named: boolean;
  /** Default 4, which is 3.1.1. */
  readonly protocol?: 4 | 5;
  /** What the broker said beside its code. */
  readonly said?: string;
}

/** Letters of a text from the system or the broker that are shown. */
const LONGEST = 200;

/**
 * @param fault what ended the attempt; undefined: the broker closed the connection before it answered; a stage: no answer in time,
 *   and how far the attempt came
 */
export function connectWords(attempt: Attempt, fault: Error | Stage | undefined): string {
  const broker = hostAndPort(attempt);
  const refusal = refusalWords(attempt, codeOf(fault));
  if (refusal !== undefined) return `the broker ${broker} refuses this gateway: ${refusal}`;
  return `the broker ${broker} cannot be reached: ${networkWords(fault)}`;
}

/** @param code of a CONNACK: MQTT 3.1.1, section 3.2.2.3; MQTT 5, section 3.2.2.2 */
function refusalWords({ clientId, named, protocol = 4, said = '' }: Attempt, code: unknown): string | undefined {
  if (typeof code !== 'number') return undefined;
  switch (code) {
    case 1:
    case 0x84:
      return protocol === 5
        ? 'it does not accept MQTT 5; write `protocol: 3.1.1` in the forwarder'
        : 'it does not accept MQTT 3.1.1; write `protocol: 5` in the forwarder, or allow MQTT 3.1.1 at the broker';
    case 2:
    case 0x85:
      return `it does not accept the client id "${foreignText(clientId, LONGEST)}"; write one that it allows as \`clientId\` of the forwarder`;
    case 3:
      return 'it does not accept clients now (server unavailable); its log says why';
    case 4:
    case 0x86:
      return 'the user name or the password is wrong; correct `username` and `password` of the forwarder';
    case 5:
    case 0x87:
      return named
        ? 'this user may not connect (not authorised); correct `username` and `password` of the forwarder, or allow the user and its client id at the broker'
        : 'it accepts no client without a user name (not authorised); add `username` and `password` to the forwarder';
    default:
      return code < 0x80 ? `it answers with the code ${code}; its log says why` : `${reasonName(code)}${said}${remedyOf(code)}`;
  }
}

/** @param code with which the broker ended the connection @param said what it said beside it */
export function endedWords(code: number, said: string, clientId: string): string {
  const remedy =
    code === 0x8e
      ? `; another client uses the client id "${foreignText(clientId, LONGEST)}" as well; give each its own`
      : remedyOf(code);
  return `the broker ended the connection: ${reasonName(code)}${said}${remedy}`;
}

/** @param topic of the message that it refused */
export function refusedWords(code: number, said: string, topic: string | undefined): string {
  const what = topic === undefined ? 'a subscription' : `a message on ${foreignText(topic, LONGEST)}`;
  return `the broker refuses ${what}: ${reasonName(code)}${said}${remedyOf(code)}`;
}

export function networkWords(fault: Error | Stage | undefined): string {
  if (fault === undefined) return CLOSED;
  if (fault === 'tcp') return 'no answer';
  if (fault === 'tls') return 'no answer to the TLS handshake (does this port take TLS? MQTT over TLS is often on 8883)';
  if (fault === 'proxy') return 'the proxy does not answer';
  if (fault === 'web-socket') return 'no answer to the request for a WebSocket (is MQTT over WebSocket served on this port?)';
  if (fault === 'mqtt') return 'no answer to the log-in (is MQTT served on this port?)';
  switch (codeOf(fault)) {
    case 'ECONNREFUSED':
      return 'nothing listens there (is the broker running, is the port right?)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name is not known (is the network up, is the name right?)';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no way to it (is the network up?)';
    case 'ETIMEDOUT':
      return 'no answer';
    case 'ECONNRESET':
    case 'EPIPE':
      return CLOSED;
    default:
      return fault.message;
  }
}

const CLOSED =
  'it closed the connection without an answer (is it starting, does this port expect TLS, does it take MQTT 3.1.1? its log says why)';

/** @param topic the oldest message that it did not acknowledge; undefined: it had acknowledged all */
export function hungUpWords(topic: string | undefined, clientId: string): string {
  if (topic === undefined)
    return `the broker closed the connection; if it does so again and again, another client may use the client id "${foreignText(clientId, LONGEST)}" as well`;
  return `the broker closed the connection before it acknowledged a message on ${foreignText(topic, LONGEST)}. If it does so every time, allow this gateway to publish on that topic; the log of the broker says why`;
}

/** The peer ended the connection, and nothing else is known to be wrong. */
export function hungUp(fault: Error | undefined): boolean {
  const code = codeOf(fault);
  return fault === undefined || code === 'ECONNRESET' || code === 'EPIPE';
}

function codeOf(fault: Error | Stage | undefined): unknown {
  return fault instanceof Error && 'code' in fault ? fault.code : undefined;
}

/** Characters that are kept of a text of the library, which may repeat what the broker sent. */
const LONGEST_FAULT = 200;

/** What the library says when a question whether the broker is there has no answer. */
const NO_PONG = 'Keepalive timeout';

/** What the library says of a packet that breaks the protocol has no code, or one that it chose itself. */
export function readFault(error: Error): Error {
  if (error.message === NO_PONG)
    return new SluiceError('upstream-connect', 'the broker does not answer any more', { cause: error, data: { idle: true } });
  const code: unknown = 'code' in error ? error.code : undefined;
  const own = code === 130 || code === 148 || code === 149;
  if (error instanceof SluiceError || error.message.startsWith('Connection refused') || (code !== undefined && !own))
    return error;
  return new SluiceError(
    'upstream-protocol',
    `the broker broke the rules of MQTT: ${foreignText(error.message, LONGEST_FAULT)}`,
    {
      cause: error,
    },
  );
}
