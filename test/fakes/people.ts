/** Nobody has an account, and the gateway waits for its claim. */
import type { PeopleAccess } from '../../src/core/access-ports.ts';
import { SluiceError } from '../../src/core/errors.ts';

const refused = async (): Promise<never> => {
  throw new SluiceError('unauthorized');
};

export const nobodysAccess: PeopleAccess = {
  claimed: false,
  logIn: refused,
  session: () => undefined,
  logOut: () => {},
  ticket: () => {
    throw new SluiceError('unauthorized');
  },
  redeem: () => {
    throw new SluiceError('unauthorized');
  },
  token: refused,
  holds: () => false,
  onRevoked: () => () => {},
  claim: refused,
  changePassword: refused,
};
