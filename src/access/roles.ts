/**
 * The one table of permissions. It holds behind each door (socket, HTTPS, MQTT, Node-RED): a door finds out who asks, and asks here.
 * What is not allowed here is refused.
 */
import { type Action, type Principal, ROLES, type Role } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';

/** The least role that may. `everybody`: also who has not said who he is. */
export const PERMISSIONS: Readonly<Record<Action, Role | 'everybody'>> = {
  health: 'everybody',
  claim: 'everybody',
  'log-in': 'everybody',
  session: 'viewer',
  status: 'viewer',
  readings: 'viewer',
  history: 'viewer',
  flows: 'flow-editor',
  'restart-flows': 'flow-editor',
  read: 'operator',
  exchange: 'operator',
  capture: 'operator',
  write: 'operator',
  safe: 'operator',
  acknowledge: 'operator',
  shelve: 'operator',
  reset: 'operator',
  'out-of-service': 'operator',
  'in-service': 'operator',
  resend: 'operator',
  bundle: 'operator',
  reload: 'administrator',
  configure: 'administrator',
  configuration: 'administrator',
  accounts: 'administrator',
  'claim-code': 'administrator',
  'broker-status': 'administrator',
};
/** The holders of each role on the socket, for the message to a caller without it. */
const HOLDERS: Readonly<Record<Role, string>> = {
  device: 'everybody who may open the socket',
  viewer: 'everybody who may open the socket',
  'flow-editor': 'members of the group sluice, root and the user of the gateway',
  operator: 'members of the group sluice, root and the user of the gateway',
  administrator: 'root and the user of the gateway',
};
/** What a caller hears that an action is. */
const WORDS: Partial<Record<Action, string>> = {
  accounts: 'managing users and tokens',
  'claim-code': 'the claim code',
  session: 'a session',
  'restart-flows': 'a restart of Node-RED',
  'broker-status': 'the state of the broker ($SYS)',
};

/** Roles that people and programs can be given. */
export const PEOPLE_ROLES: readonly Role[] = ROLES.filter((role) => role !== 'device');

/** @param by undefined: somebody who has not said who he is */
export function may(by: Pick<Principal, 'role'> | undefined, action: Action): boolean {
  const needed = PERMISSIONS[action];
  return needed === 'everybody' || (by !== undefined && ROLES.indexOf(by.role) >= ROLES.indexOf(needed));
}

/** @throws SluiceError forbidden; it does not say whether what was named exists */
export function assertMay(by: Principal, action: Action): void {
  const needed = PERMISSIONS[action];
  if (needed === 'everybody' || may(by, action)) return;
  const who =
    by.door === 'socket'
      ? `on the socket ${HOLDERS[needed]} may${action === 'reload' ? '; `systemctl reload sluice` or SIGHUP does the same' : ''}`
      : 'an administrator can give that role';
  throw new SluiceError('forbidden', `${WORDS[action] ?? action} needs the role ${needed}, and ${by.who} is ${by.role}: ${who}`, {
    data: { sent: false },
  });
}
