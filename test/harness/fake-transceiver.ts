/**
 * The system behind a transceiver, for tests: a clock that only calls move, a port whose transmitter keeps the pace of its line, and a line
 * that everybody can look at. Any call can be made to fail.
 */
import { CallRefused, type TransceiverCalls } from '../../src/drivers/transceiver/calls.ts';

export interface FakeOptions {
  /** ms of a character. */
  readonly character: number;
  /** The transmitter begins so much later than the call of `write`, ms. */
  readonly begins?: number;
  /** `never`: it sends nothing. */
  readonly transmitter?: 'keeps pace' | 'never';
  /** The driver says whether its transmitter is empty. `early`: it says so too early. */
  readonly tells?: 'yes' | 'no' | 'early';
  /** Bytes that one `write` takes. */
  readonly takes?: number;
  /** Numbers of calls that fail, from 0. */
  readonly fails?: ReadonlySet<number>;
  /** The sleep of this number is ended early, and all after it. */
  readonly wakes?: number;
}

const PORT = 70;
const LINE = 71;

export class FakeTransceiver implements TransceiverCalls {
  readonly port = 7;
  /** `free`: the kernel has it. */
  line: 'free' | 'inactive' | 'active' = 'free';
  readonly open = new Set<number>();
  /** Names of calls, in order; equal ones that follow each other once. */
  readonly calls: string[] = [];
  /** Bytes that were given to the port, and whether the line was active then. */
  readonly written: { readonly bytes: readonly number[]; readonly active: boolean }[] = [];
  dropped = 0;
  /** ms of the fake clock: when the line changed to active, and back. */
  readonly changes: { readonly at: number; readonly active: boolean }[] = [];
  /** Number of calls so far. */
  count = 0;
  /** When the last bit of what was written leaves. */
  outAt = 0;
  #time = 1000;
  #sleeps = 0;
  #given = 0;
  readonly #o: FakeOptions;

  constructor(options: FakeOptions) {
    this.#o = options;
  }

  copyPort = (port: number): number => {
    this.#call('copyPort');
    if (port !== this.port) throw new Error('another port');
    this.open.add(PORT);
    return PORT;
  };
  takeLine = (): number => {
    this.#call('takeLine');
    this.line = 'inactive';
    this.open.add(LINE);
    return LINE;
  };
  setLine = (_: number, active: boolean): void => {
    this.#call(active ? 'active' : 'inactive');
    this.#held(LINE);
    this.line = active ? 'active' : 'inactive';
    this.changes.push({ at: this.#time, active });
  };
  write = (_: number, bytes: Uint8Array): number => {
    this.#call('write');
    this.#held(PORT);
    const taken = Math.min(bytes.length, this.#o.takes ?? bytes.length);
    if (taken === 0) return 0;
    this.written.push({ bytes: [...bytes.subarray(0, taken)], active: this.line === 'active' });
    this.outAt = Math.max(this.outAt, this.#time + (this.#o.begins ?? 0)) + taken * this.#o.character;
    this.#given += taken;
    return taken;
  };
  waiting = (): number => {
    this.#call('waiting');
    this.#held(PORT);
    return this.#o.transmitter === 'never' ? this.#given : 0;
  };
  isEmpty = (): boolean | undefined => {
    this.#call('isEmpty');
    this.#held(PORT);
    if (this.#o.tells === 'no') return undefined;
    return this.#o.tells === 'early' || this.#time >= this.outAt;
  };
  drop = (): void => {
    this.#call('drop');
    this.dropped++;
    this.#given = 0;
  };
  close = (descriptor: number): void => {
    // Linux closes a descriptor also where it reports an error.
    this.open.delete(descriptor);
    if (descriptor === LINE) this.line = 'free';
    this.#call('close');
  };
  now = (): number => {
    this.#time += 0.002;
    return this.#time;
  };
  sleep = (ms: number): boolean => {
    this.#time += ms + 0.06;
    return !(this.#sleeps++ >= (this.#o.wakes ?? Number.POSITIVE_INFINITY));
  };

  #call(name: string): void {
    if (this.calls.at(-1) !== name) this.calls.push(name);
    this.#time += 0.002;
    if (this.#o.fails?.has(this.count++)) throw new CallRefused({ call: 'set', errno: 'EIO' });
  }
  #held(descriptor: number): void {
    if (!this.open.has(descriptor)) throw new Error(`${descriptor} is closed`);
  }
}
