/** Accounts in the hands of an administrator. Who calls has been found to be one by the door; everything is audited here. */
import type { AccessStatus, AccountsAdmin, DeviceInfo, NewDevice, NewToken, TokenInfo, UserInfo } from '../core/access-ports.ts';
import type { Principal, Role } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import type { Change } from './access-audit.ts';
import {
  LONGEST_TOKEN,
  SHORTEST_TOKEN,
  tokenOf,
  withDevice,
  withoutToken,
  withoutUser,
  withPassword,
  withRole,
  withSecret,
  withToken,
  withUser,
} from './accounts.ts';
import { checkPassword, fingerprintOf } from './names.ts';
import type { AccessParts } from './parts.ts';
import { newDeviceSecret, newToken, newTokenId, sha256 } from './secrets.ts';

export class Administration implements AccountsAdmin {
  readonly #parts: AccessParts;

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  status(): AccessStatus {
    const { book, sessions, clock, audit } = this.#parts;
    const { users, devices, tokens } = book.accounts;
    return {
      ...{ state: book.state, fault: book.fault },
      ...{ users: users.length, devices: devices.length, tokens: tokens.length },
      ...{ sessions: sessions.count(clock.monotonic()), logIns: { ...audit.logIns } },
    };
  }

  users(): { readonly users: readonly UserInfo[]; readonly devices: readonly DeviceInfo[] } {
    const { book, sessions, clock } = this.#parts;
    const now = clock.monotonic();
    return {
      users: book.accounts.users.map(({ name, role }) => ({ name, role, sessions: sessions.count(now, name) })),
      devices: book.accounts.devices.map(({ name, certificate, publish, subscribe }) => ({
        ...{ name, credential: certificate === undefined ? 'password' : 'certificate', certificate, publish, subscribe },
      })),
    };
  }

  tokens(): readonly TokenInfo[] {
    const { book } = this.#parts;
    return book.accounts.tokens.map((token) => {
      const { id, name, role, expires } = token;
      return { id, name, role, expires, expired: book.isExpired(token) };
    });
  }

  addUser(user: { readonly name: string; readonly role: Role; readonly password: string }, by: Principal): Promise<void> {
    const { book, logIns, audit, random } = this.#parts;
    const { name, role } = user;
    return this.#audited('user-add', by, async () => {
      // Before the slow hash: what cannot be done is refused at once.
      withUser(book.accounts, { name, role, password: '' });
      checkPassword(user.password, name);
      const password = await logIns.hash(user.password, true);
      const id = newTokenId(random);
      await book.change((accounts) => withUser(accounts, { name, id, role, password }));
      audit.changed('user-add', `The user ${name} was added as ${role}`, by, { user: name, given: role });
    });
  }

  addDevice({ name, publish, subscribe, certificate: given }: NewDevice, by: Principal): Promise<string | undefined> {
    const { book, audit, random } = this.#parts;
    return this.#audited('device-add', by, async () => {
      const certificate = given === undefined ? undefined : fingerprintOf(given);
      const password = certificate === undefined ? newDeviceSecret(random) : undefined;
      const secret = password === undefined ? undefined : sha256(password);
      await book.change((accounts) =>
        withDevice(accounts, { name, id: newTokenId(random), secret, certificate, publish, subscribe }),
      );
      audit.changed('device-add', `The device ${name} was added`, by, { user: name });
      return password;
    });
  }

  setPassword(name: string, password: string, by: Principal): Promise<void> {
    const { book, logIns, audit } = this.#parts;
    return this.#audited('user-password', by, async () => {
      withPassword(book.accounts, name, '');
      checkPassword(password, name);
      const hash = await logIns.hash(password, true);
      await book.change((accounts) => withPassword(accounts, name, hash));
      audit.changed('user-password', `The user ${name} has a new password, set`, by, { user: name });
    });
  }

  renewSecret(name: string, by: Principal): Promise<string> {
    const { book, audit, random } = this.#parts;
    return this.#audited('device-password', by, async () => {
      const password = newDeviceSecret(random);
      await book.change((accounts) => withSecret(accounts, name, sha256(password)));
      audit.changed('device-password', `The device ${name} has a new password, made`, by, { user: name });
      return password;
    });
  }

  setRole(name: string, role: Role, by: Principal): Promise<void> {
    const { book, audit } = this.#parts;
    return this.#audited('user-role', by, async () => {
      await book.change((accounts) => withRole(accounts, name, role));
      audit.changed('user-role', `The user ${name} is ${role} now, changed`, by, { user: name, given: role });
    });
  }

  removeUser(name: string, by: Principal): Promise<void> {
    const { book, audit } = this.#parts;
    return this.#audited(book.device(name) === undefined ? 'user-remove' : 'device-remove', by, async () => {
      const isDevice = book.device(name) !== undefined;
      await book.change((accounts) => withoutUser(accounts, name));
      const message = `The ${isDevice ? 'device' : 'user'} ${name} was removed`;
      audit.changed(isDevice ? 'device-remove' : 'user-remove', message, by, { user: name });
    });
  }

  addToken(
    { name, role, lasts }: NewToken,
    by: Principal,
  ): Promise<{ readonly id: string; readonly token: string; readonly expires: number }> {
    const { book, audit, random, time } = this.#parts;
    return this.#audited('token-add', by, async () => {
      if (!Number.isSafeInteger(lasts) || lasts < SHORTEST_TOKEN || lasts > LONGEST_TOKEN)
        throw new SluiceError(
          'request-invalid',
          `a token lasts from ${formatDuration(SHORTEST_TOKEN)} to ${formatDuration(LONGEST_TOKEN)}: write for example 90d`,
        );
      const id = newTokenId(random);
      const token = newToken(id, random);
      const expires = Math.max(0, Math.round(time().utc)) + lasts;
      await book.change((accounts) => withToken(accounts, { id, name, role, secret: sha256(token), expires }));
      audit.changed('token-add', `The token ${name} was made for the role ${role}`, by, { user: name, given: role, token: id });
      return { id, token, expires };
    });
  }

  removeToken(name: string, by: Principal): Promise<void> {
    const { book, audit } = this.#parts;
    return this.#audited('token-remove', by, async () => {
      const removed = tokenOf(book.accounts, name);
      await book.change((accounts) => withoutToken(accounts, removed.id));
      audit.changed('token-remove', `The token ${removed.name} was removed`, by, { user: removed.name, token: removed.id });
    });
  }

  claimCode(): string | undefined {
    return this.#parts.book.code;
  }

  claimAgain(by: Principal): Promise<string> {
    const { book, audit, sessions } = this.#parts;
    return this.#audited('claim-again', by, async () => {
      const code = await book.clear();
      sessions.endAll();
      audit.changed('claim-again', 'All accounts were removed, and the gateway waits for its claim; asked for', by);
      return code;
    });
  }

  async #audited<R>(change: Change, by: Principal, work: () => Promise<R>): Promise<R> {
    try {
      return await work();
    } catch (thrown) {
      this.#parts.audit.failed(change, by, thrown);
      throw thrown;
    }
  }
}
