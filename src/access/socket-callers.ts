/** Finds who calls over the Unix socket. The kernel is asked once for each connection, at its first request that acts. */
import type { Socket } from 'node:net';
import type { Principal } from '../core/commands.ts';
import type { Logger } from '../core/logger.ts';
import type { AdminKey } from './admin-key.ts';
import { LOCAL, LOCAL_ADMINISTRATOR, type LocalUsers, principalOf, systemUsers } from './local-users.ts';
import { type AskKernel, kernelPeers } from './peer.ts';

export interface SocketCallersOptions {
  readonly logger: Logger;
  /** How the kernel is asked; loaded when it is first needed. */
  readonly kernel?: () => Promise<AskKernel | undefined>;
  readonly users?: LocalUsers;
  /** What root shows where the kernel cannot be asked. */
  readonly key?: AdminKey | undefined;
}

export class SocketCallers {
  readonly #logger: Logger;
  readonly #load: () => Promise<AskKernel | undefined>;
  readonly #users: LocalUsers;
  readonly #key: AdminKey | undefined;
  #kernel: Promise<AskKernel | undefined> | undefined;
  readonly #known = new WeakMap<Socket, Principal>();

  constructor({ logger, kernel = kernelPeers, users = systemUsers, key }: SocketCallersOptions) {
    this.#logger = logger;
    this.#load = kernel;
    this.#users = users;
    this.#key = key;
  }

  /** @param shown as a key. @throws SluiceError forbidden: the caller is gone, or the kernel does not say who it is */
  async principal(socket: Socket, shown?: unknown): Promise<Principal> {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    this.#kernel ??= this.#begin();
    const kernel = await this.#kernel;
    if (kernel === undefined) await this.#key?.make();
    // Each request shows the key for itself.
    if (kernel === undefined) return this.#key?.fits(shown) === true ? LOCAL_ADMINISTRATOR : LOCAL;
    const principal = principalOf(kernel(socket), this.#users, process.getuid?.() ?? 0);
    this.#known.set(socket, principal);
    return principal;
  }

  async stop(): Promise<void> {
    await this.#key?.stop();
  }

  async #begin(): Promise<AskKernel | undefined> {
    const kernel = await this.#load();
    if (kernel !== undefined) return kernel;
    this.#logger.warn(
      {},
      'The kernel cannot be asked who calls on the socket (is the package koffi missing?). Everybody who may open it counts as an operator named local. Root and the user of the gateway show the file admin.key to be administrators; the command line does so by itself.',
    );
    return undefined;
  }
}
