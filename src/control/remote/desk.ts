/**
 * Takes commands that come as messages, and answers each on its own topic. Invariants:
 * - Everything that the caller's grant does not name is refused before anything is looked up.
 * - One id of a caller acts once, also over restarts (ledger.ts). A repeated id gets the first result again.
 * - An id that waits or is at work is not begun a second time, whatever its command. With another command it is refused.
 * - A command that expired, or whose time cannot be judged because the clock is not known, does not begin.
 * - What an outsider can cause is bounded: WAITING commands, ANSWERS that wait for the network, and events by quota.
 */
import type { Clock } from '../../core/clock.ts';
import type { Command, CommandPort, ReadResult, Results } from '../../core/commands.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { hasValue, plainValue, reasonAt } from '../../core/point.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import { leaves, type Outward, roundTo, withoutNames, withoutWindows } from '../../core/privacy.ts';
import { reasonName } from '../../core/reasons.ts';
import type { RemoteCaller, RemoteCommands } from '../../core/remote-commands.ts';
import { faultsCounted } from '../faults-counted.ts';
import { inTime, type TimeSide } from './in-time.ts';
import { ACTS, type Ledger, neverBegan, PER_OWNER, sumOf } from './ledger.ts';
import { type Asked, grants, NoCommand, parseMessage } from './message.ts';

/** Commands of one caller that wait for their turn, and those of it that are done at one time: together as many as the ledger keeps. */
const AT_ONCE = 4;
const WAITING = PER_OWNER - AT_ONCE;
/** Answers on their way to the network. */
const ANSWERS = 256;
export interface DeskOptions extends TimeSide {
  readonly clock: Clock;
  readonly commands: CommandPort;
  readonly ledger: () => Ledger;
  /** Capped by its owner. */
  readonly tell: (event: GatewayEvent) => void;
}

interface Task {
  readonly asked: Asked;
  readonly caller: RemoteCaller;
  readonly sum: string;
}

interface Counter {
  readonly queue: Task[];
  readonly running: Set<Task>;
}

export class Desk implements RemoteCommands {
  /** Messages that were no command, and answers that found no space. */
  readonly dropped = { messages: 0, answers: 0 };
  readonly #o: DeskOptions;
  /** Callers with something to do; one entry for a forwarder or a credential. */
  readonly #counters = new Map<string, Counter>();
  #answers = 0;

  constructor(options: DeskOptions) {
    this.#o = options;
  }

  take(payload: Uint8Array, caller: RemoteCaller, retained: boolean): void {
    let asked: Asked;
    try {
      if (retained) throw new NoCommand('a retained message is not obeyed; publish commands without the retain flag');
      asked = parseMessage(payload);
    } catch (thrown) {
      this.#noCommand(thrown, caller);
      return;
    }
    const task: Task = { asked, caller, sum: sumOf(asked.command) };
    const known = this.#o.ledger().find(caller.owner, asked.id);
    const counter = this.#counters.get(caller.owner) ?? { queue: [], running: new Set<Task>() };
    // What only looks is not in the ledger.
    const first = known ?? [...counter.running, ...counter.queue].find((one) => one.asked.id === asked.id);
    if (first !== undefined) {
      if (first.sum !== undefined && first.sum !== task.sum) void this.#refuse(task, otherCommand(asked.id));
      // The result of one that waits or runs follows by itself.
      else if (known?.runs === false)
        this.#answer(caller, 'result', asked.id, known.result ?? unknownOutcome(asked, this.#o.now()));
      return;
    }
    if (counter.queue.length >= WAITING) {
      void this.#refuse(task, new SluiceError('busy', `${WAITING} commands wait already; ask again later with the same id`));
      return;
    }
    this.#counters.set(caller.owner, counter);
    counter.queue.push(task);
    this.#next(caller.owner);
  }

  #next(owner: string): void {
    const counter = this.#counters.get(owner);
    if (counter === undefined) return;
    while (counter.running.size < AT_ONCE) {
      const task = counter.queue.shift();
      if (task === undefined) break;
      counter.running.add(task);
      void this.#do(task).finally(() => {
        counter.running.delete(task);
        this.#next(owner);
      });
    }
    if (counter.running.size === 0 && counter.queue.length === 0) this.#counters.delete(owner);
  }

  /** Never rejects. */
  async #do(task: Task): Promise<void> {
    const { asked, caller } = task;
    const { commands, ledger } = this.#o;
    const acts = ACTS.includes(asked.command.do);
    try {
      if (!grants(caller.grant, asked)) throw notGranted(task);
      inTime(asked.expires, this.#o);
      if (acts && !(await ledger().begin(caller.owner, asked.id, task.sum)))
        throw new SluiceError('busy', 'every place for commands is taken; ask again later with the same id');
    } catch (thrown) {
      await this.#refuse(task, thrown);
      return;
    }
    let json: string;
    try {
      const begin = (): void => inTime(asked.expires, this.#o);
      const part = (text: string): Promise<void> => caller.answer('resend', asked.id, text);
      const later = { id: asked.id, owner: caller.owner, topic: caller.topicOf?.(asked.id) };
      const result = await commands.run(asked.command, caller.by, { begin, part, outward: caller.outward, later });
      json = withoutNames(
        caller.outward,
        this.#done(asked, resultOf(asked.command, result, withoutWindows(caller.outward))),
        asked.target,
      );
    } catch (thrown) {
      json = withoutNames(caller.outward, failed(asked, thrown, this.#o.now(), caller.outward), asked.target);
      if (acts && neverBegan(thrown)) {
        ledger().forget(caller.owner, asked.id);
        this.#answer(caller, 'result', asked.id, json);
        return;
      }
    }
    if (acts) ledger().finish(caller.owner, asked.id, json);
    this.#answer(caller, 'result', asked.id, json);
  }

  #noCommand(thrown: unknown, caller: RemoteCaller): void {
    this.dropped.messages++;
    const error = thrown instanceof NoCommand ? thrown : new NoCommand(toError(thrown).message);
    this.#o.tell({
      ...{ event: 'command', severity: 'warning', message: `A message of ${caller.by.who} is no command: ${error.message}.` },
      data: { result: 'refused', code: error.code, via: caller.by.door, who: caller.by.who },
    });
    if (error.id !== undefined)
      this.#answer(
        caller,
        'result',
        error.id,
        JSON.stringify({ v: 1, id: error.id, ok: false, code: error.code, message: error.message, time: this.#o.now() }),
      );
  }

  /** It does not begin. The audit of the command port reports that. Never rejects. */
  async #refuse({ asked, caller }: Task, thrown: unknown): Promise<void> {
    this.#answer(caller, 'result', asked.id, withoutNames(caller.outward, failed(asked, thrown, this.#o.now()), asked.target));
    const begin = (): never => {
      throw thrown;
    };
    await this.#o.commands.run(asked.command, caller.by, { begin }).catch(() => {});
  }

  #done(asked: Asked, result: unknown): string {
    return JSON.stringify({ ...headOf(asked), ok: true, time: this.#o.now(), result });
  }

  /** A caller that is gone asks again with the same id. */
  #answer(caller: RemoteCaller, kind: 'result', id: string, json: string): void {
    if (this.#answers >= ANSWERS) {
      this.dropped.answers++;
      return;
    }
    this.#answers++;
    void caller
      .answer(kind, id, json)
      .catch(() => {})
      .finally(() => this.#answers--);
  }
}

function notGranted({ asked, caller }: Task): SluiceError {
  const words = `${asked.do} is not allowed for ${caller.by.who}: the configuration of the gateway does not grant it`;
  return new SluiceError('forbidden', words);
}

function otherCommand(id: string): SluiceError {
  return new SluiceError('request-invalid', `the id ${id} was used for another command; choose a new one`);
}

function headOf({ id, do: word, target }: Asked): Record<string, unknown> {
  return { v: 1, id, do: word, ...(target === undefined ? {} : { target }) };
}

function failed(asked: Asked, thrown: unknown, time: number, outward?: Outward | undefined): string {
  const { code, message } = thrown instanceof SluiceError ? thrown : new SluiceError('internal', toError(thrown).message);
  // The words of a failed write may have what the device shows.
  if (asked.command.do === 'write' && !leavesWhole(withoutWindows(outward), asked.command.point, ''))
    return JSON.stringify({ ...headOf(asked), ok: false, time, code, message: `${asked.command.point} was not set: ${code}` });
  // The sender of a configuration knows the names in it.
  const counted = outward === undefined || asked.command.do === 'configure' ? undefined : faultsCounted(thrown);
  return JSON.stringify({ ...headOf(asked), ok: false, time, code, message: counted ?? message });
}

function unknownOutcome(asked: Asked, time: number): string {
  const message =
    'the gateway ended while it was at work on this, so nobody knows whether it was done; look, then ask with a new id';
  return JSON.stringify({ ...headOf(asked), ok: false, time, code: 'outcome-unknown', message });
}

/** Plain JSON. Times of results are those of the message. */
function resultOf(command: Command, result: Results[Command['do']], outward: Outward | undefined): unknown {
  if (command.do === 'read') return readingsOf(result as ReadResult, outward);
  if (command.do === 'write') {
    const { value, type, unit, readBack } = result as Results['write'];
    // The one who wrote knows what he wrote; what the device shows is a reading.
    if (!leavesWhole(outward, command.point, type ?? '')) return { readBack };
    return { value: plainValue(value, type), ...(unit === undefined ? {} : { unit }), readBack };
  }
  return result;
}

/** @param point `device.point` */
function leavesWhole(outward: Outward | undefined, point: string, type: string): boolean {
  const [device = '', name = ''] = point.split('.');
  return outward === undefined || leaves(outward, device, { name, type }) === 0;
}

function readingsOf({ samples, faults }: ReadResult, outward: Outward | undefined): unknown {
  const values: Record<string, unknown> = {};
  const bad: Record<string, string> = {};
  for (const sample of samples)
    sample.shape.points.forEach(({ name, type }, i) => {
      const step = outward === undefined ? 0 : leaves(outward, sample.shape.device, { name, type });
      if (step === undefined) return;
      const reason = reasonAt(sample, i);
      const value = sample.values[i];
      if (hasValue(reason) && value !== undefined && value !== null)
        values[name] = plainValue(step > 0 ? roundTo(value, step) : value, type);
      else bad[name] = reasonName(reason);
    });
  const messages = faults.map(({ message }) => message);
  return { values, ...(Object.keys(bad).length === 0 ? {} : { bad }), ...(messages.length === 0 ? {} : { faults: messages }) };
}
