/**
 * The only list of what this gateway can do. A new driver, rule kind or forwarder is one line in its table; the schema,
 * the faults, the JSON Schema and the reference page follow from its `schema` parts.
 */
import type { Kinds } from '../config/kinds.ts';
import { MODBUS_KINDS } from '../drivers/modbus/kind.ts';
import { serial } from '../drivers/serial/kind.ts';
import type { LogForwarderKind } from '../forwarders/forwarder-kind.ts';
import { mqttForwarder } from '../forwarders/mqtt/kind.ts';
import { RULE_KINDS } from '../rules/kinds.ts';

/** Each makes its buses by `create(bus, devices, context)`; a forwarder is made by `create(forwarder, context)`. */
export const DRIVERS = [...MODBUS_KINDS, serial] as const;
export const FORWARDERS: readonly LogForwarderKind[] = [mqttForwarder];

/** What the configuration is composed of. */
export const kinds: Kinds = { drivers: DRIVERS, rules: RULE_KINDS, forwarders: FORWARDERS };
