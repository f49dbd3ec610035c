/** Opens one connection to a broker as a forwarder does, and says how it ended. */
import { systemClock } from '../../src/core/clock.ts';
import { toError } from '../../src/core/errors.ts';
import { parseBrokerUrl } from '../../src/forwarders/mqtt/address.ts';
import { Connection } from '../../src/forwarders/mqtt/connection.ts';
import type { ConnectionOptions } from '../../src/forwarders/mqtt/connection-options.ts';
import { failureOf } from '../../src/forwarders/mqtt/retry-plan.ts';
import { readTls, type TlsSettings } from '../../src/forwarders/mqtt/wire/tls-material.ts';

export type Opening = Partial<Omit<ConnectionOptions, 'tls'>> & { readonly tls?: TlsSettings };

/** The caller ends it. @throws ConnectError */
export async function openUpstream(url: string, { tls, ...more }: Opening = {}): Promise<Connection> {
  const address = parseBrokerUrl(url);
  if ('wrong' in address) throw new Error(address.wrong);
  return Connection.open({
    ...address,
    ...{ clientId: 'sluice-g1-cloud', will: undefined, connectTimeout: 60_000, ackTimeout: 60_000 },
    ...{ clock: systemClock, signal: new AbortController().signal, tls: await readTls(tls) },
    ...more,
  });
}

/** The kind of failure and its words, or `none` and `it was taken`. */
export async function upstreamFault(url: string, opening: Opening = {}): Promise<[string, string]> {
  try {
    (await openUpstream(url, opening)).destroy();
    return ['none', 'it was taken'];
  } catch (thrown) {
    const error = toError(thrown);
    return [failureOf(error), error.message];
  }
}
