/** The listeners of HTTP and HTTPS that a configuration asks for. */
import type { WebListen } from '../admin/web-listener.ts';
import type { GatewayConfig, Listen } from '../config/kinds.ts';
import { LOOPBACK } from '../config/sections.ts';
import type { Logger } from '../core/logger.ts';
import type { TlsSources } from './tls-sources.ts';

/** Starts what their certificates need. */
export function webListen(dashboard: GatewayConfig['dashboard'], tls: Pick<TlsSources, 'of'>): WebListen[] {
  return (dashboard?.listen ?? []).map((listen) => {
    const { host, port, tls: asked } = listen;
    const door = asked !== undefined ? 'https' : LOOPBACK.test(host) ? 'http' : 'open';
    return { host, port, door, key: JSON.stringify([host, port, asked ?? null]), ...(asked && { tls: tls.of(asked) }) };
  });
}

/** What the configuration opens to everybody on a network is reported at each start. */
export function warnOfOpen(listen: readonly Listen[], logger: Logger): void {
  for (const { host, port, insecure } of listen)
    if (insecure === true)
      logger.warn(
        { host, port },
        'HTTP listens without TLS where other machines reach it, as the configuration says (insecure): everybody on that network can read passwords, sessions and readings.',
      );
}
