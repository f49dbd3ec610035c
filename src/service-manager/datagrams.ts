/**
 * Messages to a Unix datagram socket: those of the service manager and of the journal. Node has no such sockets, so the C library
 * makes one and connects it, through koffi. From then on it is a file descriptor, and Node writes to it: 0.01 ms, and no process.
 * A message goes out whole or not at all, and never waits: the socket does not block.
 */
import { closeSync, writeSync } from 'node:fs';

/** Numbers of bits/socket.h; x86-64 and arm64 have the same numbers. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
/** sun_path of unix(7). */
const LONGEST_PATH = 107;
/** The other end began anew, and the old connection leads nowhere. */
const GONE = ['ECONNREFUSED', 'ENOTCONN', 'ECONNRESET'];

type Connect = (address: Uint8Array) => number | undefined;

export class Datagrams {
  readonly #address: Uint8Array;
  readonly #connect: Connect;
  #fd: number | undefined;

  private constructor(address: Uint8Array, connect: Connect) {
    this.#address = address;
    this.#connect = connect;
    this.#fd = connect(address);
  }

  /**
   * @param path of the socket; `@name` is one without a file
   * @returns undefined where there is no such socket, or where the C library cannot be called
   */
  static async to(path: string): Promise<Datagrams | undefined> {
    const address = addressOf(path);
    if (address === undefined) return undefined;
    const connect = await connector();
    if (connect === undefined) return undefined;
    const one = new Datagrams(address, connect);
    return one.#fd === undefined ? undefined : one;
  }

  /** @returns false where nothing was sent: the other end is away, or its queue is full */
  send(message: string | Uint8Array): boolean {
    for (const again of [true, false]) {
      this.#fd ??= this.#connect(this.#address);
      if (this.#fd === undefined) return false;
      try {
        const bytes = Buffer.from(message);
        return writeSync(this.#fd, bytes) === bytes.length;
      } catch (thrown) {
        if (!again || !GONE.includes((thrown as NodeJS.ErrnoException).code ?? '')) return false;
        this.close();
      }
    }
    return false;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** struct sockaddr_un, as long as its name. */
function addressOf(path: string): Uint8Array | undefined {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if ((!path.startsWith('/') && !path.startsWith('@')) || name.length > LONGEST_PATH) return undefined;
  const end = path.startsWith('@') ? 0 : 1;
  const address = Buffer.alloc(2 + name.length + end);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

async function connector(): Promise<Connect | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    const socket = library.func('int socket(int domain, int type, int protocol)') as (...numbers: number[]) => number;
    const connect = library.func('int connect(int fd, const uint8_t *address, uint32_t length)') as (
      fd: number,
      address: Uint8Array,
      length: number,
    ) => number;
    return (address) => {
      const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd < 0) return undefined;
      if (connect(fd, address, address.length) === 0) return fd;
      closeSync(fd);
      return undefined;
    };
  } catch {
    return undefined;
  }
}
