/**
 * Releases after the one of a card image, and the server that a board fetches them from. It writes down what it is asked for, and
 * falls silent where a test wants it: a board that waits for bytes is in the middle of an update.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { LAYOUTS } from '../../src/store/layouts.ts';
import { makeUpdate } from '../../src/update/make.ts';
import { type CardImage, run } from './card-image.ts';
import { type Ends, scratch } from './scratch.ts';

const HOST = '10.0.2.102';
/** What `gateway.update.from` of a board says. */
export const UPDATES = `http://${HOST}/`;
const RELEASE = '/usr/lib/sluice-image/release.json';

/** A file of the root that a release has other than the one before: a new one, or another content. */
export interface Change {
  readonly file: string;
  readonly content: string | Uint8Array;
}

export class CardUpdates {
  /** Requests for the pack of the root: the byte where each piece began. */
  asked: number[] = [];
  /** Bytes of this pack that were given. */
  given = 0;
  /** So many of them are given, and no more. */
  silentAfter = Number.POSITIVE_INFINITY;
  readonly #image: CardImage;
  readonly #folder: string;
  readonly #updates: string;
  #port = 0;

  private constructor(folder: string, image: CardImage) {
    this.#folder = folder;
    this.#updates = path.join(folder, 'updates');
    this.#image = image;
  }

  static async start(t: Ends, image: CardImage): Promise<CardUpdates> {
    const updates = new CardUpdates(scratch(t, 'card-updates'), image);
    mkdirSync(updates.#updates);
    const server = createServer(({ url, headers }, response) => {
      try {
        const name = path.basename(url ?? '');
        const bytes = readFileSync(path.join(updates.#updates, name));
        const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
        const [from, to] = first === undefined ? [0, bytes.length] : [Number(first), Number(last) + 1];
        if (name.startsWith('root-') && first !== undefined && !updates.#gives(from, to)) return;
        response.writeHead(first === undefined ? 200 : 206, { 'content-length': to - from }).end(bytes.subarray(from, to));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    updates.#port = (server.address() as AddressInfo).port;
    return updates;
  }

  /** As `QemuBoard` takes them. */
  get servers(): Record<string, number> {
    return { [`${HOST}:80`]: this.#port };
  }

  /** From now on the server gives this release, and counts from nothing. @returns its version */
  async offer(sequence: number, changes: readonly Change[] = []): Promise<string> {
    const version = `${this.#image.version}+${sequence}`;
    const root = this.#root(version, sequence, changes);
    const next = path.join(this.#folder, `update-${sequence}`);
    mkdirSync(next);
    await makeUpdate({
      ...{ folder: next, level: 1, secrets: [this.#image.release] },
      parts: { linux: path.join(this.#image.folder, 'linux.efi'), initrd: path.join(this.#image.folder, 'initrd.img'), root },
      about: { target: 'uefi-arm64', version, sequence, date: '2026-11-28', layouts: LAYOUTS },
    });
    rmSync(root);
    rmSync(this.#updates, { recursive: true });
    run('mv', [next, this.#updates]);
    this.forget();
    return version;
  }

  /** Counts from nothing again. @returns what was asked before */
  forget(): { readonly asked: readonly number[]; readonly given: number } {
    const before = { asked: this.asked, given: this.given };
    [this.asked, this.given] = [[], 0];
    return before;
  }

  /** false: the server stays silent. */
  #gives(from: number, to: number): boolean {
    if (this.given > this.silentAfter) return false;
    this.asked.push(from);
    this.given += to - from;
    return true;
  }

  /** The root of the image with another number, and with the changes. */
  #root(version: string, sequence: number, changes: readonly Change[]): string {
    const root = path.join(this.#folder, `root-${sequence}.ext4`);
    run('cp', ['--sparse=always', '--reflink=auto', path.join(this.#image.folder, 'root.ext4'), root]);
    const info = JSON.parse(readFileSync(path.join(this.#image.folder, 'release.json'), 'utf8')) as object;
    const about = { file: RELEASE, content: `${JSON.stringify({ ...info, version, sequence })}\n` };
    const commands = [about, ...changes].flatMap(({ file, content }, i) => {
      const from = path.join(this.#folder, `file-${i}`);
      writeFileSync(from, content);
      const [folder, name] = [path.posix.dirname(file), path.posix.basename(file)];
      // It complains of a folder that is there and of a file that is not, and goes on.
      return [`mkdir ${folder}`, `cd ${folder}`, `rm ${name}`, `write ${from} ${name}`, 'cd /'];
    });
    const script = path.join(this.#folder, 'commands');
    writeFileSync(script, `${commands.join('\n')}\n`);
    run('debugfs', ['-w', '-f', script, root]);
    for (const { file, content } of [about, ...changes]) {
      const inside = path.join(this.#folder, 'inside');
      run('debugfs', ['-R', `dump ${file} ${inside}`, root]);
      if (!readFileSync(inside).equals(Buffer.from(content))) throw new Error(`debugfs did not write ${file} into the release`);
      rmSync(inside);
    }
    return root;
  }
}
