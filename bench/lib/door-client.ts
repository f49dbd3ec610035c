/** A connection to the socket for flows, for measurements: it says lines and hears lines. */
import { readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { waitFor } from '../../test/harness/wait-for.ts';

export type Line = Readonly<Record<string, unknown>>;

export interface Door {
  readonly socket: string;
  readonly token: string;
}

export class DoorClient {
  readonly #socket: net.Socket;
  readonly #heard: (line: Line) => void;
  #rest = '';

  private constructor(socket: net.Socket, heard: (line: Line) => void) {
    this.#socket = socket;
    this.#heard = heard;
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#heard(JSON.parse(line) as Line);
    });
  }

  /** Resolves when the gateway has told its points. */
  static async connect({ socket, token }: Door, heard: (line: Line) => void): Promise<DoorClient> {
    const connection = net.connect(socket);
    await new Promise<void>((resolve, reject) => connection.once('connect', resolve).once('error', reject));
    const { promise: welcome, resolve } = Promise.withResolvers<void>();
    const client = new DoorClient(connection, (line) => {
      if (line.type === 'inventory') resolve();
      if (line.type === 'error') throw new Error(String(line.message));
      heard(line);
    });
    client.say({ type: 'hello', v: 1, token, client: 'bench' });
    await welcome;
    return client;
  }

  say(...lines: object[]): void {
    this.#socket.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  end(): void {
    this.#socket.destroy();
  }
}

export const readingsOf = (line: Line): readonly { readonly point: string; readonly value: number }[] =>
  line.type === 'readings' ? (line.readings as { point: string; value: number }[]) : [];

/** The way into the gateway, as a node of the folder of Node-RED has written it (putNode of test/harness/door-site.ts). */
export async function doorIn(folder: string): Promise<Door> {
  const known = path.join(folder, 'door.json');
  await waitFor('the token', () => statSync(known, { throwIfNoEntry: false }));
  return JSON.parse(readFileSync(known, 'utf8')) as Door;
}
