/** What Node-RED runs as follows from the configuration; and what is missing for it on this machine. */
import type { NodeRedConfig } from '../config/node-red.ts';
import type { Clock } from '../core/clock.ts';
import { ChildWay, userFault } from './child-way.ts';
import { installFault } from './place.ts';
import { UnitWay, unitFault } from './unit-way.ts';
import type { FlowWay } from './way.ts';

export function wayOf(config: NodeRedConfig, { clock, stateDir }: { readonly clock: Clock; readonly stateDir: string }): FlowWay {
  if (config.user !== undefined || config.unsafeSameUser) return new ChildWay({ clock, stateDir, config });
  return new UnitWay(clock);
}

/** For `sluice check`: keys of the section, and what is missing. A gateway starts all the same, without Node-RED. */
export async function missingParts(
  config: NodeRedConfig,
  installed?: string,
): Promise<{ readonly key: string; readonly message: string }[]> {
  if (!config.enabled) return [];
  const install = installFault(installed);
  const user = await userFault(config);
  const service = config.user === undefined && !config.unsafeSameUser ? unitFault() : '';
  return [
    ...(install === undefined ? [] : [{ key: 'enabled', message: install }]),
    ...(user === undefined ? [] : [{ key: 'user', message: user }]),
    ...(service === '' ? [] : [{ key: 'enabled', message: service }]),
    ...(config.unsafeSameUser
      ? [
          {
            key: 'unsafeSameUser',
            message:
              'every flow can end this gateway, read its secrets and change its log; for more than a trial use the service or nodeRed.user',
          },
        ]
      : []),
  ];
}
