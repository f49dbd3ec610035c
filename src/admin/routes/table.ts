/**
 * The one table of routes, for every door. The API, its list of permissions, the OpenAPI description and the reference page follow
 * from it.
 */
import { JSON_TYPE, sendText } from '../respond.ts';
import { ACCOUNTS } from './accounts.ts';
import { COMMANDS } from './commands.ts';
import { HISTORY } from './history.ts';
import { LOOK } from './look.ts';
import { type Permission, type Route, writingRoute } from './route.ts';
import { SESSION } from './session.ts';
import { WIRE } from './wire.ts';

const DESCRIPTION = writingRoute({
  ...{ method: 'GET', path: '/api/v1/openapi.json', needs: 'status', answers: { types: [JSON_TYPE], schema: 'Description' } },
  says: 'This description of the API, in OpenAPI 3.1.',
  // Made when it is first asked for: the schemas of the answers are not loaded before.
  run: async (_, { res }) => {
    const { descriptionText } = await import('../openapi/description.ts');
    sendText(res, 200, JSON_TYPE, descriptionText(ROUTES));
  },
});

export const ROUTES: readonly Route[] = [...LOOK, DESCRIPTION, ...HISTORY, ...COMMANDS, ...WIRE, ...ACCOUNTS, ...SESSION];

/** What each route needs, and whether the command port decides. */
export const ROUTE_PERMISSIONS: readonly Permission[] = ROUTES.map(({ method, path, action, kind }) => ({
  ...{ method, path, action, kind },
}));
