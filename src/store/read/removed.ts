/** Reports what the log took away since it was made, from both of its files, in steps and in bounded answers. */
import { SluiceError } from '../../core/errors.ts';
import { Removals, type RemovedPoint } from '../hot/removals.ts';
import { Pace, rest } from './pace.ts';
import type { LogReader } from './reading.ts';
import type { RemovedRequest, RemovedResult } from './requests.ts';

/** @throws SluiceError log-read */
export function* removedPoints(
  reader: LogReader,
  { id, after, points: wanted, limit }: RemovedRequest,
): Generator<undefined, RemovedResult> {
  if (reader.history === undefined)
    throw new SluiceError(
      'log-read',
      'history.db cannot be opened, so the log does not know what was removed from it; ask again',
    );
  const points = new Map<string, RemovedPoint>();
  const pace = new Pace();
  for (const removals of [new Removals(reader.db, reader.shapeOf), reader.history.removed])
    for (const _ of removals.addTo(points)) if (pace.due) yield* rest(pace);
  const isWanted = (name: string) =>
    name > after && (wanted === undefined || wanted.some((w) => name === w || name.startsWith(`${w}.`)));
  const names = [...points.keys()].filter(isWanted).sort();
  return {
    id,
    points: names.slice(0, limit).map((name) => [name, points.get(name) as RemovedPoint] as const),
    more: names.length > limit,
  };
}
