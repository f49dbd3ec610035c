/**
 * One start of Node-RED: proves that nothing of an earlier one is left, starts the process, tells it what to run, and hears it until
 * it is gone. Invariants:
 * - the process starts only after `clear` of its way has succeeded, and not at all once it was asked to end;
 * - after `drop`, and after the process ended, nothing more is heard of it; a process that appears then is killed;
 * - `hello`, `held` and `ready` are heard once: the gateway works for each, and code of a flow can say them without end.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { toError } from '../core/errors.ts';
import type { FlowDoor } from './door/door.ts';
import type { Blocked, FromChild, Grant } from './messages.ts';
import type { FlowProcess, FlowWay } from './way.ts';

/** What V8 prints beside the cause of its end: frames, rulers and figures of its collector. */
const NOISE = /^\s*\d+: 0x|^#\s*$|^-{5}|^<---|^\[\d+:0x/;

/** Between tries to reach the editor, ms. */
const REACH_AGAIN = 5000;

/** Where the flows of the present process are asked for. */
export interface FlowAddress {
  readonly socket: string;
  readonly key: string;
}

export interface FlowStartSide {
  readonly clock: Clock;
  readonly way: FlowWay;
  /** The socket for flows; absent: there is none. */
  readonly door: Pick<FlowDoor, 'open'> | undefined;
  readonly secret: () => Promise<string>;
  readonly title: () => string;
  /** Why its flows shall not run. */
  readonly safeMode: string | undefined;
  /** Resolves when it is known whether the disk has room. It may ask this start to end meanwhile. */
  readonly looked: () => Promise<void>;
  /** The process measures its folder up to so many bytes; undefined: the gateway does. */
  readonly measure: number | undefined;
  /** What its flows may do, asked when the process is there. */
  readonly allow: () => readonly Grant[];
  readonly heard: (message: FromChild) => void;
  /** Its editor can be reached later than it said. */
  readonly reached: () => void;
  /** A line that it printed past its log. */
  readonly output: (line: string) => void;
  /** Nothing of it is left. @param why completes "… ended because" */
  readonly ended: (why: string) => void;
  /** No process came of it. */
  readonly refused: (why: string) => void;
}

export class FlowStart {
  readonly #s: FlowStartSide;
  /** Each start has its own: what an earlier process knew opens nothing. */
  readonly #key = randomBytes(16).toString('hex');
  #process: FlowProcess | undefined;
  /** Asked of a process that is only about to start. */
  #early: 'end' | 'kill' | undefined;
  #dropped = false;
  #lastWords: string | undefined;
  #editor: string | undefined;
  readonly #said = new Set<FromChild['type']>();
  /** What keeps its flows from running. */
  blocked: Blocked | undefined;
  /** The flows on its disk could not be read. It began without any. */
  lost = false;

  constructor(side: FlowStartSide) {
    this.#s = side;
  }

  get runsAs(): FlowWay['runsAs'] {
    return this.#s.way.runsAs;
  }

  /** While it runs. */
  get process(): FlowProcess | undefined {
    return this.#process;
  }

  /** Its editor, as soon as it can be reached: `adopt` found out. */
  get address(): FlowAddress | undefined {
    return this.#editor === undefined ? undefined : { socket: this.#editor, key: this.#key };
  }

  begin(): void {
    this.#start().catch((thrown: unknown) => {
      if (!this.#dropped) this.#s.refused(toError(thrown).message);
    });
  }

  /** Asks it to end, or ends it at once; also where its process does not exist yet. */
  ask(what: 'end' | 'kill'): void {
    if (this.#process === undefined) this.#early = what;
    else this.#process[what]();
  }

  /** Another start follows: nothing more is heard of this one. */
  drop(): void {
    this.#dropped = true;
  }

  /** What it said before its end, which explains the end better than its exit code. */
  saidLast(text: string): void {
    this.#lastWords = text.split('\n')[0];
  }

  /**
   * The process is ready, as it says; a flow can say that before it is true, so the editor is tried again.
   * @returns whether its editor can be reached; undefined: the process is gone meanwhile
   */
  async adopt(unreachable: (why: string) => void): Promise<boolean | undefined> {
    if (this.#process === undefined) return undefined;
    let editor: string | undefined;
    try {
      editor = await this.#s.way.adopt();
    } catch (thrown) {
      unreachable(toError(thrown).message);
    }
    if (this.#dropped || this.#process === undefined) return undefined;
    this.#editor = editor;
    if (editor === undefined) this.#s.clock.after(REACH_AGAIN, () => this.#reachAgain());
    return editor !== undefined;
  }

  #reachAgain(): void {
    void this.adopt(() => {}).then((reachable) => {
      if (reachable === true) this.#s.reached();
    });
  }

  async #start(): Promise<void> {
    const { way, door, secret, title, safeMode, looked, measure, allow, heard, output, refused } = this.#s;
    await way.clear();
    await looked();
    if (this.#askedEarly() !== undefined) {
      if (!this.#dropped) refused('it was stopped before it started');
      return;
    }
    const credentialSecret = await secret();
    const gateway = await door?.open(await way.door());
    const process = await way.start({
      message: (message) => {
        if (!this.#dropped && this.#isNews(message.type)) heard(message);
      },
      output: (line) => {
        if (this.#dropped || NOISE.test(line)) return;
        if (/FATAL ERROR|out of memory|Error:/.test(line)) this.#lastWords ??= line;
        output(line);
      },
      ended: (why) => this.#over(why),
    });
    if (this.#dropped) {
      process.kill();
      return;
    }
    this.#process = process;
    const early = this.#askedEarly();
    if (early !== undefined) process[early]();
    process.send({
      ...{ type: 'start', flowKey: this.#key, folder: way.folder, socket: way.socket, title: title() },
      ...{ credentialSecret, safeMode, allow: allow() },
      ...(gateway === undefined ? {} : { gateway }),
      ...(measure === undefined ? {} : { measure }),
    });
  }

  #isNews(type: FromChild['type']): boolean {
    if (type !== 'hello' && type !== 'held' && type !== 'ready') return true;
    const before = this.#said.has(type);
    this.#said.add(type);
    return !before;
  }

  #askedEarly(): 'end' | 'kill' | undefined {
    return this.#early;
  }

  #over(why: string): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#process = undefined;
    this.#editor = undefined;
    this.#s.ended(this.#lastWords === undefined ? why : `${why}: ${this.#lastWords}`);
  }
}
