/** The doors to the API: who calls, and what a door answers at all. web-doors.ts has those of HTTP. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { may } from '../access/roles.ts';
import { KEY_HEADER } from '../access/shown-key.ts';
import type { SocketCallers } from '../access/socket-callers.ts';
import type { Caller } from '../core/access-ports.ts';
import type { Principal } from '../core/commands.ts';
import type { Asset } from './assets.ts';
import { isOfAnotherSite } from './host-check.ts';
import type { Identity, WebSession } from './identity.ts';
import { HttpError } from './respond.ts';
import type { Permission } from './routes/route.ts';
import type { WebDoor } from './web-listener.ts';

export interface AdminDoor {
  readonly name: 'socket' | WebDoor;
  /** Before anything is looked up. @throws HttpError */
  admit(req: IncomingMessage, pathname: string): void;
  /** A file of the pages. */
  page(pathname: string): Asset | undefined;
  /** Whether the route is open here to anybody. */
  offers(route: Permission): boolean;
  callerOf(req: IncomingMessage): Caller;
  /** Who calls a route. @throws HttpError, SluiceError forbidden, unauthorized, throttled: nobody who may */
  identify(req: IncomingMessage, route: Permission): Promise<Identity>;
  /** undefined: there are no sessions at this door. */
  session(req: IncomingMessage, res: ServerResponse): WebSession | undefined;
}

/** Who may open the socket, or loopback HTTP before the claim, may at least look; the kernel is not asked who it is. */
export const ANYBODY: Principal = { who: 'anybody', door: 'socket', role: 'viewer' };
export const isLook = ({ method, kind, action }: Permission): boolean =>
  method === 'GET' && kind === 'needs' && may(ANYBODY, action);

export const FOREIGN_ORIGIN = 'pages of other sites get no answer; open the address of the gateway itself';

/** The kernel says who calls. It is asked only for what not everybody at the socket may do. */
export function socketDoor(callers: SocketCallers): AdminDoor {
  return {
    name: 'socket',
    admit: ({ headers }) => {
      if (isOfAnotherSite(headers, 'http')) throw new HttpError(403, 'foreign-origin', FOREIGN_ORIGIN);
    },
    page: () => undefined,
    offers: () => true,
    callerOf: () => ({ address: undefined, door: 'socket' }),
    identify: async (req, route) => ({
      by: isLook(route) ? ANYBODY : await callers.principal(req.socket, req.headers[KEY_HEADER]),
    }),
    session: () => undefined,
  };
}
