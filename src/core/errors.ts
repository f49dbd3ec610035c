/**
 * One error class, one table of codes. `retry` tells a loop what to do: `now` (as soon as it can), `later` (after a
 * back-off), `never` (a person has to change something). Only the owner of a loop logs; everybody else throws.
 * docs/reference/errors.md explains each code to people; a test fails when one is missing there.
 */
export const ERRORS = {
  // configuration
  'config-invalid': { retry: 'never', says: 'the configuration was refused' },
  'configure-refused': { retry: 'never', says: 'a configuration from upstream was refused' },
  'rolled-back': { retry: 'never', says: 'a configuration from upstream did not run well, and the one before is in force again' },
  usage: { retry: 'never', says: 'the command was not understood' },
  // field bus
  'bus-open': { retry: 'later', says: 'the port or connection cannot be opened' },
  'bus-closed': { retry: 'now', says: 'the port or connection is not open' },
  timeout: { retry: 'now', says: 'no answer within the time-out' },
  crc: { retry: 'now', says: 'the reply is damaged (checksum)' },
  'bad-reply': { retry: 'now', says: 'the reply does not belong to the request' },
  exception: { retry: 'later', says: 'the device answered with a Modbus exception' },
  'write-refused': { retry: 'never', says: 'the value may not be written' },
  'write-failed': { retry: 'later', says: 'the device did not take the value' },
  'hook-failed': { retry: 'later', says: 'a program that a rule started failed' },
  'request-invalid': { retry: 'never', says: 'the request is not allowed by the protocol' },
  // log
  'log-open': { retry: 'never', says: 'the log cannot be opened' },
  'log-newer': { retry: 'never', says: 'the log was written by a newer version' },
  'log-write': { retry: 'later', says: 'the log cannot be written' },
  'log-read': { retry: 'later', says: 'the log cannot be read' },
  // forwarding
  'upstream-connect': { retry: 'later', says: 'the upstream broker cannot be reached' },
  'upstream-refused': { retry: 'never', says: 'the upstream broker refused a batch' },
  'upstream-busy': { retry: 'later', says: 'the upstream broker does not take it now' },
  'upstream-too-large': { retry: 'later', says: 'a message is larger than the upstream broker takes' },
  'upstream-timeout': { retry: 'later', says: 'the upstream broker did not acknowledge in time' },
  'upstream-protocol': { retry: 'later', says: 'the upstream broker broke the protocol or a limit' },
  'bundle-refused': { retry: 'never', says: 'a bundle, a receipt or a stick is not what it has to be' },
  'backup-refused': { retry: 'never', says: 'a backup is not what it has to be, or cannot be put back here' },
  'update-refused': { retry: 'never', says: 'an update is not what it has to be' },
  'update-unreachable': { retry: 'later', says: 'an update cannot be fetched now' },
  'update-unsupported': { retry: 'never', says: 'this system is not updated in this way' },
  'update-failed': { retry: 'later', says: 'an update could not be written' },
  recording: { retry: 'never', says: 'a recording of readings cannot be understood' },
  'tls-files': { retry: 'never', says: 'the key and the certificate of a listener cannot be used' },
  'listen-failed': { retry: 'later', says: 'a local address cannot be listened on' },
  // running gateway
  busy: { retry: 'later', says: 'too much waits already' },
  expired: { retry: 'never', says: 'the command came too late' },
  'outcome-unknown': { retry: 'never', says: 'it is not known whether the command was done' },
  'clock-unknown': { retry: 'later', says: 'the gateway does not know the time' },
  'not-running': { retry: 'later', says: 'no running gateway answers' },
  'restart-failed': { retry: 'later', says: 'Node-RED was ended and did not start again' },
  'already-running': { retry: 'never', says: 'another gateway uses this state directory' },
  conflict: { retry: 'never', says: 'somebody else changed it first' },
  'not-found': { retry: 'never', says: 'there is no such thing' },
  forbidden: { retry: 'never', says: 'who asks may not do this' },
  // accounts
  unauthorized: { retry: 'never', says: 'name, password, token or certificate is not right' },
  throttled: { retry: 'later', says: 'too many failed tries; nothing was checked' },
  exists: { retry: 'never', says: 'there is one already' },
  'access-locked': { retry: 'never', says: 'the accounts cannot be read' },
  'access-write': { retry: 'later', says: 'the accounts cannot be written' },
  unsupported: { retry: 'never', says: 'this machine cannot run the gateway' },
  internal: { retry: 'never', says: 'a fault of the gateway itself' },
} as const satisfies Record<string, { retry: Retry; says: string }>;

export type Retry = 'now' | 'later' | 'never';
export type ErrorCode = keyof typeof ERRORS;

export class SluiceError extends Error {
  readonly code: ErrorCode;
  /** Facts for a log line or a program; never a secret. */
  readonly data: Readonly<Record<string, unknown>>;

  /** @param message a sentence that says what is wrong and what to do; without it the table's words stand. */
  constructor(code: ErrorCode, message?: string, options: { cause?: unknown; data?: Record<string, unknown> } = {}) {
    super(message ?? ERRORS[code].says, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.data = options.data ?? {};
  }

  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
}

/** Anything that was thrown, as an Error (libraries throw plain objects and strings). */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown)
    return new Error(String(thrown.message), { cause: thrown });
  return new Error(String(thrown));
}
