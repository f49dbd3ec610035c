/**
 * Where an update lies: a folder (a USB stick) or an address. Whatever comes from there is checked against the signed manifest,
 * so the address may be plain HTTP; HTTPS also hides which version a gateway takes. A stick of a stranger has links, pipes and
 * devices of his choice: only files are read, and nothing waits for one.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { type Clock, systemClock } from '../core/clock.ts';
import { SluiceError, toError } from '../core/errors.ts';

/** Tries of one request on a bad link, and the pauses between them, milliseconds. */
const TRIES = 5;
const PAUSES = [1_000, 2_000, 5_000, 10_000];
/** How long a server may take to answer, and the silence that ends a request, milliseconds. */
const ANSWER = 120_000;
const SILENCE = 30_000;
/** Bytes a second. A slower answer is given up: the slowest link of a mobile network gives 1,200. */
const LEAST_PACE = 300;
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

/** @param clock of the pauses and time-outs */
export function openSource(address: string, clock: Clock = systemClock): Source {
  if (/^https?:\/\//.test(address)) return new WebSource(address, clock);
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
  readonly #clock: Clock;
  received = 0;

  constructor(address: string, clock: Clock) {
    this.name = address.endsWith('/') ? address : `${address}/`;
    this.#clock = clock;
  }

  whole(file: string, most: number): Promise<Buffer> {
    return this.#tried(file, {}, Math.min(most, MOST_WHOLE), ({ status }) => status === 200);
  }

  async range(file: string, from: number, length: number): Promise<Buffer> {
    return this.#tried(file, { range: `bytes=${from}-${from + length - 1}` }, length, ({ status }) => {
      if (status === 200)
        throw new SluiceError(
          'update-refused',
          `${this.name} sends whole files where a part was asked for; the server must support Range requests`,
        );
      return status === 206;
    });
  }

  /** @param most bytes; a part of a file has exactly these @param isThere by the status. May throw */
  async #tried(
    file: string,
    headers: Record<string, string>,
    most: number,
    isThere: (response: Response) => boolean,
  ): Promise<Buffer> {
    const url = new URL(file, this.name);
    for (let tried = 1; ; tried++) {
      const patience = new Patience(this.#clock, most, `${this.name} sends nothing more, or too slowly`);
      try {
        const response = await fetch(url, { headers, redirect: 'error', signal: patience.signal });
        if (isThere(response)) {
          const bytes = await this.#body(response, most, file, patience);
          if (headers.range === undefined || bytes.length === most) return bytes;
          throw unreachable(`${this.name}${file} ended too early`);
        }
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
        await new Promise<void>((resolve) => {
          this.#clock.after(PAUSES[tried - 1] ?? 10_000, resolve);
        });
      } finally {
        // Whatever is left of the answer is not fetched.
        patience.end();
      }
    }
  }

  /** One buffer and one timer, in however many pieces a server sends it. */
  async #body(response: Response, most: number, file: string, patience: Patience): Promise<Buffer> {
    const bytes = Buffer.alloc(most);
    let length = 0;
    const reader = response.body?.getReader();
    for (;;) {
      patience.piece();
      const piece = await reader?.read();
      if (piece?.value === undefined) return bytes.subarray(0, length);
      this.received += piece.value.length;
      if (length + piece.value.length > most)
        throw new SluiceError('update-refused', `${this.name}${file} is longer than the manifest says`);
      bytes.set(piece.value, length);
      length += piece.value.length;
    }
  }
}

/** Ends a request that gets no answer, falls silent, or would take longer than the slowest link needs for it. */
class Patience {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #fail: () => void;
  readonly #cancelAll: () => void;
  #cancel: () => void;

  constructor(clock: Clock, bytes: number, words: string) {
    this.#clock = clock;
    this.#fail = () => this.#controller.abort(unreachable(words));
    this.#cancelAll = clock.after(ANSWER + (bytes / LEAST_PACE) * 1000, this.#fail);
    this.#cancel = clock.after(ANSWER, this.#fail);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  /** A piece is awaited. */
  piece(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(SILENCE, this.#fail);
  }
  end(): void {
    this.#cancel();
    this.#cancelAll();
    this.#controller.abort();
  }
}

/** fetch hides what happened behind "fetch failed". */
function reasonOf(thrown: unknown): string {
  const error = toError(thrown);
  return error.cause === undefined ? error.message : toError(error.cause).message;
}
