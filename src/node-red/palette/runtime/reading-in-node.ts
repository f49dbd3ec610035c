/** Readings of points, each a message. */
import { type Config, type Kit, linkOf, texts } from './kit.ts';
import { isExact, matches } from './patterns.ts';
import type { Message, RedNode, Status } from './red.ts';
import { asError, duration, expand, InputError, patternsOf } from './values.ts';
import type { Inventory, Reading } from './wire.ts';

/** ms */
const LONGEST_EVERY = 86_400_000;

export function readingIn(kit: Kit, node: RedNode, config: Config): void {
  let unknown = false;
  const link = linkOf(kit, node, config, (): Status | undefined =>
    unknown ? { fill: 'yellow', shape: 'ring', text: 'unknown point' } : undefined,
  );
  const { connection } = link;
  if (connection === undefined) return;
  let every: number;
  let found: { good: string[]; bad: string[] };
  try {
    found = patternsOf(texts(config, 'points').map((one) => expand(kit.red, node, one)));
    every = duration(expand(kit.red, node, config.every), config.everyUnit, 'the time between messages');
    if (every > LONGEST_EVERY) throw new InputError('the time between messages is more than a day; write a shorter one');
  } catch (thrown) {
    node.error(asError(thrown).message);
    link.broken('wrong property');
    return;
  }
  const { good: patterns, bad } = found;
  if (bad.length > 0) {
    node.error(`${bad.slice(0, 5).join(', ')}: no point; write device.point, such as fridge.temperature or room-*.humidity`);
  }
  if (patterns.length === 0) {
    link.broken(bad.length > 0 ? 'wrong point' : 'no point');
    return;
  }
  const look = (): void => {
    unknown = connection.inventory !== undefined && !connection.inventory.truncated && !allKnown(patterns, connection.inventory);
  };
  look();
  // It goes on without them: a point that was renamed may come back.
  link.add(
    connection.onChange(() => {
      look();
      link.refresh();
    }),
  );
  const end = connection.subscriptions.add({
    wish: {
      patterns,
      mode: config.mode === 'every' ? 'every' : 'current',
      every,
      quality: config.quality === 'all' ? 'all' : 'good',
      initial: config.initial !== false,
    },
    take: (reading) => node.send(messageOf(reading)),
    throttled: () => link.throttled(),
    refused: (why) => {
      node.error(`the gateway does not take the subscription: ${why}`);
      link.broken('refused');
    },
  });
  if (end === undefined) {
    node.error(
      'the nodes of this runtime ask for readings in too many different ways; give them equal times, modes and qualities',
    );
    link.broken('too many');
    return;
  }
  link.add(end);
  link.refresh();
}

export function messageOf({ point, device, value, unit, quality, reason, time, clock, initial }: Reading): Message {
  return {
    ...{ topic: point, payload: value, point, device: typeof device === 'string' ? device : point.split('.')[0] },
    ...(unit === undefined ? {} : { unit }),
    quality,
    ...(reason === undefined ? {} : { reason }),
    time,
    ...(clock === undefined ? {} : { clock }),
    ...(initial === true ? { initial } : {}),
  };
}

function allKnown(patterns: readonly string[], inventory: Inventory): boolean {
  const points = pointsOf(inventory);
  const names = new Set(points);
  return patterns.every((pattern) => (isExact(pattern) ? names.has(pattern) : points.some((point) => matches(pattern, point))));
}

export function pointsOf({ devices }: Inventory): string[] {
  return Object.entries(devices).flatMap(([device, { points }]) => Object.keys(points).map((point) => `${device}.${point}`));
}
