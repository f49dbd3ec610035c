/** Who a client of the embedded broker is. How it is checked follows from what it sent, never from whose name it is (log-ins.ts). */
import type { Caller, MqttAccess, MqttCredential, MqttLogin } from '../core/access-ports.ts';
import type { Role } from '../core/commands.ts';
import { isOfThisBoard } from '../core/peer-place.ts';
import type { Device } from './accounts.ts';
import type { AccessParts } from './parts.ts';
import { isDeviceSecret, tokenIdOf } from './secrets.ts';

export class MqttDoor implements MqttAccess {
  readonly #parts: AccessParts;

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  get claimed(): boolean {
    return this.#parts.book.state !== 'unclaimed';
  }

  onRevoked(listener: (owner: string) => void): () => void {
    return this.#parts.book.onRevoked(listener);
  }

  has(owner: string): boolean {
    const { book } = this.#parts;
    if (book.state === 'locked') return true;
    if (owner === 'anonymous') return !this.claimed;
    const name = owner.slice(owner.indexOf(':') + 1);
    if (owner.startsWith('user:')) return book.user(name) !== undefined;
    return (owner.startsWith('device:') ? book.device(name) : book.token(name)) !== undefined;
  }

  async logIn(login: MqttLogin): Promise<MqttCredential> {
    const credential = await this.#credential(login);
    this.#parts.audit.accepted(credential.principal, login.caller);
    return credential;
  }

  async #credential({ username, password, certificate, caller }: MqttLogin): Promise<MqttCredential> {
    const { logIns, book } = this.#parts;
    if (certificate !== undefined) {
      const device = book.deviceOfCertificate(certificate);
      if (device !== undefined && (username === undefined || username === device.name)) return ofDevice(device, caller);
      if (username === undefined) return ofDevice(logIns.certificate(certificate, caller), caller);
    }
    if (username === undefined) {
      if (password === undefined && !this.claimed && isOfThisBoard(caller.address)) return nobody(caller);
      throw logIns.refuse(this.claimed ? 'it gave no name' : 'the gateway is not claimed yet', caller);
    }
    const text = textOf(password);
    if (isDeviceSecret(text)) return ofDevice(logIns.device(username, text, caller), caller);
    if (tokenIdOf(text) !== undefined) {
      const { id, name, role } = logIns.token(text, username, caller);
      return person(name, role, `token:${id}`, caller);
    }
    const { user } = await logIns.person({ name: username, password: text, caller });
    return person(user.name, user.role, `user:${user.name}`, caller);
  }
}

function ofDevice({ name, publish, subscribe }: Device, { door }: Caller): MqttCredential {
  return { principal: { who: name, door, role: 'device' }, owner: `device:${name}`, publish, subscribe };
}

const person = (who: string, role: Role, owner: string, { door }: Caller): MqttCredential => ({
  ...{ principal: { who, door, role }, owner },
  ...{ publish: [], subscribe: [] },
});

const nobody = (caller: Caller): MqttCredential => person('anonymous', 'viewer', 'anonymous', caller);

/** A password is bytes in MQTT; what is no UTF-8 is no password of anybody. */
function textOf(password: Uint8Array | undefined): string {
  if (password === undefined) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password);
  } catch {
    return '';
  }
}
