/** The connections of this runtime: one for each socket and token, shared by all nodes, ended when no node uses it any more. */
import net from 'node:net';
import { NAME, VERSION } from '../about.ts';
import { Connection } from './connection.ts';

/** A deploy closes all nodes and makes them again: the connection stays in between, ms. */
const LINGER = 1000;
export const CLIENT = `${NAME} ${VERSION}`;

export interface Address {
  readonly socket: string;
  readonly token: string;
}

interface Shared {
  readonly connection: Connection;
  users: number;
  ending: NodeJS.Timeout | undefined;
}

export class Connections {
  readonly #shared = new Map<string, Shared>();
  readonly #linger: number;

  constructor(linger = LINGER) {
    this.#linger = linger;
  }

  /** Connections that are open or being opened. */
  get size(): number {
    return this.#shared.size;
  }

  /** @returns the connection, and what to call when it is no longer used */
  use(address: Address): { connection: Connection; release: () => void } {
    const key = JSON.stringify([address.socket, address.token]);
    const shared = this.#shared.get(key) ?? this.#open(key, address);
    clearTimeout(shared.ending);
    shared.ending = undefined;
    shared.users++;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      shared.users--;
      if (shared.users > 0) return;
      shared.ending = setTimeout(() => {
        this.#shared.delete(key);
        shared.connection.close();
      }, this.#linger);
      shared.ending.unref();
    };
    return { connection: shared.connection, release };
  }

  #open(key: string, { socket, token }: Address): Shared {
    const connection = new Connection({ open: () => net.connect(socket), token, client: CLIENT, random: Math.random });
    const shared: Shared = { connection, users: 0, ending: undefined };
    this.#shared.set(key, shared);
    connection.start();
    return shared;
  }
}
