/** The gateway in the local network, by name: announced only while the status page is open to it over TLS. */
import type { AdminServer } from '../admin/admin-server.ts';
import type { Announced } from '../admin/mdns/answers.ts';
import { MdnsResponder } from '../admin/mdns/responder.ts';
import type { HttpStatus } from '../admin/target.ts';
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

/** Letters of a label of DNS (RFC 1035, section 2.3.4). A longer one cannot be sent. */
const LONGEST_LABEL = 63;

export function findable(g: Side, admin: () => Pick<AdminServer, 'http'> | undefined): MdnsResponder {
  const end = macSuffix('/');
  return new MdnsResponder({
    ...{ clock: g.clock, logger: g.logger },
    announced: () => announcedOf(g.config, admin()?.http().listeners ?? [], end),
  });
}

/** @param end of the hardware address, where there is one. @returns undefined: nothing of the gateway is open to the network over TLS */
export function announcedOf(
  { dashboard, gateway }: Pick<GatewayConfig, 'dashboard' | 'gateway'>,
  listeners: readonly Pick<HttpStatus['listeners'][number], 'host' | 'port' | 'tls' | 'fault'>[],
  end: string | undefined,
): Announced | undefined {
  if (dashboard?.announce !== true) return undefined;
  const open = listeners.find(({ host, tls, fault }) => tls && fault === undefined && !LOOPBACK.test(host));
  if (open === undefined) return undefined;
  const instance = gateway.id.slice(0, LONGEST_LABEL);
  // A name of a host takes no underscore, and ends with a letter or digit.
  const host = end === undefined ? instance.replaceAll('_', '-').replace(/-+$/, '') : `sluice-${end}`;
  return { instance, host, port: open.port };
}
