/** Finds who calls over the Unix socket. The kernel is asked once for each connection, at its first request that acts. */
import type { Socket } from 'node:net';
import type { Principal } from '../core/commands.ts';
import type { Logger } from '../core/logger.ts';
import { LOCAL, type LocalUsers, principalOf, systemUsers } from './local-users.ts';
import { type AskKernel, kernelPeers } from './peer.ts';

export interface SocketCallersOptions {
  readonly logger: Logger;
  /** How the kernel is asked; loaded when it is first needed. */
  readonly kernel?: () => Promise<AskKernel | undefined>;
  readonly users?: LocalUsers;
}

export class SocketCallers {
  readonly #logger: Logger;
  readonly #load: () => Promise<AskKernel | undefined>;
  readonly #users: LocalUsers;
  #kernel: Promise<AskKernel | undefined> | undefined;
  readonly #known = new WeakMap<Socket, Principal>();

  constructor({ logger, kernel = kernelPeers, users = systemUsers }: SocketCallersOptions) {
    this.#logger = logger;
    this.#load = kernel;
    this.#users = users;
  }

  /** @throws SluiceError forbidden: the caller is gone, or the kernel does not say who it is */
  async principal(socket: Socket): Promise<Principal> {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    this.#kernel ??= this.#load().then((kernel) => {
      if (kernel === undefined)
        this.#logger.warn(
          {},
          'The kernel cannot be asked who calls on the socket (is the package koffi missing?). Everybody who may open it counts as an operator named local.',
        );
      return kernel;
    });
    const kernel = await this.#kernel;
    const principal = kernel === undefined ? LOCAL : principalOf(kernel(socket), this.#users, process.getuid?.() ?? 0);
    this.#known.set(socket, principal);
    return principal;
  }
}
