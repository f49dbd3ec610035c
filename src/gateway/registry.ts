/**
 * The only list of what this gateway can do. A new driver, rule kind, dialect or forwarder is one line in its table; the schema,
 * the faults, the JSON Schema and the reference page follow from its `schema` parts.
 */
import type { Kinds } from '../config/kinds.ts';
import { derivedDriver } from '../drivers/derived/kind.ts';
import type { Driver } from '../drivers/driver.ts';
import { flows } from '../drivers/flows/kind.ts';
import { MODBUS_KINDS } from '../drivers/modbus/kind.ts';
import { mqtt } from '../drivers/mqtt/kind.ts';
import { serial } from '../drivers/serial/kind.ts';
import { bundleForwarder } from '../forwarders/bundle/kind.ts';
import type { MadeForwarderKind } from '../forwarders/forwarder-kind.ts';
import type { Dialect } from '../forwarders/mqtt/dialect.ts';
import { awsIotDialect } from '../forwarders/mqtt/dialects/aws-iot/dialect.ts';
import { azureIotHubDialect } from '../forwarders/mqtt/dialects/azure-iot-hub/dialect.ts';
import { columnsDialect } from '../forwarders/mqtt/dialects/columns/dialect.ts';
import { homeassistantDialect } from '../forwarders/mqtt/dialects/homeassistant/dialect.ts';
import { jsonDialect } from '../forwarders/mqtt/dialects/json/dialect.ts';
import { lineProtocolDialect } from '../forwarders/mqtt/dialects/line-protocol/dialect.ts';
import { senmlDialect } from '../forwarders/mqtt/dialects/senml/dialect.ts';
import { sparkplugBDialect } from '../forwarders/mqtt/dialects/sparkplug-b/dialect.ts';
import { thingsboardDialect } from '../forwarders/mqtt/dialects/thingsboard/dialect.ts';
import { mqttForwarder } from '../forwarders/mqtt/kind.ts';
import { numberExpressions } from '../rules/expression/number.ts';
import { RULE_KINDS } from '../rules/kinds.ts';

/** Each makes its buses by `create(bus, devices, context)`; a forwarder is made by `create(forwarder, context)`. */
export const DRIVERS: readonly Driver[] = [...MODBUS_KINDS, serial, mqtt, flows, derivedDriver(numberExpressions)];
/** The dialects of upstream brokers: the words under `format` of a forwarder. */
export const DIALECTS: readonly Dialect[] = [
  jsonDialect,
  lineProtocolDialect,
  senmlDialect,
  columnsDialect,
  thingsboardDialect,
  awsIotDialect,
  azureIotHubDialect,
  sparkplugBDialect,
  homeassistantDialect,
];
export const FORWARDERS: readonly MadeForwarderKind[] = [mqttForwarder(DIALECTS), bundleForwarder];

/** The parts of the configuration. */
export const kinds: Kinds = { drivers: DRIVERS, rules: RULE_KINDS, forwarders: FORWARDERS };
