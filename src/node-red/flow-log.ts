/**
 * The log of Node-RED in that of the gateway. The process bounds its lines itself (child/child-log.ts); code of a flow may go
 * around that, so they are bounded here once more. What is left out is counted and reported with the next line.
 */
import type { Logger } from '../core/logger.ts';
import { LONGEST_TEXT, type LogLine } from './messages.ts';

/** Twice what the process sends by itself. */
const BURST = 200;
const PER_SECOND = 40;

export class FlowLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #credit = BURST;
  #at: number;
  #passed = 0;
  #suppressed = 0;
  #unreported = 0;

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger.child({ part: 'flows' });
    this.#now = now;
    this.#at = now();
  }

  get counts(): { readonly passed: number; readonly suppressed: number } {
    return { passed: this.#passed, suppressed: this.#suppressed };
  }

  line({ level, text, node, nodeType, nodeName, suppressed = 0 }: LogLine): void {
    this.#suppressed += suppressed;
    this.#unreported += suppressed;
    const about = { ...(node && { node }), ...(nodeType && { nodeType }), ...(nodeName && { nodeName }) };
    this.#write(level, about, text);
  }

  output(line: string): void {
    this.#write('warn', { output: true }, line);
  }

  failed(text: string): void {
    this.#write('error', {}, text);
  }

  /** The process is over: what it left out is reported. */
  end(): void {
    if (this.#unreported === 0) return;
    const suppressed = this.#unreported;
    this.#unreported = 0;
    this.#logger.warn({ suppressed }, 'Lines of Node-RED were left out because there were too many.');
  }

  #write(level: LogLine['level'], data: object, text: string): void {
    const now = this.#now();
    this.#credit = Math.min(BURST, this.#credit + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#credit < 1) {
      this.#suppressed++;
      this.#unreported++;
      return;
    }
    this.#credit--;
    this.#passed++;
    const suppressed = this.#unreported;
    this.#unreported = 0;
    this.#logger[level]({ ...data, ...(suppressed > 0 ? { suppressed } : {}) }, text.slice(0, LONGEST_TEXT));
  }
}
