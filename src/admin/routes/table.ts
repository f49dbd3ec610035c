/**
 * The one table of routes, for every door. The API, its list of permissions, the OpenAPI description and the reference page follow
 * from it.
 */
import { ACCOUNTS } from './accounts.ts';
import { COMMANDS } from './commands.ts';
import { HISTORY } from './history.ts';
import { LOOK } from './look.ts';
import type { Permission, Route } from './route.ts';
import { SESSION } from './session.ts';
import { WIRE } from './wire.ts';

export const ROUTES: readonly Route[] = [...LOOK, ...HISTORY, ...COMMANDS, ...WIRE, ...ACCOUNTS, ...SESSION];

/** What each route needs, and whether the command port decides. */
export const ROUTE_PERMISSIONS: readonly Permission[] = ROUTES.map(({ method, path, action, kind }) => ({
  ...{ method, path, action, kind },
}));
