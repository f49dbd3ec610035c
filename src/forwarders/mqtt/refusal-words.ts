/** Why an upstream broker does not take this gateway, what that means and what to do, in words for people. Pure. */
import { foreignText } from '../../core/foreign-text.ts';

export interface Attempt {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  /** Whether a user name is sent. */
  readonly named: boolean;
}

/** Of a text from the system or the broker. */
const LONGEST = 200;

/** @param fault what ended the attempt; undefined: the broker closed the connection before it answered */
export function connectWords(attempt: Attempt, fault: Error | 'late' | undefined): string {
  const { host, port } = attempt;
  const refusal = refusalWords(attempt, codeOf(fault));
  if (refusal !== undefined) return `the broker ${host}:${port} refuses this gateway: ${refusal}`;
  return `the broker ${host}:${port} cannot be reached: ${networkWords(fault)}`;
}

/** @param code of a CONNACK: MQTT 3.1.1, section 3.2.2.3; 0x84 is the answer of a broker that knows MQTT 5 only */
function refusalWords({ clientId, named }: Attempt, code: unknown): string | undefined {
  if (typeof code !== 'number') return undefined;
  switch (code) {
    case 1:
    case 0x84:
      return 'it does not accept MQTT 3.1.1, and this version of Sluice speaks only that; allow MQTT 3.1.1 at the broker';
    case 2:
      return `it does not accept the client id "${foreignText(clientId, LONGEST)}"; write one that it allows as \`clientId\` of the forwarder`;
    case 3:
      return 'it does not accept clients now (server unavailable); its log says why';
    case 4:
      return 'the user name or the password is wrong; correct `username` and `password` of the forwarder';
    case 5:
      return named
        ? 'this user may not connect (not authorised); correct `username` and `password` of the forwarder, or allow the user and its client id at the broker'
        : 'it accepts no client without a user name (not authorised); add `username` and `password` to the forwarder';
    default:
      return `it answers with the code ${code}; its log says why`;
  }
}

function networkWords(fault: Error | 'late' | undefined): string {
  if (fault === undefined) return CLOSED;
  if (fault === 'late') return 'no answer';
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

function codeOf(fault: Error | 'late' | undefined): unknown {
  return fault instanceof Error && 'code' in fault ? fault.code : undefined;
}
