/**
 * Records again, on request: by numbers of a log or by time. They come beside the order of delivery: no cursor moves, and no
 * high-water mark of a consumer is meant. The next message leaves when the one before was taken.
 */
import type { Door, Principal, ResendCommand, Results, RunOptions } from '../../core/commands.ts';
import { SluiceError } from '../../core/errors.ts';
import { type Outward, onlyWhole } from '../../core/privacy.ts';
import { keyOf } from '../../store/files/layout.ts';
import type { Log } from '../../store/log.ts';
import { unknownWords } from '../../store/read/export-lines.ts';
import { exportSlices } from '../../store/read/export-slices.ts';

/** Records and characters of one message. */
const PART_RECORDS = 500;
const PART_TEXT = 64 * 1024;
/** Messages of one command; the result says where to go on. */
const MOST_PARTS = 2000;
/** Commands of one door that resend at one time: a slow reader at one door keeps nobody waiting at another. */
const AT_ONCE = 2;

export interface ResendOptions {
  readonly gateway: () => string;
  readonly log: () => Pick<Log, 'keeper' | 'uncommitted' | 'opened'>;
}

interface Line {
  readonly log: string;
  readonly seq: number;
  readonly boot: string;
  readonly clock?: string;
}

export class Resend {
  readonly #o: ResendOptions;
  readonly #running = new Map<Door, number>();

  constructor(options: ResendOptions) {
    this.#o = options;
  }

  /**
   * @throws SluiceError busy, not-found, log-read
   */
  async run(
    command: ResendCommand,
    { door }: Pick<Principal, 'door'>,
    { begin = () => {}, part: send, outward }: RunOptions,
  ): Promise<Results['resend']> {
    if (send === undefined) throw new SluiceError('unsupported', 'resend needs a caller that takes several messages');
    const running = this.#running.get(door) ?? 0;
    if (running >= AT_ONCE) throw new SluiceError('busy', `${AT_ONCE} resends run already; ask again when one is done`);
    this.#running.set(door, running + 1);
    try {
      return await this.#run(command, send, begin, outward);
    } finally {
      this.#running.set(door, (this.#running.get(door) ?? 1) - 1);
    }
  }

  async #run(
    command: ResendCommand,
    send: (json: string) => Promise<void>,
    begin: () => void,
    outward: Outward | undefined,
  ): Promise<Results['resend']> {
    const total = { records: 0, parts: 0 };
    let part: Part | undefined;
    const flush = async (): Promise<void> => {
      if (part === undefined) return;
      begin();
      const json = part.json(this.#o.gateway(), total.parts);
      total.records += part.records;
      total.parts++;
      part = undefined;
      await send(json);
    };
    for await (const line of this.#lines(command, outward)) {
      const head = JSON.parse(line) as Line;
      if (part !== undefined && !part.takes(head, line)) await flush();
      if (total.parts >= MOST_PARTS) return { ...total, next: { log: head.log, seq: head.seq } };
      part ??= new Part(head);
      part.add(head, line);
    }
    await flush();
    return total;
  }

  async *#lines(command: ResendCommand, outward: Outward | undefined): AsyncGenerator<string> {
    const { points } = command;
    const log = this.#o.log();
    const byNumber = 'log' in command ? command : undefined;
    const ordinal = byNumber && log.opened.logs.find(({ name }) => name === byNumber.log)?.ordinal;
    if (byNumber !== undefined && ordinal === undefined)
      throw new SluiceError(
        'not-found',
        `this gateway has no log ${byNumber.log}; it has ${log.opened.logs.map(({ name }) => name).join(', ')}`,
      );
    const range = 'log' in command ? { from: 0, to: Number.MAX_SAFE_INTEGER } : { from: command.from, to: command.to };
    const after = byNumber === undefined || ordinal === undefined ? 0 : keyOf(ordinal, byNumber.first - 1);
    for await (const { text, unknown } of exportSlices(log, {
      after,
      ...range,
      points,
      outward: onlyWhole(outward),
      format: 'jsonl',
    })) {
      if (unknown !== undefined) throw new SluiceError('not-found', unknownWords(unknown));
      for (const line of text.split('\n')) {
        if (line === '') continue;
        if (byNumber !== undefined) {
          const { log: name, seq } = JSON.parse(line) as Line;
          if (name !== byNumber.log || seq > byNumber.last) return;
        }
        yield line;
      }
      // Slices without a line end too: the numbers behind the last one that is wanted are not looked through.
    }
  }
}

/** Records of one log, one boot and one state of the clock. */
class Part {
  readonly #head: Line;
  readonly #lines: string[] = [];
  #text = 0;
  #last: number;

  constructor(head: Line) {
    this.#head = head;
    this.#last = head.seq;
  }

  get records(): number {
    return this.#lines.length;
  }

  takes({ log, boot, clock }: Line, line: string): boolean {
    const same = log === this.#head.log && boot === this.#head.boot && clock === this.#head.clock;
    return same && this.#lines.length < PART_RECORDS && this.#text + line.length <= PART_TEXT;
  }

  add({ seq }: Line, line: string): void {
    const { log: _log, boot: _boot, clock: _clock, ...record } = JSON.parse(line) as Record<string, unknown>;
    this.#lines.push(JSON.stringify(record));
    this.#text += line.length;
    this.#last = seq;
  }

  json(gateway: string, part: number): string {
    const { log, boot, seq: first, clock } = this.#head;
    const head = { v: 1, gateway, log, boot, part, first, last: this.#last, ...(clock === undefined ? {} : { clock }) };
    return `${JSON.stringify(head).slice(0, -1)},"records":[${this.#lines.join(',')}]}`;
  }
}
