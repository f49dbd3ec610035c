/**
 * The only list of what this gateway can do. A new driver, rule kind, dialect or forwarder is one line in its table; the schema,
 * the faults, the JSON Schema and the reference page follow from its `schema` parts.
 */
import type { Kinds } from '../config/kinds.ts';
import type { Driver } from '../drivers/driver.ts';
import { MODBUS_KINDS } from '../drivers/modbus/kind.ts';
import { mqtt } from '../drivers/mqtt/kind.ts';
import { serial } from '../drivers/serial/kind.ts';
import type { MadeForwarderKind } from '../forwarders/forwarder-kind.ts';
import type { Dialect } from '../forwarders/mqtt/dialect.ts';
import { jsonDialect } from '../forwarders/mqtt/dialects/json/dialect.ts';
import { mqttForwarder } from '../forwarders/mqtt/kind.ts';
import { RULE_KINDS } from '../rules/kinds.ts';

/** Each makes its buses by `create(bus, devices, context)`; a forwarder is made by `create(forwarder, context)`. */
export const DRIVERS: readonly Driver[] = [...MODBUS_KINDS, serial, mqtt];
/** The dialects of upstream brokers: the words under `format` of a forwarder. */
export const DIALECTS: readonly Dialect[] = [jsonDialect];
export const FORWARDERS: readonly MadeForwarderKind[] = [mqttForwarder(DIALECTS)];

/** The parts of the configuration. */
export const kinds: Kinds = { drivers: DRIVERS, rules: RULE_KINDS, forwarders: FORWARDERS };
