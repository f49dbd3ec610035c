/**
 * The whole terminal as a page that is drawn again and again.
 * - The user's own screen, cursor and line mode come back however the program ends.
 * - Only lines that changed are written, so nothing flickers.
 * - A window that is resized again and again is drawn at most once in RESIZE_MS.
 * - A terminal that is gone ends the page and throws nothing.
 */
import type { ReadStream, WriteStream } from 'node:tty';
import { keysOf } from './keys.ts';
import { type Line, type Look, render } from './line.ts';

const RESIZE_MS = 60;
const CONTINUE_MS = 200;
/** Bytes that wait for a slow terminal; with more, a picture is left out. */
const MAX_UNSENT = 65_536;
const MOST = { columns: 500, rows: 200 };

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l';
/** Terminals that know it show the picture at once; others ignore it. */
const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface ScreenOptions {
  readonly out: WriteStream;
  readonly input: ReadStream;
  readonly look: Look;
  /** Lines of the page; what is too much is cut. */
  readonly draw: (size: Size) => readonly Line[];
  readonly onKey: (key: string) => void;
  /** The terminal cannot be written any more. */
  readonly onGone: () => void;
}

/** Whether a page can be drawn there: a terminal whose cursor moves. */
export function canDraw(out: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return out.isTTY === true && env.TERM !== 'dumb' && env.TERM !== '';
}

/** What the environment says about the terminal: NO_COLOR (no-color.org), the console without blocks, a character set. */
export function lookOf(env: NodeJS.ProcessEnv): Look {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  const otherSet = /\./.test(locale) && !/\.utf-?8/i.test(locale);
  return { colours: (env.NO_COLOR ?? '') === '', unicode: env.TERM !== 'linux' && !otherSet };
}

export class Screen {
  readonly #options: ScreenOptions;
  /** Lines as they are on the terminal. */
  #shown: string[] = [];
  #size: Size = { columns: 0, rows: 0 };
  #resize: NodeJS.Timeout | undefined;
  #open = false;
  #suspended = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  /** Whether keys come. */
  get hasKeys(): boolean {
    return this.#options.input.isTTY === true;
  }

  start(): void {
    const { out, input } = this.#options;
    this.#open = true;
    out.on('error', this.#gone);
    out.on('resize', this.#resized);
    process.once('exit', this.#leave);
    process.on('SIGCONT', this.#continued);
    out.write(ENTER);
    if (!this.hasKeys) return;
    input.setRawMode(true);
    input.setEncoding('utf8');
    input.on('data', this.#typed);
    input.on('error', () => {});
    input.resume();
  }

  stop(): void {
    const { out, input } = this.#options;
    if (!this.#open) return;
    clearTimeout(this.#resize);
    process.off('SIGCONT', this.#continued);
    process.off('exit', this.#leave);
    this.#leave();
    out.off('resize', this.#resized);
    input.off('data', this.#typed);
    if (this.hasKeys) input.pause();
  }

  /** Draws what changed. */
  refresh(): void {
    const { out, draw, look } = this.#options;
    if (!this.#open || this.#suspended || out.writableLength > MAX_UNSENT) return;
    const size = sizeOf(out);
    const isNew = size.columns !== this.#size.columns || size.rows !== this.#size.rows;
    if (isNew) this.#shown = [];
    this.#size = size;
    const lines = draw(size).slice(0, size.rows);
    let text = isNew ? '\u001b[2J' : '';
    for (let row = 0; row < size.rows; row++) {
      const { text: line, width } = render(lines[row] ?? [], size.columns, look);
      if (this.#shown[row] === line) continue;
      this.#shown[row] = line;
      // Nothing is to be cleared behind a full line, and the cursor still stands on its last character.
      text += `\u001b[${row + 1};1H${line}${width < size.columns ? '\u001b[K' : ''}`;
    }
    if (text !== '') out.write(BEGIN + text + END);
  }

  /** Ctrl-Z: the shell comes back, and the page with `fg`. */
  suspend(): void {
    if (!this.#open || this.#suspended) return;
    this.#suspended = true;
    if (this.hasKeys) this.#options.input.setRawMode(false);
    this.#options.out.write(LEAVE);
    // As the terminal does it: npm and the shell script in front of this program stop as well.
    process.kill(0, 'SIGTSTP');
    // Without a shell that could continue it, nothing was stopped: the page comes back.
    setTimeout(() => {
      if (this.#suspended) this.#continued();
    }, CONTINUE_MS);
  }

  readonly #continued = (): void => {
    if (!this.#open) return;
    this.#suspended = false;
    if (this.hasKeys) this.#options.input.setRawMode(true);
    this.#options.out.write(ENTER);
    this.#shown = [];
    this.refresh();
  };

  readonly #resized = (): void => {
    this.#resize ??= setTimeout(() => {
      this.#resize = undefined;
      this.refresh();
    }, RESIZE_MS);
  };

  readonly #typed = (text: string): void => {
    for (const key of keysOf(text)) {
      if (!this.#open) return;
      if (key === 'ctrl-z') this.suspend();
      else this.#options.onKey(key);
    }
  };

  readonly #gone = (): void => {
    this.#open = false;
    clearTimeout(this.#resize);
    this.#options.onGone();
  };

  readonly #leave = (): void => {
    if (!this.#open) return;
    this.#open = false;
    try {
      if (this.hasKeys) this.#options.input.setRawMode(false);
    } catch {
      // The terminal went away with its window.
    }
    this.#options.out.write(LEAVE);
  };
}

/** A terminal that does not know its size, or says something odd, is 80 by 24. */
export function sizeOf({ columns, rows }: { columns?: number; rows?: number }): Size {
  const sane = (n: number | undefined, usual: number, most: number) =>
    n !== undefined && Number.isInteger(n) && n > 0 ? Math.min(n, most) : usual;
  return { columns: sane(columns, 80, MOST.columns), rows: sane(rows, 24, MOST.rows) };
}
