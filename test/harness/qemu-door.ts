/** Ways into an emulated board: a shell of root behind a port of the emulator (card-image.ts), and the emulator's own commands. */
import { connect, type Socket } from 'node:net';
import { waitFor } from './wait-for.ts';

/** Emulated boards are slow: milliseconds. */
const WITHIN = 2_400_000;

/** Bytes of a Unix socket, from its first connection on. It connects again where nobody answers yet. */
class Line {
  text = '';
  #socket: Socket | undefined;
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  async open(): Promise<void> {
    await waitFor(`qemu to open ${this.#file}`, () => this.#once());
  }
  write(text: string): void {
    this.#socket?.write(text);
  }
  close(): void {
    this.#socket?.destroy();
  }

  #once(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#file);
      socket.once('connect', () => {
        this.#socket = socket;
        resolve(true);
      });
      socket.on('error', reject);
      socket.setEncoding('utf8');
      socket.on('data', (text: string) => {
        this.text += text;
      });
    });
  }
}

/** The shell. One command at a time. */
export class Door {
  readonly #line: Line;
  #count = 0;

  constructor(file: string) {
    this.#line = new Line(file);
  }

  /** Resolves when the shell of this boot answers. @param isOn false: nobody will answer any more */
  async open(isOn: () => boolean, within = WITHIN): Promise<void> {
    await this.#line.open();
    // What is written before the shell runs may be lost.
    for (const end = performance.now() + within; ; ) {
      const mark = this.#mark();
      this.#line.write(`\necho ${quoted(mark)}\n`);
      if (await this.#seen(new RegExp(mark), 3000).catch(() => undefined)) return;
      if (!isOn() || performance.now() > end) throw new Error('no shell answers inside of the board');
    }
  }

  /** @returns what the command wrote to both streams. @throws when it ends with another status than 0 */
  async run(command: string, within = WITHIN): Promise<string> {
    const { status, output } = await this.ask(command, within);
    if (status !== 0) throw new Error(`${command} ended with ${status} inside of the board:\n${output}`);
    return output;
  }

  async ask(command: string, within = WITHIN): Promise<{ status: number; output: string }> {
    const mark = this.#mark();
    const from = this.#line.text.length;
    // The mark is written in two pieces, so that the command line itself does not have it.
    this.#line.write(`(${command}\n) </dev/null; echo ${quoted(mark)} $?.\n`);
    const [, output = '', status] = await this.#seen(new RegExp(`([\\s\\S]*?)${mark} (\\d+)\\.`), within, from, command);
    return { status: Number(status), output };
  }

  /** Asks until the command ends with 0. @returns what it wrote then */
  async until(command: string, within = WITHIN): Promise<string> {
    let last = '';
    return await waitFor(
      () => `${command} inside of the board; it wrote:\n${last}`,
      async () => {
        const { status, output } = await this.ask(command, within);
        last = output;
        return status === 0 ? `${output}\n` : undefined;
      },
      { timeout: within, every: 1000 },
    );
  }

  close(): void {
    this.#line.close();
  }

  #mark(): string {
    return `door-${++this.#count}-${process.pid}`;
  }
  async #seen(pattern: RegExp, timeout: number, from = 0, what = 'the shell'): Promise<RegExpExecArray> {
    return await waitFor(
      () => `${what} inside of the board; it wrote:\n${this.#line.text.slice(from)}`,
      () => pattern.exec(this.#line.text.slice(from)) ?? undefined,
      { timeout, every: 50 },
    );
  }
}
const quoted = (mark: string): string => `${mark.slice(0, 2)}""${mark.slice(2)}`;

/** One command of QMP, on a connection of its own. @throws what qemu refuses */
export async function qmp(file: string, execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const line = new Line(file);
  await line.open();
  try {
    line.write(
      `${JSON.stringify({ execute: 'qmp_capabilities' })}\n${JSON.stringify({ execute, arguments: args, id: 'asked' })}\n`,
    );
    const answer = await waitFor(
      () => `qemu to answer ${execute}: ${line.text}`,
      () => line.text.split('\n').find((one) => one.includes('"id": "asked"')),
    );
    if (answer.includes('"error"')) throw new Error(`qemu refuses ${execute}: ${answer}`);
  } finally {
    line.close();
  }
}
