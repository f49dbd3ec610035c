/**
 * The one table of routes, for every door. The API, its list of permissions, the OpenAPI description and the reference page follow
 * from it.
 */
import { JSON_TYPE } from '../respond.ts';
import { ACCOUNTS } from './accounts.ts';
import { BUNDLES } from './bundles.ts';
import { COMMANDS } from './commands.ts';
import { EDITOR } from './editor.ts';
import { FLOWS } from './flows.ts';
import { HISTORY } from './history.ts';
import { LOOK } from './look.ts';
import { type Permission, type Route, writingRoute } from './route.ts';
import { SESSION } from './session.ts';
import { WIRE } from './wire.ts';

const DESCRIPTION = writingRoute({
  ...{ method: 'GET', path: '/api/v1/openapi.json', needs: 'status', answers: { types: [JSON_TYPE], schema: 'Description' } },
  packs: true,
  says: 'This description of the API, in OpenAPI 3.1.',
  // Made when it is first asked for: the schemas of the answers are not loaded before.
  run: async (_, { res, packing }) => {
    const { descriptionText } = await import('../openapi/description.ts');
    await packing.text(res, JSON_TYPE, descriptionText(ROUTES));
  },
});

export const ROUTES: readonly Route[] = [
  ...LOOK,
  DESCRIPTION,
  ...HISTORY,
  ...BUNDLES,
  ...COMMANDS,
  ...WIRE,
  ...FLOWS,
  ...ACCOUNTS,
  ...SESSION,
  ...EDITOR,
];

/** What each route needs, and whether the command port decides. */
export const ROUTE_PERMISSIONS: readonly Permission[] = ROUTES.map(({ method, path, action, kind }) => ({
  ...{ method, path, action, kind },
}));
