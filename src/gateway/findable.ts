/** The gateway in the local network, by name: announced only while the status page is open to it over TLS. */
import type { AdminServer } from '../admin/admin-server.ts';
import { MdnsResponder } from '../admin/mdns/responder.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { LOOPBACK } from '../config/sections.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { macSuffix } from '../provisioning/machine.ts';

interface Side {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function findable(g: Side, admin: () => Pick<AdminServer, 'http'> | undefined): MdnsResponder {
  const end = macSuffix('/');
  return new MdnsResponder({
    ...{ clock: g.clock, logger: g.logger },
    announced: () => {
      const { dashboard, gateway } = g.config;
      if (dashboard?.announce !== true) return undefined;
      const open = admin()
        ?.http()
        .listeners.find(({ host, tls, fault }) => tls && fault === undefined && !LOOPBACK.test(host));
      // A name of a host takes no underscore.
      const host = end === undefined ? gateway.id.replaceAll('_', '-') : `sluice-${end}`;
      return open === undefined ? undefined : { instance: gateway.id, host, port: open.port };
    },
  });
}
