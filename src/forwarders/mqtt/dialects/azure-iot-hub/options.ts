/** What a person writes for Azure IoT Hub, and what of the other keys the hub cannot do with or without. */
import * as z from 'zod';
import { duration, secret } from '../../../../config/schema-parts.ts';
import type { SecretText } from '../../../../core/secret.ts';
import { parseBrokerUrl, usesTls } from '../../address.ts';
import type { SettingsFault } from '../../dialect.ts';

const MINUTE = 60_000;

export const options = z
  .strictObject({
    device: z
      .string()
      .regex(/^[A-Za-z0-9._:@=-]{1,128}$/, {
        error: 'write the id of the device as the hub has it: up to 128 letters, digits and . _ : @ = -',
      })
      .describe('Id of the device in the hub. Capital letters count. No other connection may use it.'),
    key: secret()
      .optional()
      .describe(
        'Primary or secondary key of the device, or its connection string, best as `{file: …}`. The gateway makes tokens of it, and the key itself never leaves. Without it the device has a certificate: `tls: {cert: …, key: …}`.',
      ),
    hub: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{0,252}$/i, 'write the host name of the hub: contoso.azure-devices.net')
      .transform((name) => name.toLowerCase())
      .optional()
      .describe('Host name of the hub, where `url` reaches it by another name.'),
    validity: duration({ min: 5 * MINUTE, max: 30 * 24 * 60 * MINUTE })
      .prefault('1h')
      .describe('How long a token holds. The gateway makes a new connection with a new token when 72 to 80 % of it have passed.'),
    perSecond: z
      .number()
      .int()
      .min(1)
      .max(100)
      .prefault(10)
      .describe('Messages a second at most. All devices of a hub share what its tier allows.'),
  })
  .describe('Of `format: azure-iot-hub`.');

/** After the configuration was loaded. */
export interface AzureOptions {
  readonly device: string;
  readonly key?: SecretText | undefined;
  readonly hub?: string | undefined;
  /** Milliseconds. */
  readonly validity: number;
  readonly perSecond: number;
}

export function* faults(settings: Readonly<Record<string, unknown>>): Generator<SettingsFault> {
  const urls = [settings.url].flat().map((url) => parseBrokerUrl(String(url)));
  if (urls.some((address) => !('wrong' in address) && !usesTls(address)))
    yield {
      path: ['url'],
      message: 'Azure IoT Hub takes connections with TLS only; write mqtts:// and the host name of the hub',
    };
  if (settings.protocol === 5)
    yield { path: ['protocol'], message: 'Azure IoT Hub takes MQTT 3.1.1 only; write protocol: 3.1.1, or remove this' };
  for (const key of ['username', 'password', 'clientId'])
    if (settings[key] !== undefined)
      yield { path: [key], message: `with format: azure-iot-hub the gateway makes it of azure-iot-hub.device; remove this` };
  const { key } = (settings['azure-iot-hub'] ?? {}) as { readonly key?: unknown };
  const { cert } = (settings.tls ?? {}) as { readonly cert?: unknown };
  if (settings['azure-iot-hub'] === undefined) return;
  if (key === undefined && cert === undefined)
    yield {
      path: ['azure-iot-hub'],
      message: 'a device logs in with a key or with a certificate; write key: {file: …} here, or tls: {cert: …, key: …}',
    };
  if (key !== undefined && cert !== undefined)
    yield {
      path: ['azure-iot-hub', 'key'],
      message: 'a device logs in with a key or with a certificate, not both; remove one',
    };
}
