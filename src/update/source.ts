/**
 * Where an update lies: a folder (a USB stick) or an address. Whatever comes from there is checked against the signed manifest,
 * so the address may be plain HTTP; HTTPS also hides which version a gateway takes. A stick of a stranger has links, pipes and
 * devices of his choice: only files are read, and nothing waits for one.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceError, toError } from '../core/errors.ts';

/** Tries of one request on a bad link, and the pauses between them, milliseconds. */
const TRIES = 5;
const PAUSES = [1_000, 2_000, 5_000, 10_000];
/** Silence that ends a request, milliseconds. */
const SILENCE = 30_000;
/** A small answer is fetched whole, bytes. */
const MOST_WHOLE = 16 * 1024 ** 2;

export interface Source {
  /** For messages. */
  readonly name: string;
  /** All of a small file. @param most bytes; a longer one is refused */
  whole(file: string, most: number): Promise<Buffer>;
  /** Exactly `length` bytes from `from` on. */
  range(file: string, from: number, length: number): Promise<Buffer>;
  /** Bytes that came over the network so far: bodies, without headers. */
  readonly received: number;
}

export function openSource(address: string): Source {
  if (/^https?:\/\//.test(address)) return new WebSource(address);
  if (/^[a-z]+:\/\//.test(address))
    throw new SluiceError('usage', `${address}: write an address that begins with https:// or http://, or a folder`);
  return new FolderSource(address);
}

const unreachable = (what: string, cause?: unknown): SluiceError =>
  new SluiceError('update-unreachable', what, cause === undefined ? {} : { cause });

class FolderSource implements Source {
  readonly name: string;
  readonly received = 0;

  constructor(folder: string) {
    this.name = folder;
  }

  async whole(file: string, most: number): Promise<Buffer> {
    const found = lstatSync(path.join(this.name, file), { throwIfNoEntry: false });
    if (found === undefined) throw unreachable(`${this.name} has no file ${file}; copy all files of the update there`);
    if (found.size > most) throw new SluiceError('update-refused', `${file} is longer than an update may have it`);
    return this.range(file, 0, found.size);
  }

  async range(file: string, from: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    try {
      const place = path.join(this.name, file);
      if (lstatSync(place).isSymbolicLink()) throw unreachable(`${place} is a link; copy the files of the update themselves`);
      const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        if (!fstatSync(fd).isFile()) throw unreachable(`${place} is no file; copy all files of the update there again`);
        for (let at = 0; at < length; ) {
          const read = readSync(fd, bytes, at, length - at, from + at);
          if (read === 0) throw unreachable(`${file} in ${this.name} ends too early; copy all files of the update there again`);
          at += read;
        }
      } finally {
        closeSync(fd);
      }
    } catch (thrown) {
      if (thrown instanceof SluiceError) throw thrown;
      throw unreachable(`${file} in ${this.name} cannot be read: ${toError(thrown).message}`, thrown);
    }
    return bytes;
  }
}

class WebSource implements Source {
  readonly name: string;
  received = 0;

  constructor(address: string) {
    this.name = address.endsWith('/') ? address : `${address}/`;
  }

  whole(file: string, most: number): Promise<Buffer> {
    return this.#tried(file, {}, async (response) => {
      if (response.status !== 200) return undefined;
      return await this.#body(response, Math.min(most, MOST_WHOLE), file);
    });
  }

  range(file: string, from: number, length: number): Promise<Buffer> {
    return this.#tried(file, { range: `bytes=${from}-${from + length - 1}` }, async (response) => {
      if (response.status === 200)
        throw new SluiceError(
          'update-refused',
          `${this.name} sends whole files where a part was asked for; the server must support Range requests`,
        );
      if (response.status !== 206) return undefined;
      const bytes = await this.#body(response, length, file);
      if (bytes.length !== length) throw unreachable(`${this.name}${file} ended too early`);
      return bytes;
    });
  }

  /** @param take undefined: the status says that there is nothing */
  async #tried(
    file: string,
    headers: Record<string, string>,
    take: (response: Response) => Promise<Buffer | undefined>,
  ): Promise<Buffer> {
    const url = new URL(file, this.name);
    for (let tried = 1; ; tried++) {
      try {
        const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(SILENCE * 4) });
        const bytes = await take(response);
        if (bytes !== undefined) return bytes;
        await response.body?.cancel();
        // The server answered: asking again at once changes nothing.
        if (response.status < 500) throw new SluiceError('update-refused', `${url} is not there (HTTP ${response.status})`);
        throw unreachable(`${url} answers with HTTP ${response.status}`);
      } catch (thrown) {
        if (thrown instanceof SluiceError && thrown.code === 'update-refused') throw thrown;
        if (tried >= TRIES)
          throw unreachable(
            `${url} cannot be fetched: ${reasonOf(thrown)}; the next try continues with what is here already`,
            thrown,
          );
        await sleep(PAUSES[tried - 1] ?? 10_000);
      }
    }
  }

  async #body(response: Response, most: number, file: string): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const reader = response.body?.getReader();
    if (reader === undefined) return Buffer.alloc(0);
    for (;;) {
      const silence = AbortSignal.timeout(SILENCE);
      const piece = await Promise.race([
        reader.read(),
        new Promise<never>((_, reject) => {
          silence.addEventListener('abort', () => reject(unreachable(`${this.name} sends nothing more`)), { once: true });
        }),
      ]);
      if (piece.done) return Buffer.concat(pieces);
      bytes += piece.value.length;
      this.received += piece.value.length;
      if (bytes > most) {
        await reader.cancel();
        throw new SluiceError('update-refused', `${this.name}${file} is longer than the manifest says`);
      }
      pieces.push(piece.value);
    }
  }
}

/** fetch hides what happened behind "fetch failed". */
function reasonOf(thrown: unknown): string {
  const error = toError(thrown);
  return error.cause === undefined ? error.message : toError(error.cause).message;
}
