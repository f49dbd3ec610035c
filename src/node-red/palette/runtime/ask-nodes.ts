/** Nodes that ask the gateway at each message: latest values, the past, the state. */
import { type Config, type Kit, linkOf, takes, text } from './kit.ts';
import { isExact, matches } from './patterns.ts';
import { messageOf, pointsOf } from './reading-in-node.ts';
import type { Message, Red, RedNode } from './red.ts';
import { duration, evaluate, expand, InputError, pointFrom, pointsFrom, type Typed, timeFrom } from './values.ts';
import { type Inventory, isFields, isReading, type Reading } from './wire.ts';

const WITHIN = 15_000;
const HISTORY_WITHIN = 60_000;
/** Points in one call. */
const MOST_POINTS = 1000;
/** Readings or roll-ups of one answer. */
const MOST_ROWS = 50_000;

export function typed(config: Config, key: string, type: string): Typed {
  return { value: text(config, key), type: text(config, `${key}Type`, type) };
}

export function latest(kit: Kit, node: RedNode, config: Config): void {
  const link = linkOf(kit, node, config);
  const result = text(config, 'result', 'value');
  takes(node, link, async (message) => {
    const asked = pointsFrom(await evaluate(kit.red, node, typed(config, 'point', 'point'), message));
    const points = namesOf(asked, link.open.inventory);
    const answer = await link.open.call('latest', { points }, WITHIN);
    const rows = isFields(answer.result) && Array.isArray(answer.result.readings) ? answer.result.readings : [];
    const readings: Reading[] = rows.filter(isReading);
    if (result === 'list') return Object.assign(message, { payload: readings });
    if (result === 'object') {
      return Object.assign(message, { payload: Object.fromEntries(readings.map(({ point, value }) => [point, value])) });
    }
    const [first] = readings;
    if (first === undefined) throw new InputError(`there is no reading of ${asked.slice(0, 3).join(', ')} yet`);
    // These are of the message before, and the reading may have none.
    for (const key of ['unit', 'reason', 'clock']) delete message[key];
    return Object.assign(message, messageOf(first));
  });
}

/** @returns names for patterns, where the gateway has said which points there are */
function namesOf(asked: readonly string[], inventory: Inventory | undefined): string[] {
  if (asked.every(isExact)) return [...new Set(asked)];
  const all = inventory === undefined ? [] : pointsOf(inventory);
  const names = asked.flatMap((pattern) => (isExact(pattern) ? [pattern] : all.filter((point) => matches(pattern, point))));
  const points = [...new Set(names)];
  if (points.length === 0) throw new InputError(`${asked.slice(0, 3).join(', ')} matches no point of the gateway`);
  if (points.length > MOST_POINTS)
    throw new InputError(`${asked.slice(0, 3).join(', ')} matches more than ${MOST_POINTS} points`);
  return points;
}

export function history(kit: Kit, node: RedNode, config: Config): void {
  const link = linkOf(kit, node, config);
  const { red } = kit;
  takes(node, link, async (message) => {
    const now = link.open.now();
    const point = pointFrom(await evaluate(red, node, typed(config, 'point', 'point'), message));
    const from = await moment(red, node, config, 'from', message, now);
    const to = await moment(red, node, config, 'to', message, now);
    if (to <= from) throw new InputError('the range of time is empty; let it end after it begins');
    const every = duration(expand(red, node, config.every), config.everyUnit, 'the time of a mean');
    const most = Number(expand(red, node, text(config, 'most', '5000')) || 5000);
    if (!Number.isSafeInteger(most) || most < 1 || most > MOST_ROWS)
      throw new InputError(`at most ${MOST_ROWS} rows can be asked for`);
    const fields = { point, from, to, ...(every > 0 ? { every } : {}), most };
    const { readings, result } = await link.open.call('history', fields, HISTORY_WITHIN);
    const about = isFields(result) ? result : {};
    delete message.unit;
    return Object.assign(message, {
      ...{ topic: point, point, payload: readings, from, to, truncated: about.truncated === true },
      ...(typeof about.unit === 'string' ? { unit: about.unit } : {}),
      ...(every > 0 ? { every: typeof about.every === 'number' ? about.every : every } : {}),
    });
  });
}

async function moment(
  red: Red,
  node: RedNode,
  config: Config,
  key: 'from' | 'to',
  message: Message,
  now: number,
): Promise<number> {
  const { value, type } = typed(config, key, key === 'from' ? 'ago' : 'now');
  if (type === 'now') return now;
  if (type === 'ago')
    return now - duration(expand(red, node, value), config[`${key}Unit`], `the ${key === 'from' ? 'start' : 'end'}`);
  return timeFrom(await evaluate(red, node, { value, type }, message), `the ${key === 'from' ? 'start' : 'end'}`);
}

export function statusNode(kit: Kit, node: RedNode, config: Config): void {
  const link = linkOf(kit, node, config);
  const { connection } = link;
  const look = async (): Promise<Message> => {
    const { result } = await link.open.call('status', {}, WITHIN);
    const gateway = connection?.gateway ?? '';
    return { topic: 'status', payload: { ...(isFields(result) ? result : {}), connected: true, gateway } };
  };
  takes(node, link, async (message) => Object.assign(message, await look()));
  if (connection === undefined) return;
  let connected: boolean | undefined;
  const tell = (): void => {
    if (connection.state === 'connecting' || connected === (connection.state === 'connected')) return;
    connected = connection.state === 'connected';
    const { gateway, fault } = connection;
    if (config.changes !== false) {
      node.send({ topic: 'status', payload: { connected, gateway, ...(connected ? {} : { fault }) } });
    }
  };
  link.add(connection.onChange(tell));
  // The wires of the flow are there in the next turn.
  const first = setImmediate(tell);
  link.add(() => clearImmediate(first));
  const every = duration(expand(kit.red, node, config.every), config.everyUnit, 'the time between messages');
  if (every === 0) return;
  const timer = setInterval(
    () => {
      if (connection.state !== 'connected') return;
      look().then(
        (message) => node.send(message),
        (thrown: unknown) => node.warn(String(thrown)),
      );
    },
    Math.max(every, 1000),
  );
  link.add(() => clearInterval(timer));
}
