/** An answer of the gateway that is asked for while a view is open, again and again. */
import { useEffect, useState } from 'preact/hooks';
import { CallError, call } from '../gateway/calls.ts';

export interface Asked<T> {
  readonly answer: T | undefined;
  readonly fault: CallError | undefined;
}

/** A refusal may end soon: the first readings of a point are on the disk within seconds. Milliseconds. */
const AGAIN_AFTER_FAULT = 15_000;

/** @param path undefined: nothing is asked. @param every milliseconds; a page that nobody sees does not ask */
export function useAsked<T>(path: string | undefined, every: number): Asked<T> {
  const [asked, setAsked] = useState<Asked<T> & { readonly path: string | undefined }>({
    ...{ path, answer: undefined, fault: undefined },
  });
  useEffect(() => {
    if (path === undefined) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    const later = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(ask, ms);
    };
    const ask = (): void => {
      later(every);
      if (document.hidden) return;
      call<T>(path).then(
        (answer) => {
          if (!gone) setAsked({ path, answer, fault: undefined });
        },
        (thrown: unknown) => {
          if (gone) return;
          const fault = thrown instanceof CallError ? thrown : new CallError(0, 'other', String(thrown));
          // An answer that is there stays: it is of that path, and its age is shown.
          setAsked((before) => ({ path, answer: before.path === path ? before.answer : undefined, fault }));
          later(Math.min(every, AGAIN_AFTER_FAULT));
        },
      );
    };
    ask();
    document.addEventListener('visibilitychange', ask);
    return () => {
      gone = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', ask);
    };
  }, [path, every]);
  return asked.path === path ? asked : { answer: undefined, fault: undefined };
}
