/** What operators do with one alarm: acknowledge, reset, shelve, take out of service. What cannot be done says why. */
import { SluiceError } from '../core/errors.ts';
import { LONGEST_OUT_OF_SERVICE, LONGEST_SHELVING } from './alarm-life.ts';
import type { RuleMachine } from './rule-machine.ts';
import { acknowledgedMessage, inServiceMessage, removedFromServiceMessage, resetMessage, shelvedMessage } from './words.ts';

/** Characters of a reason. */
const REASON_LENGTH = 200;

export interface Act {
  readonly machine: RuleMachine;
  /** Monotonic. */
  readonly at: number;
  /** Who, for the message. */
  readonly by: string;
  /** Transitions came due just now: then there is something to report, and no error. */
  readonly moved: () => boolean;
}

/**
 * @param occurrence only this activation; absent: the newest
 * @throws SluiceError not-found
 */
export function acknowledge({ machine, at, by, moved }: Act, occurrence: number | undefined): void {
  isNewest(machine, occurrence);
  machine.advance(at);
  const { life, name } = machine;
  if (life.state === 'active-unacknowledged' || life.state === 'returned-unacknowledged') {
    machine.operate(at, () => {
      life.acknowledge(machine.terms);
      return acknowledgedMessage(machine.rule, by);
    });
    machine.acknowledged(at);
  } else if (life.state !== 'active-acknowledged' && !moved())
    throw new SluiceError(
      'not-found',
      hiddenWords(machine) ?? `the alarm ${name} is ${life.state}: there is nothing to acknowledge`,
    );
}

/** @throws SluiceError not-found */
export function reset({ machine, at, by, moved }: Act, occurrence: number | undefined): void {
  isNewest(machine, occurrence);
  machine.advance(at);
  const { life, name } = machine;
  if (life.state === 'latched')
    machine.operate(at, () => {
      life.reset(machine.terms);
      return resetMessage(machine.rule, by);
    });
  else if (!moved())
    throw new SluiceError(
      'not-found',
      hiddenWords(machine) ??
        (life.holds
          ? `the alarm ${name} is still active: it can be reset when its condition is over`
          : life.state === 'returned-unacknowledged'
            ? `the alarm ${name} is not acknowledged: acknowledge it first`
            : `the alarm ${name} is normal: there is nothing to reset`),
    );
}

/**
 * Nothing is reported until the end of the shelving, whatever the condition does.
 * @param length milliseconds; null ends the shelving
 * @throws SluiceError not-found, usage
 */
export function shelve({ machine, at, by, moved }: Act, length: number | null, reason: string | undefined): void {
  const { life, name, rule } = machine;
  if (length === null) {
    machine.advance(at);
    if (life.state === 'shelved') machine.unshelve(at, 'unshelve', by);
    else if (!moved()) throw new SluiceError('not-found', `the alarm ${name} is not shelved`);
    return;
  }
  if (!Number.isFinite(length) || length < 1000 || length > LONGEST_SHELVING)
    throw new SluiceError('usage', 'an alarm is shelved for 1s to 7d; write for example 8h');
  if (machine.advisory && (reason ?? '').trim() === '')
    throw new SluiceError('usage', `the rule ${name} only advises, so its mute needs a reason: say why nobody needs its advice`);
  machine.advance(at);
  if (life.state === 'out-of-service') throw new SluiceError('not-found', hiddenWords(machine));
  machine.operate(at, (now) => {
    const message = shelvedMessage(rule, at + length - now, by, reason?.slice(0, REASON_LENGTH));
    life.shelve(now, at + length, message, machine.terms);
    return message;
  });
}

/**
 * Nothing is reported until the alarm is put in service again. To do so again gives another reason, and another end.
 * @param length milliseconds; undefined: until a person puts it in service
 * @throws SluiceError usage
 */
export function takeOutOfService({ machine, at, by }: Act, reason: string, length: number | undefined): void {
  if (length !== undefined && (!Number.isFinite(length) || length < 1000 || length > LONGEST_OUT_OF_SERVICE))
    throw new SluiceError(
      'usage',
      'an alarm is out of service for 1s to 90d, or until somebody puts it in service; write for example 8h',
    );
  const why = reason.trim().slice(0, REASON_LENGTH);
  if (why === '')
    throw new SluiceError('usage', 'an alarm out of service needs a reason: say why, for example "sensor is being replaced"');
  machine.operate(at, (now) => {
    const message = removedFromServiceMessage(machine.rule, length === undefined ? undefined : at + length - now, by, why);
    machine.life.remove(now, length === undefined ? Number.POSITIVE_INFINITY : at + length, message, machine.terms);
    return message;
  });
}

/** @throws SluiceError not-found */
export function putInService({ machine, at, by, moved }: Act): void {
  machine.advance(at);
  const { life, name } = machine;
  if (life.state === 'out-of-service')
    machine.operate(at, () => {
      life.restore(machine.terms);
      return inServiceMessage(machine.rule, by, machine.present());
    });
  else if (!moved()) throw new SluiceError('not-found', `the alarm ${name} is in service`);
}

/** Why nothing can be done with an alarm that is kept from people; undefined when it is not. */
function hiddenWords({ life, name }: RuleMachine): string | undefined {
  switch (life.state) {
    case 'shelved':
      return `the alarm ${name} is shelved: unshelve it first`;
    case 'out-of-service':
      return `the alarm ${name} is out of service: put it in service first`;
    case 'suppressed':
      return `the alarm ${name} is suppressed by design: it shows itself when the rule that suppresses it is normal`;
    default:
      return undefined;
  }
}

function isNewest({ life, name }: RuleMachine, occurrence: number | undefined): void {
  const newest = life.occurrence;
  if (occurrence === undefined || occurrence === newest) return;
  throw new SluiceError(
    'not-found',
    newest === 0
      ? `the alarm ${name} never began, so there is no occurrence ${occurrence}`
      : `the occurrence ${occurrence} of the alarm ${name} is over; the newest is ${newest}`,
  );
}
