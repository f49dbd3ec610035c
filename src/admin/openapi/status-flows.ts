/** The schema of Node-RED in the status. */
import { FLOW_STATES } from '../../core/flow-supervisor.ts';
import type { FlowsReport } from '../target.ts';
import { count, flag, moment, number, shape, text, word } from './parts.ts';
import { frontDoor } from './status-listeners.ts';

export const flows = shape<FlowsReport>({
  state: word(FLOW_STATES, 'the state of Node-RED'),
  since: moment('when the state began'),
  reason: text('why it is in this state').optional(),
  fault: text('why no flow runs although Node-RED does; absent while nothing is missing').optional(),
  nextStart: moment('when it starts again').nullable(),
  runsAs: word(['service', 'user', 'same-user'], 'what Node-RED runs as'),
  version: text('the version of Node-RED').optional(),
  pid: count('the process').optional(),
  memory: shape<NonNullable<FlowsReport['memory']>>({
    resident: count('bytes in memory'),
    proportional: count('bytes in memory, shared pages counted by share').optional(),
  }).optional(),
  safeMode: text('why the flows do not run').optional(),
  disk: shape<NonNullable<FlowsReport['disk']>>({
    used: count('bytes that the folder of Node-RED takes, as measured last').optional(),
    most: count('bytes that it may take'),
    free: count('bytes free on the disk of the gateway').optional(),
    spare: count('bytes that are kept for the log'),
    full: text('why flows are stopped for the disk; absent while there is room').optional(),
  })
    .describe('what flows take of the disk')
    .optional(),
  restarts: count('starts after it ended by itself'),
  crashes: count('ends by itself within the last hour'),
  checkTime: number('how long the last message took through it, ms').optional(),
  door: shape<NonNullable<FlowsReport['door']>>({
    open: flag('whether flows can connect'),
    fault: text('why the socket cannot be made').optional(),
    connections: count('clients with the token'),
    subscriptions: count('their subscriptions'),
    lines: count('lines of clients'),
    faults: count('lines that were none'),
    refusedHellos: count('connections with a wrong token or a wrong first line'),
    refusedConnections: count('connections that were closed because there were too many'),
    readings: count('readings that clients were given'),
    alarms: count('transitions of alarms that clients were given'),
    dropped: count('readings and transitions that were dropped because a client took too few'),
    slow: text('a flow takes fewer readings than come; absent while nothing was dropped for a minute').optional(),
    calls: count('calls'),
    commands: count('calls that acted'),
    refusedCommands: count('calls that would act and were refused or failed'),
    puts: count('readings of flows that were taken'),
    refusedPuts: count('readings of flows that were refused'),
    leftOutPuts: count('readings of flows that newer ones replaced because there were too many'),
  })
    .describe('the socket for flows; counts since the start')
    .optional(),
  lines: shape<FlowsReport['lines']>({ passed: count('lines in the log'), suppressed: count('lines that were left out') }),
  front: shape<NonNullable<FlowsReport['front']>>({
    editor: frontDoor.describe('where browsers reach the editor').optional(),
    'http-in': frontDoor.describe('where HTTP-in nodes answer').optional(),
  }).optional(),
}).describe('Node-RED beside the gateway');
