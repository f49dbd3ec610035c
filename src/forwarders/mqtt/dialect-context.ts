/** What a dialect is given of the gateway and of its forwarder. */
import { type Grant, granted } from '../../core/remote-commands.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import { type Dialect, type DialectContext, type OutMessage, PROBE } from './dialect.ts';
import { filteredInventory, ofSeverity, recordFilter, severityLeaves } from './filter-keys.ts';
import type { LinkOptions } from './link.ts';
import { clientIdOf } from './login.ts';

export function dialectContext(
  options: ForwarderContext & LinkOptions & { readonly dialect: Dialect },
  say: (message: OutMessage) => Promise<void>,
): DialectContext {
  const { gateway, name, settings, dialect, clock, now, clockKnown, memory, goneRules, hasRule, latest, event } = options;
  const { status, inventory, site } = options;
  const filter = recordFilter(settings.filter);
  return {
    ...{ gateway, forwarder: name, clientId: clientIdOf(gateway, name, settings) },
    ...{ options: settings[dialect.name], compress: settings.compress, clock, now, clockKnown, memory: memory(name) },
    ...{ status, inventory: () => filteredInventory(filter, inventory()) },
    ...{ goneRules, hasRule, latest, event, command: commandsOf(options, say) },
    site: {
      ...{ point: (device, point) => site.point(device, point), made: (device) => site.made(device) },
      rules: () => [...site.rules()].filter(({ severity }) => ofSeverity(settings.filter, severity)),
      counters: () => site.counters?.() ?? [],
      alarms: () => [...site.alarms()].filter(({ json }) => severityLeaves(settings.filter, json)),
    },
    mayWrite: (device, point) => granted(settings.commands?.write, `${device}.${point}`),
  };
}

const administers = ({ reload, configure }: Grant): boolean => reload === true || configure === true;

/** undefined where the configuration grants nothing. */
function commandsOf(
  { name, settings, commands, outward }: Pick<ForwarderContext & LinkOptions, 'name' | 'settings' | 'commands' | 'outward'>,
  say: (message: OutMessage) => Promise<void>,
): DialectContext['command'] {
  const { commands: grant } = settings;
  if (grant === undefined) return undefined;
  const by = { who: `forwarder ${name}`, door: 'mqtt', role: administers(grant) ? 'administrator' : 'operator' } as const;
  return (payload, retained, topicOf, payloadOf = (json): string | undefined => json) =>
    commands.take(
      payload,
      {
        ...{ by, owner: `forwarder:${name}`, grant, outward },
        topicOf: (id) => (payloadOf(PROBE) === PROBE ? topicOf('result', id, PROBE) : undefined),
        answer: async (kind, id, json) => {
          const payload = payloadOf(json);
          if (payload !== undefined) await say({ topic: topicOf(kind, id, payload), payload, qos: 1, retain: false });
        },
      },
      retained,
    );
}
