import type { Clock } from './clock.ts';

/** Waits for work that may never end, as on a disk that hangs. Never rejects. @param wait ms @returns false: it goes on in the background */
export function endsWithin(clock: Clock, work: Promise<unknown>, wait: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = clock.after(wait, () => resolve(false));
  const ended = (): void => resolve(true);
  work.then(ended, ended);
  return promise.finally(cancel);
}
