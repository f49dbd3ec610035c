/** A program in a real pseudo-terminal, which `script` (util-linux) makes, and what a terminal shows of its output. */
import { type ChildProcess, spawn } from 'node:child_process';
import xterm from '@xterm/headless';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Colour: a number of the palette of 16, or undefined for that of the terminal. */
export interface Cell {
  readonly text: string;
  readonly colour: number | undefined;
  readonly ground: number | undefined;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
}

const MAX_RAW = 4 * 1024 * 1024;

export class PseudoTerminal {
  #size: Size;
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  readonly #child: ChildProcess;
  /** The terminal's own name, `/dev/pts/N`. */
  #name = '';
  /** All that the program wrote; the end of it, when it is much. */
  raw = '';
  /** Exit code, after all output came. */
  readonly ended: Promise<number | null>;

  constructor(command: readonly string[], size: Size, env: NodeJS.ProcessEnv, cwd: string) {
    this.#size = size;
    this.#terminal = new xterm.Terminal({ cols: size.columns, rows: size.rows, allowProposedApi: true, scrollback: 200 });
    const words = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
    const set = `stty cols ${size.columns} rows ${size.rows}; tty; exec ${words}`;
    this.#child = spawn('script', ['-qfec', set, '/dev/null'], { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8');
    this.#child.stdout?.on('data', (text: string) => {
      this.raw = (this.raw + text).slice(-MAX_RAW);
      if (this.#name === '') this.#name = /^(\/dev\/\S+)\r?\n/.exec(this.raw)?.[1] ?? '';
      this.#terminal.write(text);
    });
    this.#child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => resolve(code));
    });
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** As when a window is made larger or smaller. */
  async resize(size: Size): Promise<void> {
    this.#size = size;
    this.#terminal.resize(size.columns, size.rows);
    const stty = spawn('stty', ['-F', this.#name, 'cols', String(size.columns), 'rows', String(size.rows)], { stdio: 'inherit' });
    await new Promise((resolve) => stty.once('exit', resolve));
  }

  /** As when its window is closed. */
  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }

  /** The screen as text, without blanks at the ends of its lines. */
  text(): string {
    const { active } = this.#terminal.buffer;
    const lines = Array.from(
      { length: this.#size.rows },
      (_, y) =>
        active
          .getLine(active.baseY + y)
          ?.translateToString(true)
          .trimEnd() ?? '',
    );
    return lines.join('\n');
  }

  /** Rows of the screen as they are after all that came. */
  async rows(): Promise<Cell[][]> {
    await new Promise<void>((resolve) => this.#terminal.write('', resolve));
    const { active } = this.#terminal.buffer;
    return Array.from({ length: this.#size.rows }, (_, y) => {
      const line = active.getLine(active.baseY + y);
      return Array.from({ length: this.#size.columns }, (_, x) => {
        const cell = line?.getCell(x);
        return {
          text: cell === undefined || cell.getWidth() === 0 ? '' : cell.getChars() || ' ',
          colour: cell?.isFgPalette() ? cell.getFgColor() : undefined,
          ground: cell?.isBgPalette() ? cell.getBgColor() : undefined,
          bold: cell !== undefined && cell.isBold() !== 0,
          dim: cell !== undefined && cell.isDim() !== 0,
          inverse: cell !== undefined && cell.isInverse() !== 0,
        };
      });
    });
  }
}
