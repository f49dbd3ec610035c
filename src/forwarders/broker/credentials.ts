/**
 * Who the clients of the broker are, and what follows from it. Invariants:
 * - A client id belongs to its credential: the broker knows a client of an account as `owner/id`. Two credentials with one id
 *   neither end each other's connection nor see each other's session.
 * - Anonymous clients keep their id, which must not look like that of an account.
 * - A credential that is removed or changed ends its connections.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { AuthenticateError, Client, ConnectPacket } from 'aedes';
import type { MqttAccess, MqttCredential } from '../../core/access-ports.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { dropWill } from '../patches/aedes.ts';
import { ANONYMOUS } from './topic-rules.ts';
import type { TurnedAwayFor } from './turned-away.ts';

/** Everybody at a broker without accounts. */
const NOBODY: MqttCredential = {
  ...{ principal: { who: 'anonymous', door: 'mqtt', role: 'viewer' }, owner: ANONYMOUS },
  ...{ subscribe: [], publish: [] },
};
const OWNED = /^(user|device|token):/;

export interface Refused {
  /** The return code in the CONNACK. */
  readonly code: 2 | 3 | 4 | 5;
  readonly why: string;
  readonly kind: TurnedAwayFor;
}

export class Credentials {
  readonly #access: MqttAccess | undefined;
  readonly #known = new WeakMap<Client, MqttCredential>();
  readonly #packets = new WeakMap<Client, ConnectPacket>();

  constructor(access: MqttAccess | undefined) {
    this.#access = access;
  }

  /** Before the log-in. */
  connects(client: Client, packet: ConnectPacket): void {
    this.#packets.set(client, packet);
  }

  of(client: Client): MqttCredential {
    return this.#known.get(client) ?? NOBODY;
  }

  /** Resolves with why it may not come in; undefined: it may, and has its id. Never rejects. */
  async check(
    client: Client,
    username: string | undefined,
    password: Uint8Array | undefined,
    socket: Socket,
  ): Promise<Refused | undefined> {
    const access = this.#access;
    let credential = NOBODY;
    if (access === undefined) {
      // Taking a name would look as if it had been checked.
      if (username !== undefined) return { code: 4, why: 'bad user name or password', kind: 'password' };
    } else {
      try {
        credential = await access.logIn({
          ...{ clientId: client.id, username, password, certificate: certificateOf(socket) },
          caller: { address: socket.remoteAddress ?? '0.0.0.0', door: 'mqtt' },
        });
      } catch (thrown) {
        const { code, message } = thrown instanceof SluiceError ? thrown : new SluiceError('internal', toError(thrown).message);
        if (code === 'throttled') return { code: 3, why: message, kind: 'throttled' };
        return { code: username === undefined ? 5 : 4, why: message, kind: username === undefined ? 'anonymous' : 'password' };
      }
    }
    if (credential.owner !== ANONYMOUS) client.id = `${credential.owner}/${client.id}`;
    else if (OWNED.test(client.id)) return { code: 2, why: 'identifier rejected', kind: 'id' };
    this.#known.set(client, credential);
    return undefined;
  }

  /** The will of a client that may not publish it is dropped, as if it had none. @returns whether it has one */
  will(client: Client, allowed: (credential: MqttCredential, topic: string) => boolean): boolean {
    const packet = this.#packets.get(client);
    this.#packets.delete(client);
    const will = packet?.will;
    if (packet === undefined || will === undefined) return false;
    if (allowed(this.of(client), will.topic)) return true;
    delete packet.will;
    dropWill(client);
    return false;
  }
}

export function refusalError({ code, why }: Refused): AuthenticateError {
  return Object.assign(new Error(why), { returnCode: code }) as AuthenticateError;
}

/** SHA-256 of the certificate that the peer showed and proved to own. */
function certificateOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { fingerprint256 } = socket.getPeerCertificate();
  return typeof fingerprint256 === 'string' ? fingerprint256.replaceAll(':', '').toLowerCase() : undefined;
}
