/** A command as it travels: `{"id","do","target","value"?,"expires"?}`. Pure; the message comes from outside. */
import type { Command, ConfigureCommand, ResendCommand } from '../../core/commands.ts';
import { MOST_VERSION } from '../../core/configure-keys.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import { type Grant, granted } from '../../core/remote-commands.ts';
import { parseDuration } from '../../core/units.ts';

/** Bytes of a message. */
export const MOST_MESSAGE = 8 * 1024;
/** Bytes of one with a configuration: what an upstream broker may send (inbound-check.ts), without topic and properties. */
export const MOST_CONFIGURE = 60 * 1024;
/** The id is a level of a topic. */
export const ID = /^[A-Za-z0-9_.-]{1,64}$/;
export const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const POINT = /^[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9][a-z0-9_-]{0,63}$/;
/** The name of a log; the log of salvaged records begins with s. */
export const LOG = /^[0-9a-fs][0-9a-f]{9}$/;
export const WORDS = [
  ...(['write', 'read', 'ack', 'shelve'] as const),
  ...(['reset', 'out-of-service', 'in-service', 'reload', 'resend', 'configure', 'restart-flows'] as const),
] as const;
export type Word = (typeof WORDS)[number];
export const KEYS: Readonly<Record<Word, readonly string[]>> = {
  write: ['target', 'value'],
  read: ['target'],
  ack: ['target', 'occurrence'],
  shelve: ['target', 'for', 'reason'],
  reset: ['target', 'occurrence'],
  'out-of-service': ['target', 'reason', 'for'],
  'in-service': ['target'],
  reload: [],
  resend: ['log', 'first', 'last', 'from', 'to', 'points'],
  configure: ['version', 'yaml', 'signature'],
  'restart-flows': [],
};
export const MOST_POINTS = 100;
/** Letters. */
export const MOST_REASON = 200;
/** base64url or base64 of 64 bytes. */
export const SIGNATURE = /^[A-Za-z0-9+/_-]{86}(?:==)?$/;
/** Letters of a text that is written. */
export const MOST_VALUE = 250;
/** Milliseconds of a shelving: a year. */
export const MOST_SHELVED = 365 * 86_400_000;
/** Milliseconds of a time out of service. */
export const MOST_OUT_OF_SERVICE = 90 * 86_400_000;

export interface Asked {
  readonly id: string;
  readonly do: Word;
  readonly target: string | undefined;
  readonly command: Command;
  /** UTC ms. */
  readonly expires: number | undefined;
}

/** A message that is no command. `id` is there when an answer has a topic. */
export class NoCommand extends SluiceError {
  readonly id: string | undefined;

  constructor(message: string, id?: string) {
    super('request-invalid', message);
    this.id = id;
  }
}

/** @throws NoCommand */
export function parseMessage(payload: Uint8Array): Asked {
  const tooLong = (most: number): never => {
    throw new NoCommand(`a command has at most ${most} bytes; this one has ${payload.length}`);
  };
  if (payload.length > MOST_CONFIGURE) tooLong(MOST_CONFIGURE);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw new NoCommand('the command is not JSON in UTF-8');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new NoCommand('the command is not a JSON object');
  const message = json as Readonly<Record<string, unknown>>;
  if (payload.length > MOST_MESSAGE && message.do !== 'configure') tooLong(MOST_MESSAGE);
  const { id } = message;
  if (typeof id !== 'string' || !ID.test(id)) throw new NoCommand('id has 1 to 64 of these: A-Z a-z 0-9 _ . -');
  const no = (words: string): never => {
    throw new NoCommand(words, id);
  };
  const word = WORDS.find((one) => one === message.do) ?? no(`do is one of ${WORDS.join(', ')}`);
  for (const key of Object.keys(message))
    if (!['id', 'do', 'expires', 'v', ...KEYS[word]].includes(key)) no(`${word} has no ${JSON.stringify(key.slice(0, 40))}`);
  const { expires } = message;
  if (expires !== undefined && !isTime(expires)) no('expires is a time in UTC milliseconds');
  const command = commandOf(word, message, no);
  const target = typeof message.target === 'string' ? message.target : undefined;
  return { id, do: word, target, command, expires: expires as number | undefined };
}

type No = (words: string) => never;

function commandOf(word: Word, message: Readonly<Record<string, unknown>>, no: No): Command {
  const { target } = message;
  switch (word) {
    case 'write': {
      if (typeof target !== 'string' || !POINT.test(target)) return no('target is a point: device.point');
      return { do: 'write', point: target, value: valueIn(message.value, no) };
    }
    case 'read':
      return { do: 'read', device: nameOf(target, 'a device', no) };
    case 'ack':
    case 'reset': {
      const { occurrence } = message;
      if (occurrence !== undefined && !(Number.isSafeInteger(occurrence) && Number(occurrence) > 0))
        return no('occurrence is a whole number, as in the alarm');
      return {
        do: word === 'ack' ? 'acknowledge' : 'reset',
        rule: nameOf(target, 'a rule', no),
        ...(occurrence === undefined ? {} : { occurrence: Number(occurrence) }),
      };
    }
    case 'out-of-service': {
      const { reason } = message;
      if (typeof reason !== 'string' || reason.trim() === '' || reason.length > MOST_REASON)
        return no(`reason is a text of 1 to ${MOST_REASON} letters: why the alarm is out of service`);
      const out = { do: 'out-of-service', rule: nameOf(target, 'a rule', no), reason } as const;
      if (message.for === undefined) return out;
      const length = typeof message.for === 'string' ? parseDuration(message.for) : undefined;
      if (length === undefined || length <= 0 || length > MOST_OUT_OF_SERVICE)
        return no('for is a duration of at most 90 days, for example "8h"; without it a person puts the alarm in service');
      return { ...out, for: length };
    }
    case 'in-service':
      return { do: 'in-service', rule: nameOf(target, 'a rule', no) };
    case 'shelve': {
      const { reason } = message;
      if (reason !== undefined && (typeof reason !== 'string' || reason.length > MOST_REASON))
        return no(`reason is a text of at most ${MOST_REASON} letters`);
      const length = message.for === null ? null : typeof message.for === 'string' ? parseDuration(message.for) : undefined;
      if (length === undefined || (length !== null && (length <= 0 || length > MOST_SHELVED)))
        return no('for is a duration of at most a year, "30m" or "8h", or null to end the shelving');
      return { do: 'shelve', rule: nameOf(target, 'a rule', no), for: length, reason: reason as string | undefined };
    }
    case 'reload':
      return { do: 'reload' };
    case 'resend':
      return resendOf(message, no);
    case 'configure':
      return configureOf(message, no);
    case 'restart-flows':
      return { do: 'restart-flows' };
  }
}

function configureOf({ version, yaml, signature, expires }: Readonly<Record<string, unknown>>, no: No): ConfigureCommand {
  if (!isSeq(version) || version > MOST_VERSION) return no(`version is a whole number of 1 to ${MOST_VERSION}`);
  if (typeof yaml !== 'string' || yaml === '') return no('yaml is the text of the configuration');
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) return no('signature is the base64 of 64 bytes');
  // The signature covers it as a decimal number.
  if (expires !== undefined && !Number.isSafeInteger(expires)) return no('expires is a whole number of UTC milliseconds');
  return { do: 'configure', version, yaml, signature, expires: expires as number | undefined };
}

/** By numbers of a log, or by time. */
function resendOf({ log, first, last, from, to, points }: Readonly<Record<string, unknown>>, no: No): ResendCommand {
  const names = points ?? undefined;
  if (names !== undefined && !isNames(names)) return no(`points is a list of at most ${MOST_POINTS} devices or points`);
  if (log !== undefined) {
    if (from !== undefined || to !== undefined) return no('write log, first and last, or from and to; not both');
    if (typeof log !== 'string' || !LOG.test(log)) return no('log is the id of a log, as in a batch');
    const [low, high] = [first, last];
    if (!isSeq(low) || !isSeq(high) || low > high) return no('first and last are the first and the last number that are wanted');
    return { do: 'resend', log, first: low, last: high, points: names };
  }
  if (!isTime(from) || !isTime(to) || from > to)
    return no('from and to are times in UTC milliseconds; or write log, first and last');
  return { do: 'resend', from, to, points: names };
}

function isNames(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MOST_POINTS &&
    value.every((one) => typeof one === 'string' && (NAME.test(one) || POINT.test(one)))
  );
}
function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 && value < 8.64e15;
}

function nameOf(target: unknown, what: string, no: No): string {
  return typeof target === 'string' && NAME.test(target) ? target : no(`target is the name of ${what}`);
}

function valueIn(value: unknown, no: No): Value {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (typeof value === 'string' && value.length <= MOST_VALUE) return value;
  return no(`value is a number, true, false, or a text of at most ${MOST_VALUE} letters`);
}

/** Whether the grant has it. */
export function grants(grant: Grant, { do: word, target }: Pick<Asked, 'do' | 'target'>): boolean {
  if (word === 'reload' || word === 'resend' || word === 'configure') return grant[word] === true;
  if (word === 'restart-flows') return grant.restartFlows === true;
  return granted(grant[word === 'out-of-service' || word === 'in-service' ? 'outOfService' : word], target ?? '');
}
