/** Kinds of failure of a connection to a broker; when it is tried again depends on them. */
export const FAILURES = [
  'refused',
  'unreachable',
  'hung-up',
  'silent',
  'login',
  'tls',
  'files',
  'busy',
  'protocol',
  'lost',
] as const;
/**
 * - `refused`: nothing listens on the port, and the host says so at once;
 * - `unreachable`: no way to the host, known at once;
 * - `hung-up`: taken and closed before a CONNACK, as a proxy does whose broker is away;
 * - `silent`: no answer, or the name cannot be resolved;
 * - `login`: the broker said no;
 * - `tls`: one side did not accept the certificate of the other, or TLS itself;
 * - `files`: a certificate, key or password of this gateway cannot be read;
 * - `busy`: the broker takes nobody now, or this gateway not now;
 * - `protocol`: the broker broke the protocol or a limit;
 * - `lost`: the connection was made and broke.
 */
export type Failure = (typeof FAILURES)[number];
