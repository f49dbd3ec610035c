/** The section `hooks`: programs that rules may start. What is not named here is never started. */
import { hookSchema, MOST_HOOKS, type ResolvedHook } from './actions.ts';
import { check, isSection, placeOf } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import { PLACES, placesIn } from './rule-actions.ts';
import type { YamlSource } from './yaml-source.ts';
import { found } from './zod-words.ts';

/** Programs that take a text and run it as commands, and those that start another program. */
const SHELLS = /\/(?:a|ba|c|da|fi|k|mk|tc|z)?sh$|\/busybox$/;
const STARTERS = /\/(?:env|xargs|nice|nohup|setsid|sudo|su|doas|timeout|time|watch|ssh|script)$/;

/** @returns undefined as a value: a hook with a fault, which is reported */
export function resolveHooks(
  written: readonly [string, unknown][],
  source: YamlSource,
  report: (fault: Fault) => void,
): Map<string, ResolvedHook | undefined> {
  const hooks = new Map<string, ResolvedHook | undefined>();
  for (const [name, value] of written) {
    const at: Path = ['hooks', name];
    hooks.set(name, undefined);
    if (hooks.size > MOST_HOOKS) {
      report(source.fault(at, `there are at most ${MOST_HOOKS} hooks`, 'key'));
      return hooks;
    }
    if (!isSection(value)) {
      report(
        source.fault(
          at,
          `write a section with run: and the program, for example {run: [/usr/local/bin/siren]}; this is ${found(value)}`,
        ),
      );
      continue;
    }
    const checked = check(hookSchema, value, placeOf(source, at), report);
    if (checked === undefined) continue;
    const wrong = runFault(checked.run);
    if (wrong === undefined) hooks.set(name, { name, ...checked });
    else report(source.fault([...at, 'run', wrong.index], wrong.message));
  }
  return hooks;
}

function runFault(run: readonly string[]): { readonly index: number; readonly message: string } | undefined {
  const [program = '', ...args] = run;
  if (!program.startsWith('/') || /\/\.{0,2}(?:\/|$)/.test(program))
    return {
      index: 0,
      message: 'write the program with its absolute path, for example /usr/local/bin/siren; it is not looked up',
    };
  if (placesIn(program).length > 0)
    return { index: 0, message: 'the program itself is fixed; places for texts stand in its arguments' };
  if (SHELLS.test(program)) return { index: 0, message: 'a hook is no shell: make the script executable and name it here' };
  if (STARTERS.test(program)) return { index: 0, message: `${program} starts another program; name that program here` };
  const nul = run.findIndex((text) => text.includes('\0'));
  if (nul >= 0) return { index: nul, message: 'an argument holds no NUL' };
  let ended = false;
  for (const [i, arg] of args.entries()) {
    const [place] = placesIn(arg);
    if (!ended && place !== undefined && arg.startsWith('{'))
      return {
        index: i + 1,
        message: `a text that begins with - would be read as an option here; put '--' before it, or write ${PLACES.some((p) => p === place) ? `${place}={${place}}` : `name={${place}}`}, or let the program read the text from its standard input`,
      };
    if (!ended && place !== undefined && /^-{1,2}\{/.test(arg))
      return { index: i + 1, message: 'the name of an option is fixed; write for example --text={message}' };
    if (arg === '--') ended = true;
  }
  return undefined;
}
