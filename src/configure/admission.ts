/** Whether a configuration may be looked at: decided before a byte of its text is understood. */
import type { GatewayConfig } from '../config/kinds.ts';
import type { ConfigureCommand } from '../core/commands.ts';
import { type ConfigureKey, configureKey, signerOf } from '../core/configure-keys.ts';
import { SluiceError } from '../core/errors.ts';
import type { Base } from './base.ts';
import type { PushRecord } from './record.ts';

export const DAMAGED =
  'the record of configurations from upstream is damaged (config/upstream.json and its copy), so nobody knows which versions began here; remove both files on the board, then restart the gateway; it then takes any version';

export const refused = (words: string): SluiceError => new SluiceError('configure-refused', words);

interface Here {
  readonly config: GatewayConfig;
  /** Undefined: the file on the board is broken. */
  readonly base: Base | undefined;
  readonly record: PushRecord | 'damaged';
}

/** @throws SluiceError in words for the sender */
export function admit(command: ConfigureCommand, { config, base, record }: Here): { base: Base; key: ConfigureKey } {
  const { configure, id } = config.gateway;
  if (configure === undefined)
    throw refused(
      'this gateway takes no configuration from upstream: no key is pinned; write gateway.configure.keys in the file on the board',
    );
  const keys = configure.keys.flatMap((text) => configureKey(text) ?? []);
  const key = signerOf({ ...command, gateway: id, expires: command.expires }, command.signature, keys);
  if (key === undefined)
    throw refused(
      `no pinned key signed these bytes for the gateway ${id}, version ${command.version}; sign the configuration for this gateway with a key of gateway.configure.keys`,
    );
  if (record === 'damaged') throw refused(DAMAGED);
  if (base === undefined)
    throw new SluiceError('config-invalid', 'the configuration file on the board is broken; a person has to correct it first');
  const { floor, last } = record;
  if (command.version <= floor) {
    const became = last?.version === command.version ? ` (${last.outcome})` : '';
    throw refused(
      `version ${command.version} is not newer than ${floor}, which began here already${became}; sign it with a higher version`,
    );
  }
  return { base, key };
}
