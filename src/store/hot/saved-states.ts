/**
 * What rules, counters, forwarders and others keep for the next start. It stays JSON text until somebody asks for it, so a start never
 * holds all of it as objects: texts of 6 MB are 60 MB of objects, in a thread and in the main thread.
 */

/** Letters of one state, and of all that a start takes up. The smallest come first: an alarm is small, a window of readings is large. */
export const MOST_OF_ONE = 1024 * 1024;
export const MOST_OF_ALL = 8 * 1024 * 1024;

export type SavedStates = readonly (readonly [key: string, json: string])[];

/** undefined: nothing was kept under this key, or it is no JSON. */
export function savedState(saved: SavedStates, key: string): unknown {
  const json = saved.find(([name]) => name === key)?.[1];
  return json === undefined ? undefined : parsed(json);
}

/** One after the other. @param wanted by their keys */
export function* statesOf(saved: SavedStates, wanted: (key: string) => boolean): Generator<[key: string, state: unknown]> {
  for (const [key, json] of saved) if (wanted(key)) yield [key, parsed(json)];
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}
