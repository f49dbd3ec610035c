/** Which role an action needs. The same table holds behind each door; what is not allowed here is refused. */
import { type Action, type Principal, ROLES, type Role } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';

const NEEDS: Readonly<Record<Action, Role>> = {
  read: 'operator',
  exchange: 'operator',
  capture: 'operator',
  write: 'operator',
  safe: 'operator',
  acknowledge: 'operator',
  shelve: 'operator',
  resend: 'operator',
  reload: 'administrator',
};
/** The holders of each role, for the message to a caller without it. */
const HOLDERS: Readonly<Record<Role, string>> = {
  viewer: 'everybody who may open the socket',
  'flow-editor': 'members of the group sluice, root and the user of the gateway',
  operator: 'members of the group sluice, root and the user of the gateway',
  administrator: 'root and the user of the gateway',
};

export function may({ role }: Principal, action: Action): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(NEEDS[action]);
}

/** @throws SluiceError forbidden; it does not say whether what was named exists */
export function assertMay(by: Principal, action: Action): void {
  if (may(by, action)) return;
  const needed = NEEDS[action];
  throw new SluiceError(
    'forbidden',
    `${action} needs the role ${needed}, and ${by.who} is ${by.role}: on the socket ${HOLDERS[needed]} may${action === 'reload' ? '; `systemctl reload sluice` or SIGHUP does the same' : ''}`,
    { data: { sent: false } },
  );
}
