/** Runs a hook where its configuration says: in a service of its own, or as a child of the gateway. */
import { existsSync, statSync } from 'node:fs';
import type { ResolvedHook } from '../../config/actions.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { type HookRequest, runProcess } from './hook-process.ts';
import { HOOK_SOCKET, hookUnitFault, runInUnit } from './hook-unit.ts';

/** Resolves with the first of its output. Rejects with a SluiceError in words. */
export async function runHook(hook: ResolvedHook, request: HookRequest, clock: Clock): Promise<string> {
  if (!hook.unsafeSameUser) return runInUnit(request, clock);
  const wrong = programFault(hook.run[0] ?? '');
  if (wrong !== undefined) throw new SluiceError('unsupported', wrong);
  return runProcess(request, clock);
}

/** What this machine lacks for hooks, in words, for `sluice check`. A gateway starts all the same. */
export function missingForHook(hook: ResolvedHook): string | undefined {
  if (hook.unsafeSameUser)
    return (
      programFault(hook.run[0] ?? '') ??
      'the program has the rights of the gateway and can read its secrets; for more than a trial use the service sluice-hook'
    );
  return existsSync(HOOK_SOCKET) ? undefined : hookUnitFault(HOOK_SOCKET, 'ENOENT');
}

function programFault(program: string): string | undefined {
  const stat = statSync(program, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) return `there is no program ${program}`;
  return (stat.mode & 0o002) === 0 ? undefined : `${program} can be changed by everybody, so it is not run; chmod 755 helps`;
}
