/** The commands that somebody far away may ask for. Everything that is not named is denied. */
import * as z from 'zod';

const NAME = '[a-z0-9][a-z0-9_-]*';
const DEVICE_OR_RULE = new RegExp(`^(\\*|${NAME})$`);
const POINTS = new RegExp(`^(\\*|${NAME}\\.(\\*|${NAME}))$`);
const some = (pattern: RegExp, words: string) => z.array(z.string().regex(pattern, words)).min(1).max(100).optional();

/** The output is a `Grant` (core/remote-commands.ts). */
export const grantSchema = () =>
  z.strictObject({
    write: some(POINTS, 'write device.point, device.* or "*"').describe(
      'Points that may be written: `device.point`, `device.*` or `*`. The bounds of each point hold as well.',
    ),
    read: some(DEVICE_OR_RULE, 'write the name of a device, or "*"').describe('Devices that may be read at once, or `*`.'),
    ack: some(DEVICE_OR_RULE, 'write the name of a rule, or "*"').describe('Rules whose alarms may be acknowledged, or `*`.'),
    shelve: some(DEVICE_OR_RULE, 'write the name of a rule, or "*"').describe('Rules whose alarms may be shelved, or `*`.'),
    reset: some(DEVICE_OR_RULE, 'write the name of a rule, or "*"').describe('Rules whose latched alarms may be reset, or `*`.'),
    outOfService: some(DEVICE_OR_RULE, 'write the name of a rule, or "*"').describe(
      'Rules whose alarms may be taken out of service and put in service again, or `*`.',
    ),
    reload: z.boolean().optional().describe('The configuration file may be read again.'),
    resend: z.boolean().optional().describe('Records may be asked for again.'),
    restartFlows: z.boolean().optional().describe('Node-RED may be restarted with the flows that it has (`restart-flows`).'),
  });

/** The grants of a forwarder. Clients of the embedded broker send no configurations. */
export const upstreamGrantSchema = () =>
  grantSchema().extend({
    configure: z
      .boolean()
      .optional()
      .describe('Configurations may be sent that a key of `gateway.configure.keys` signed (`configure`).'),
  });
