/** The section `nodeRed`: whether Node-RED runs beside the gateway, as whom, and what its flows may do. */
import * as z from 'zod';
import { size } from './schema-parts.ts';

const may = (what: string) => z.boolean().prefault(false).describe(what);

const allow = z.strictObject({
  exec: may('Flows may start programs. The exec node is there.'),
  files: may('Flows may read and write files outside the folder of Node-RED, as far as its user may.'),
  palette: may(
    'People may install palettes in the editor. Their code comes from outside and may start programs. It needs npm and a network.',
  ),
  modules: may(
    'Function nodes may use npm modules, and fetch those that are missing. Modules may start programs. It needs npm and a network.',
  ),
});

/** With less, Node-RED does not start. */
const LEAST_MEMORY = 96 * 1024 ** 2;

const keys = z.strictObject({
  enabled: z.boolean().prefault(false).describe('Runs Node-RED beside the gateway. It is installed apart from the gateway.'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'write the name of a user of this machine, for example sluice-flows')
    .optional()
    .describe(
      'Runs Node-RED under this user, as a child of the gateway. The gateway must run as root for that. Without this key systemd runs it, as `sluice-node-red.service`.',
    ),
  unsafeSameUser: z
    .boolean()
    .prefault(false)
    .describe(
      'Runs Node-RED under the user of the gateway. Every flow can then end the gateway, read its secrets and change its log. For trials only.',
    ),
  memory: size({ min: LEAST_MEMORY })
    .prefault('160MB')
    .describe(
      'Memory that Node-RED may use. Three fifths are for the objects of flows. Beyond it, Node-RED ends and starts again.',
    ),
  safeMode: z
    .enum(['afterCrashes', 'never'])
    .prefault('afterCrashes')
    .describe(
      '`afterCrashes`: after 5 crashes within an hour Node-RED starts with its flows stopped, until somebody deploys. `never`: flows always start.',
    ),
  allow: allow.prefault({}).describe('Rights of flows beyond messages and network connections. All of them are off by default.'),
});

/** One user: which one would count is a guess otherwise. */
export const nodeRedSection = keys.refine(({ user, unsafeSameUser }) => user === undefined || !unsafeSameUser, {
  path: ['unsafeSameUser'],
  message: 'write either user or unsafeSameUser; with unsafeSameUser Node-RED runs under the user of the gateway',
});

export type NodeRedConfig = Readonly<z.output<typeof nodeRedSection>>;
