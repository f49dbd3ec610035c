/** Nodes that act: they write a point, and do with an alarm what an operator does. What the gateway refuses goes to the Catch nodes. */
import { typed } from './ask-nodes.ts';
import { type Config, type Kit, linkOf, takes, text } from './kit.ts';
import type { RedNode } from './red.ts';
import { duration, evaluate, expand, InputError, pointFrom, rulesOf, shorten, valueFrom } from './values.ts';

/** A write waits for its bus. */
const WRITE_WITHIN = 60_000;
const WITHIN = 15_000;
const LONGEST_REASON = 200;
const ACTIONS = ['acknowledge', 'shelve', 'unshelve', 'reset', 'out-of-service', 'in-service'] as const;

export function write(kit: Kit, node: RedNode, config: Config): void {
  const link = linkOf(kit, node, config);
  const { red } = kit;
  takes(node, link, async (message) => {
    const point = pointFrom(await evaluate(red, node, typed(config, 'point', 'point'), message));
    const value = valueFrom(await evaluate(red, node, typed(config, 'value', 'msg'), message));
    const within = duration(expand(red, node, config.within), config.withinUnit, 'the time until the write expires');
    const expires = Math.min(within > 0 ? link.open.now() + within : Number.POSITIVE_INFINITY, endOf(message.expires));
    const fields = { point, value, ...(expires < Number.POSITIVE_INFINITY ? { expires } : {}) };
    const { result } = await link.open.call('write', fields, WRITE_WITHIN);
    return Object.assign(message, { point, result });
  });
}

export function alarmAction(kit: Kit, node: RedNode, config: Config): void {
  const link = linkOf(kit, node, config);
  const { red } = kit;
  takes(node, link, async (message) => {
    const chosen = text(config, 'action', 'acknowledge');
    const action = chosen === 'msg' ? message.action : chosen;
    const known = ACTIONS.find((one) => one === action);
    if (known === undefined)
      throw new InputError(
        'msg.action says what to do: "acknowledge", "shelve", "unshelve", "reset", "out-of-service" or "in-service"',
      );
    const rule = ruleFrom(await evaluate(red, node, typed(config, 'rule', 'msg'), message));
    if (known === 'acknowledge' || known === 'reset') {
      const { occurrence } = message;
      const one = typeof occurrence === 'number' && Number.isSafeInteger(occurrence) ? { occurrence } : {};
      const { result } = await link.open.call(known, { rule, ...one }, WITHIN);
      return Object.assign(message, { rule, result });
    }
    if (known === 'in-service') {
      const { result } = await link.open.call(known, { rule }, WITHIN);
      return Object.assign(message, { rule, result });
    }
    const why = await evaluate(red, node, typed(config, 'reason', 'str'), message);
    const reason = typeof why === 'string' ? why.slice(0, LONGEST_REASON) : '';
    if (known === 'out-of-service') {
      if (reason.trim() === '') throw new InputError('an alarm out of service needs a reason; write why');
      // Flows that were drawn before have a time of shelving in the node, so only a message says when the alarm comes back.
      const given = message.for;
      const end =
        given === undefined || given === null || given === '' ? {} : { for: duration(given, 'ms', 'the time out of service') };
      const { result } = await link.open.call(known, { rule, reason, ...end }, WITHIN);
      return Object.assign(message, { rule, result });
    }
    const time =
      chosen === 'msg' && message.for !== undefined
        ? { for: message.for, unit: 'ms' }
        : { for: expand(red, node, config.for), unit: config.forUnit };
    const lasts = known === 'unshelve' ? null : duration(time.for, time.unit, 'the time of shelving');
    if (lasts === 0) throw new InputError('a shelved alarm needs a time; write how long it stays shelved');
    const words = reason === '' ? {} : { reason };
    const { result } = await link.open.call('shelve', { rule, for: lasts, ...words }, WITHIN);
    return Object.assign(message, { rule, result });
  });
}

/** @param given UTC ms by the clock of the gateway; nothing: it does not expire */
function endOf(given: unknown): number {
  if (given === undefined || given === null || given === '') return Number.POSITIVE_INFINITY;
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given;
  throw new InputError(
    'msg.expires says until when the write may begin; write UTC milliseconds as a whole number, or leave it out',
  );
}

function ruleFrom(given: unknown): string {
  const { good, bad } = rulesOf(typeof given === 'string' ? [given] : []);
  const [rule] = good;
  if (rule !== undefined && !rule.includes('*')) return rule;
  throw new InputError(
    `${bad[0] === undefined ? 'no rule is named' : `"${shorten(bad[0])}" is no rule`}; write the name of one rule, such as fridge-warm`,
  );
}
