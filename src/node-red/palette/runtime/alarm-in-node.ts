/** Transitions of alarms, each a message. */
import { type Config, type Kit, linkOf, texts } from './kit.ts';
import { glob } from './patterns.ts';
import type { Message, RedNode, Status } from './red.ts';
import { asError, expand, rulesOf } from './values.ts';
import type { Alarm } from './wire.ts';

/** Rules of which a node remembers the state. */
const MOST_RULES = 10_000;

export function alarmIn(kit: Kit, node: RedNode, config: Config): void {
  let unknown = false;
  const link = linkOf(kit, node, config, (): Status | undefined =>
    unknown ? { fill: 'yellow', shape: 'ring', text: 'unknown rule' } : undefined,
  );
  const { connection } = link;
  if (connection === undefined) return;
  const trigger = triggerOf(kit, node, config);
  if (trigger !== undefined) {
    link.add(connection.subscriptions.addAlarms({ trigger, take: (alarm) => node.send(messageOf(alarm)) }));
    link.refresh();
    return;
  }
  let patterns: string[];
  try {
    const { good, bad } = rulesOf(texts(config, 'rules').map((one) => expand(kit.red, node, one)));
    if (bad.length > 0) node.error(`${bad.slice(0, 5).join(', ')}: no rule; write its name, such as fridge-warm or fridge-*`);
    patterns = good;
  } catch (thrown) {
    node.error(asError(thrown).message);
    patterns = [];
  }
  if (patterns.length === 0) {
    link.broken('no rule');
    return;
  }
  const [severities, states] = [texts(config, 'severities'), texts(config, 'states')];
  const seen = new Map<string, string>();
  const take = (alarm: Alarm): void => {
    if (!patterns.some((pattern) => glob(pattern, alarm.rule))) return;
    const now = `${alarm.occurrence} ${alarm.state}`;
    const before = seen.get(alarm.rule);
    if (before !== undefined || seen.size < MOST_RULES) seen.set(alarm.rule, now);
    // After a reconnect: what changed meanwhile is news, whatever the node wants to hear at its start.
    if (alarm.present === true && (before === undefined ? config.present === false : before === now)) return;
    if (severities.length > 0 && !severities.includes(alarm.severity)) return;
    if (states.length > 0 && !states.includes(alarm.state)) return;
    node.send(messageOf(alarm));
  };
  const look = (): void => {
    const { inventory } = connection;
    const rules = Object.keys(inventory?.rules ?? {});
    unknown =
      inventory !== undefined &&
      !inventory.truncated &&
      !patterns.every((one) => one === '*' || rules.some((rule) => glob(one, rule)));
    // A rule that is gone has no state.
    if (inventory !== undefined && !inventory.truncated)
      for (const rule of seen.keys()) if (!Object.hasOwn(inventory.rules, rule)) seen.delete(rule);
  };
  look();
  link.add(
    connection.onChange(() => {
      look();
      link.refresh();
    }),
  );
  link.add(connection.subscriptions.addAlarms({ take }));
  link.refresh();
}

/** The name under which rules trigger the flow; undefined: the node takes changes of alarms. */
function triggerOf(kit: Kit, node: RedNode, config: Config): string | undefined {
  const written = typeof config.trigger === 'string' ? expand(kit.red, node, config.trigger).trim() : '';
  if (written === '') return undefined;
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/.test(written)) return written;
  node.error(`${written.slice(0, 64)}: no name of a trigger; write small letters, digits, - and _`);
  return undefined;
}

function messageOf({ rule, state, severity, occurrence, value, time, message, present, ...more }: Alarm): Message {
  const { type: _type, id: _id, ...rest } = more as Record<string, unknown>;
  const alarm = { rule, state, severity, occurrence, value, time, message, ...rest };
  return { topic: rule, payload: state, rule, severity, occurrence, value, time, message, present: present === true, alarm };
}
