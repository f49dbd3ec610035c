/**
 * Every command, done or refused, as an event and a line of the log: who asked, by which door and in which role, for what, what
 * came of it. Writes are the event `write`, everything else is `command`. Safe values have events of their own (safe-state.ts).
 *
 * A caller that asks without end must not push readings out of the log: from the 61st of a minute on commands are counted and
 * reported together when the minute is over. What is refused has a count of its own: anybody can be refused, and it hides nothing that
 * was done. So do readings on request, with a smaller quota: flows and platforms repeat them all day, and they change nothing.
 */
import type { Clock } from '../core/clock.ts';
import type { Action, Command, FlowsCommand, Principal, Results, WriteResult } from '../core/commands.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { plainValue, type Value } from '../core/point.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { Quota } from '../core/quota.ts';
import { faultsCounted } from './faults-counted.ts';

const REPORTED = 60;
const MINUTE = 60_000;
/** Readings on request that are reported, in an hour. */
const READS = 20;
const HOUR = 3_600_000;
/** Characters of a value or a name as they are kept. */
const LONGEST = 250;
/** Nothing was done, whatever the command. */
const REFUSALS: readonly string[] = [
  'write-refused',
  'not-found',
  'request-invalid',
  'not-running',
  'forbidden',
  'unsupported',
  'config-invalid',
  'configure-refused',
  'busy',
  'expired',
  'clock-unknown',
  'conflict',
];

type Outcome = 'done' | 'refused' | 'failed';
/** Whose quota an entry takes, and whose count it goes to when that is used up. */
type Kind = Outcome | 'read';
type Facts = Record<string, string | number | boolean>;

export interface AuditOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  /** An event as everybody may see it, in the log of the process too. Absent: as it was made. */
  readonly disclose?: ((event: GatewayEvent) => GatewayEvent) | undefined;
}

export class Audit {
  readonly #o: AuditOptions;
  /** Entries about what acted on a device or on the gateway; refusals have a quota of their own. */
  readonly #acted: Quota;
  readonly #refused: Quota;
  readonly #reads: Quota;
  #suppressed: Record<Kind, number> = { done: 0, refused: 0, failed: 0, read: 0 };

  constructor(options: AuditOptions) {
    this.#o = options;
    const { clock } = options;
    this.#acted = new Quota({ clock, period: MINUTE, most: REPORTED, rest: () => this.#rest('done', 'failed') });
    this.#refused = new Quota({ clock, period: MINUTE, most: REPORTED, rest: () => this.#rest('refused') });
    this.#reads = new Quota({ clock, period: HOUR, most: READS, rest: () => this.#restOfReads() });
  }

  done(command: Command, by: Principal, result: Results[Command['do']]): void {
    if (command.do === 'safe') return;
    if (command.do === 'write') {
      const { value: read, type, readBack } = result as WriteResult;
      const value = plainValue(read, type);
      const how = readBack ? '' : '; it is not read back';
      const facts = { point: clean(command.point), value: plain(value) };
      const message = `${command.point} was set to ${text(value)}${byWhom(by)}${how}.`;
      this.#report({ event: 'write', bare: `${command.point} was set${byWhom(by)}.` }, by, facts, 'done', message);
      return;
    }
    this.#report({ event: 'command' }, by, factsOf(command), 'done', `${nameOf(command)} was done${byWhom(by)}.`);
  }

  failed(command: Command, by: Principal, thrown: unknown): void {
    const { code, data } = thrown instanceof SluiceError ? thrown : new SluiceError('internal');
    if (command.do === 'safe') return;
    const outcome = data.sent === false || REFUSALS.includes(code) ? 'refused' : 'failed';
    if (command.do === 'write') {
      // Once is enough.
      const why = toError(thrown).message.replace(`${command.point}: `, '');
      const value = wanted(command.value);
      const message = `${clean(command.point)} was not set to ${text(value)}${byWhom(by)}: ${without(why, command.value, value)}.`;
      const bare = `${clean(command.point)} was not set${byWhom(by)}: ${code}.`;
      this.#report({ event: 'write', bare }, by, { point: clean(command.point), value: plain(value) }, outcome, message, code);
      return;
    }
    const message = `${nameOf(command)} was not done${byWhom(by)}: ${clean(toError(thrown).message)}.`;
    // The words of a failed reading may have what the device sent.
    const counted = command.do === 'read' ? code : faultsCounted(thrown);
    const bare = counted && `${nameOf(command)} was not done${byWhom(by)}: ${counted}.`;
    this.#report({ event: 'command', bare }, by, factsOf(command), outcome, message, code);
  }

  /** Something that is no command was refused for the role. */
  forbidden(action: Action, by: Principal, error: SluiceError): void {
    this.#report(
      { event: 'command' },
      by,
      { do: action },
      'refused',
      `${action} was not done${byWhom(by)}: ${error.message}.`,
      error.code,
    );
  }

  /** Reports now what is only counted so far. */
  flush(): void {
    this.#acted.flush();
    this.#refused.flush();
    this.#reads.flush();
  }

  /** Reports what was only counted of these. */
  #rest(...outcomes: Outcome[]): void {
    const of = (outcome: Outcome): number => (outcomes.includes(outcome) ? this.#suppressed[outcome] : 0);
    const [done, refused, failed] = [of('done'), of('refused'), of('failed')];
    for (const outcome of outcomes) this.#suppressed[outcome] = 0;
    const more = done + refused + failed;
    const message = `${more} more writes and other commands were asked for within a minute: ${done} were done, ${refused} refused, ${failed} failed.`;
    this.#o.logger.warn({ done, refused, failed }, message);
    this.#o.tell({ event: 'write', severity: 'warning', message, data: { result: 'more', done, refused, failed } });
  }

  #restOfReads(): void {
    const more = this.#suppressed.read;
    this.#suppressed.read = 0;
    const message = `${more} more readings were asked for within an hour.`;
    this.#o.logger.info({ do: 'read', more }, message);
    this.#o.tell({ event: 'command', severity: 'info', message, data: { do: 'read', result: 'more', more } });
  }

  /** @returns false: it is counted, and reported with others when their time is over */
  #takes(kind: Kind): boolean {
    const quota = kind === 'read' ? this.#reads : kind === 'refused' ? this.#refused : this.#acted;
    if (quota.take()) return true;
    this.#suppressed[kind]++;
    return false;
  }

  #report(
    of: Pick<GatewayEvent, 'event' | 'bare'>,
    { who, door, role }: Principal,
    facts: Facts,
    result: Outcome,
    message: string,
    code?: string,
  ): void {
    // A refusal for the role is no reading.
    if (!this.#takes(facts.do === 'read' && code !== 'forbidden' ? 'read' : result)) return;
    const data: Facts = {
      ...{ ...facts, result, ...(code === undefined ? {} : { code }) },
      ...{ via: door, who: clean(who), role },
    };
    const made: GatewayEvent = { ...of, severity: result === 'done' ? 'info' : 'warning', message, data };
    const event = this.#o.disclose?.(made) ?? made;
    this.#o.logger[result === 'done' ? 'info' : 'warn'](event.data ?? {}, event.message);
    this.#o.tell(event);
  }
}

const DOORS: Readonly<Record<Principal['door'], string>> = {
  socket: 'on this board',
  signal: 'on this board',
  http: 'over HTTP',
  https: 'over HTTPS',
  mqtt: 'by a command',
  'node-red': 'by a flow',
  rule: 'by a rule',
  gateway: 'by the gateway',
};
const byWhom = ({ door, who }: Principal): string => ` ${DOORS[door]} (${clean(who)})`;

function nameOf(command: Command): string {
  if (command.do === 'flows') return `${FLOW_ACTS[command.act]}${flowOf(command)}`;
  if (command.do === 'restart-flows') return 'a restart of Node-RED';
  if (command.do === 'shelve') return `${command.for === null ? 'unshelve' : 'shelve'} ${clean(command.rule)}`;
  if (command.do === 'configure') return `configuration ${command.version}`;
  if (command.do === 'read') return `read ${clean(command.device)}`;
  return 'rule' in command ? `${command.do} ${clean(command.rule)}` : command.do;
}

const FLOW_ACTS: Readonly<Record<FlowsCommand['act'], string>> = {
  undo: 'an undo of the flows',
  restore: 'a restore of the flows',
  import: 'an import of flows',
  load: 'a load of the flow',
};

function flowOf(command: FlowsCommand): string {
  if (command.act === 'restore') return ` ${command.revision}`;
  if (command.act === 'load') return ` ${clean(command.name)}`;
  return command.act === 'import' ? ` (${command.mode})` : '';
}

/** What was asked for. Its texts come from outside. */
function factsOf(command: Command): Facts {
  // The flows themselves are not shown.
  if (command.do === 'flows') {
    const { newest } = command;
    return { do: 'flows', act: command.act, of: flowOf(command).trim(), ...(newest === undefined ? {} : { newest }) };
  }
  // Neither is the configuration.
  if (command.do === 'configure') return { do: 'configure', version: command.version };
  const facts: Facts = {};
  for (const [key, value] of Object.entries(command))
    if (value !== undefined && value !== null) facts[key] = plain(Array.isArray(value) ? value.join(' ') : value);
  return facts;
}

function plain(value: Value): string | number | boolean {
  if (typeof value === 'string') return clean(value);
  // JSON has no NaN.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : plainValue(value, undefined);
}

/** A number, a switch or a time. */
const VALUE = /^(?:[-+\d.:TZe ]{1,32}|true|false|on|off)$/i;
/** What the audit shows of a value that was not written: any other text may be a password in the wrong field. */
function wanted(value: Value): Value {
  return typeof value !== 'string' || VALUE.test(value) ? value : `a text of ${value.length} characters`;
}
/** Reasons repeat the value. */
function without(why: string, given: Value, shown: Value): string {
  if (typeof given !== 'string' || given === shown) return why;
  const forms = [given, given.trim(), JSON.stringify(given).slice(1, -1)].filter((form) => form !== '');
  return forms.reduce((words, form) => words.replaceAll(form, String(shown)), why);
}

const text = (value: Value): string => String(plain(value));
/** Names and texts come from outside. */
const clean = (given: string): string => given.slice(0, LONGEST).replace(/\p{Cc}/gu, '�');
