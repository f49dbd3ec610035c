/** The section `nodeRed`: whether Node-RED runs beside the gateway, as whom, and what its flows may do. */
import * as z from 'zod';
import { listeners } from './listener-schema.ts';
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

const NAME = '[a-z0-9][a-z0-9_-]*';
const some = (pattern: RegExp, words: string) => z.array(z.string().regex(pattern, words)).max(100).optional();
const rules = () => some(new RegExp(`^(\\*|${NAME})$`), 'write the name of a rule, or "*"');

/** The form of the grants for commands over MQTT (grants.ts). */
const grants = z.strictObject({
  write: some(new RegExp(`^(\\*|${NAME}\\.(\\*|${NAME}))$`), 'write device.point, device.* or "*"').describe(
    'Points that flows may write: `device.point`, `device.*` or `*`. The bounds of each point hold as well.',
  ),
  acknowledge: rules().describe('Rules whose alarms flows may acknowledge, or `*`.'),
  shelve: rules().describe('Rules whose alarms flows may shelve, or `*`.'),
  reset: rules().describe('Rules whose latched alarms flows may reset, or `*`.'),
  outOfService: rules().describe('Rules whose alarms flows may take out of service and put in service again, or `*`.'),
});

const editor = z.strictObject({
  listen: listeners(1880, 'passwords, sessions and flows').describe('Where browsers reach the editor: one address, or a list.'),
});

const http = z.strictObject({
  listen: listeners(1881, 'passwords, sessions and what flows answer').describe(
    'Where browsers and programs reach HTTP-in nodes: one address, or a list.',
  ),
  logIn: z
    .enum(['required', 'open'])
    .prefault('required')
    .describe(
      '`required`: people log in with the role flow-editor or a higher one, and programs send a token with such a role. `open`: everybody who reaches the address may call every HTTP-in node.',
    ),
});

/** With less, Node-RED does not start. */
const LEAST_MEMORY = 96 * 1024 ** 2;

/** Node-RED writes its own files, and loads the nodes of a small palette. */
const LEAST_DISK = 16 * 1024 ** 2;
const MOST_DISK = 1024 ** 4;

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
  disk: size({ min: LEAST_DISK, max: MOST_DISK })
    .prefault('256MB')
    .describe(
      'Space that the folder of Node-RED may take on the disk, at most a quarter of its file system. Each file counts 4kB at least. Beyond it, flows are stopped until files are removed or this value is raised. No single file of flows grows beyond it.',
    ),
  safeMode: z
    .enum(['afterCrashes', 'never'])
    .prefault('afterCrashes')
    .describe(
      '`afterCrashes`: after 5 crashes within an hour Node-RED starts with its flows stopped, until somebody deploys. `never`: flows start after any number of crashes.',
    ),
  grants: grants
    .prefault({})
    .describe(
      'Rights of flows on the socket of the gateway, beside reading. All flows share these grants, and everybody who may deploy has them. Nothing by default.',
    ),
  editor: editor
    .optional()
    .describe('The editor in a browser. People log in with the role flow-editor or administrator. Without this key it is off.'),
  http: http
    .optional()
    .describe(
      'HTTP-in nodes of flows, at an address of their own, without the prefix `/http-in`. Without this key nobody reaches them.',
    ),
  allow: allow.prefault({}).describe('Rights of flows beyond messages and network connections. All of them are off by default.'),
});

/** One user: which one would count is a guess otherwise. */
export const nodeRedSection = keys.refine(({ user, unsafeSameUser }) => user === undefined || !unsafeSameUser, {
  path: ['unsafeSameUser'],
  message: 'write either user or unsafeSameUser; with unsafeSameUser Node-RED runs under the user of the gateway',
});

export type NodeRedConfig = Readonly<z.output<typeof nodeRedSection>>;
