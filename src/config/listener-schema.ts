/** The schema of the addresses on which a part of the gateway listens. */
import * as z from 'zod';

/** Addresses of the broker, and of each kind of HTTP; forwarders/broker/limits.ts and admin/limits.ts have the same number. */
const MOST_LISTENERS = 8;

/** @param readable what others can read without TLS */
const listener = (port: number, readable: string) =>
  z.strictObject({
    host: z
      .string()
      .min(1)
      .max(253)
      .prefault('127.0.0.1')
      .describe(
        'Address to listen on. `0.0.0.0` and `::` are all addresses of this machine. An address that others reach needs `tls`; clients there need an account.',
      ),
    port: z.number().int().min(0).max(65535).prefault(port).describe('TCP port. 0 lets the system choose.'),
    insecure: z
      .literal(true)
      .optional()
      .describe(`Allows an address that others reach without \`tls\`. Everybody on that network can then read ${readable}.`),
    tls: z
      .union([
        z.literal(true),
        z.strictObject({
          cert: z.string().min(1).describe('PEM file with the certificate, and those between it and its authority.'),
          key: z.string().min(1).describe('PEM file with the private key, without a passphrase.'),
        }),
      ])
      .optional()
      .describe(
        'TLS on this address. `true`: with a certificate that the gateway makes and renews; its authority is `tls/ca.crt` in the state directory. Or the two files of a certificate of yours; a relative path starts at the folder of this file.',
      ),
  });

/** One address or several; always a list afterwards. */
export const listeners = (port: number, readable: string) => {
  const one = listener(port, readable);
  return z
    .union([one, z.array(one).min(1).max(MOST_LISTENERS)], {
      error: ({ input }) =>
        typeof input === 'object'
          ? undefined
          : `write an address, for example {host: 127.0.0.1, port: ${port}}, or a list of them`,
    })
    .prefault({})
    .transform((written) => (Array.isArray(written) ? written : [written]));
};
