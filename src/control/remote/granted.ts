/** What a role may ask for by message: its own grant, and those of the roles before it. */
import { ROLES, type Role } from '../../core/commands.ts';
import type { Grant } from '../../core/remote-commands.ts';

export function grantOf(grants: Readonly<Record<string, Grant | undefined>>, role: Role): Grant {
  const own = ROLES.slice(0, ROLES.indexOf(role) + 1).flatMap((one) => grants[one] ?? []);
  const lists = (['write', 'read', 'ack', 'shelve', 'reset', 'outOfService'] as const).map(
    (key) => [key, own.flatMap((grant) => grant[key] ?? [])] as const,
  );
  return {
    ...Object.fromEntries(lists),
    reload: own.some(({ reload }) => reload === true),
    resend: own.some(({ resend }) => resend === true),
    configure: own.some(({ configure }) => configure === true),
    restartFlows: own.some(({ restartFlows }) => restartFlows === true),
  };
}
