/**
 * The log of Node-RED, to the gateway. A flow can write lines without end: so many a second leave the process, the others are
 * counted, and the next line that leaves has their number. Nothing is queued.
 */
import { type Level, LONGEST_TEXT, type LogLine } from '../messages.ts';
import type { RedMessage } from './node-red-types.ts';

/** Lines that may come at once, and lines in a second after that. */
const BURST = 100;
const PER_SECOND = 20;

/** The levels of Node-RED (@node-red/util/lib/log.js): fatal, error, warn, info, debug, trace. */
const ERROR = 20;
const WARN = 30;
const INFO = 40;

export interface ChildLogOptions {
  readonly send: (line: LogLine) => void;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Texts that never leave. */
  readonly secrets?: readonly string[];
}

export class ChildLog {
  readonly #o: ChildLogOptions;
  #credit = BURST;
  #at: number;
  #suppressed = 0;

  constructor(options: ChildLogOptions) {
    this.#o = options;
    this.#at = options.now();
  }

  /** A line that Node-RED or one of its nodes wrote. */
  message({ level, msg, id, type, name }: RedMessage): void {
    // Metrics and the audit have other levels, and are switched off.
    if (level > INFO) return;
    const node = type === undefined ? {} : { node: id, nodeType: type, nodeName: name };
    this.line(level <= ERROR ? 'error' : level <= WARN ? 'warn' : 'info', textOf(msg), node);
  }

  line(level: Level, text: string, node: Partial<LogLine> = {}): void {
    const now = this.#o.now();
    this.#credit = Math.min(BURST, this.#credit + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#credit < 1) {
      this.#suppressed++;
      return;
    }
    const words = this.#harmless(text);
    if (words === '') return;
    this.#credit--;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.#o.send({ type: 'log', level, text: words, ...node, ...(suppressed > 0 ? { suppressed } : {}) });
  }

  /** What code of flows prints (`console.log`) is a line as well, and leaves no other way. */
  takeOutput(stream: NodeJS.WriteStream, level: Level): void {
    stream.write = ((chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
      for (const text of String(chunk)
        .slice(0, 10 * LONGEST_TEXT)
        .split('\n', 20))
        this.line(level, text);
      const ended = typeof encoding === 'function' ? encoding : done;
      if (typeof ended === 'function') process.nextTick(ended as () => void);
      return true;
    }) as typeof stream.write;
  }

  #harmless(text: string): string {
    let words = text
      .slice(0, 2 * LONGEST_TEXT)
      .replaceAll(/\s+/g, ' ')
      .trim();
    for (const secret of this.#o.secrets ?? []) words = words.replaceAll(secret, '[secret]');
    // User names and passwords in addresses.
    return words.replaceAll(/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]{1,200}@/gi, '$1[secret]@').slice(0, LONGEST_TEXT);
  }
}

function textOf(msg: unknown): string {
  if (typeof msg === 'string') return msg;
  if (msg instanceof Error) return msg.message;
  if (typeof msg === 'object' && msg !== null && 'message' in msg && typeof msg.message === 'string') return msg.message;
  try {
    return JSON.stringify(msg) ?? String(msg);
  } catch {
    return 'a message that is no text';
  }
}
