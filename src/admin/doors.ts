/** The doors to the API: who calls, and what a door answers at all. */
import type { IncomingMessage } from 'node:http';
import { may } from '../access/roles.ts';
import type { SocketCallers } from '../access/socket-callers.ts';
import type { Principal } from '../core/commands.ts';
import { isLocalHost } from './host-check.ts';
import { HttpError } from './respond.ts';
import type { Permission } from './routes/route.ts';

export interface AdminDoor {
  readonly name: 'socket' | 'http';
  /** Before anything is looked up. @throws HttpError */
  admit(req: IncomingMessage): void;
  /** Whether the route is open here to anybody. */
  offers(route: Permission): boolean;
  /** Who calls a route. @throws HttpError, SluiceError forbidden: nobody who may */
  identify(req: IncomingMessage, route: Permission): Promise<Principal>;
}

/** Who may open the socket, or loopback HTTP, may at least look; the kernel is not asked who it is. */
const ANYBODY: Principal = { who: 'anybody', door: 'socket', role: 'viewer' };
const isLook = ({ method, kind, action }: Permission): boolean => method === 'GET' && kind === 'needs' && may(ANYBODY, action);

/** The kernel says who calls. It is asked only for what not everybody at the socket may do. */
export function socketDoor(callers: SocketCallers): AdminDoor {
  return {
    name: 'socket',
    admit: () => {},
    offers: () => true,
    identify: async (req, route) => (isLook(route) ? ANYBODY : callers.principal(req.socket)),
  };
}

/** Loopback HTTP: what viewers may look at, and nothing else. */
export const loopbackDoor: AdminDoor = {
  name: 'http',
  admit: ({ headers }) => {
    if (!isLocalHost(headers.host))
      throw new HttpError(421, 'host-not-allowed', 'use an address, localhost or a .local name to reach the gateway');
  },
  offers: ({ method }) => method === 'GET',
  identify: async (_, route) => {
    if (isLook(route)) return ANYBODY;
    throw new HttpError(403, 'socket-only', 'this call works on the Unix socket only; use the command line of the gateway');
  },
};
