/**
 * Tokens of Azure IoT Hub ("SAS token structure", learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas): a signature of
 * the resource and of the time at which the token ends, made with the key of the device. The key itself never leaves.
 */
import { createHmac } from 'node:crypto';
import { SluiceError } from '../../../../core/errors.ts';

/** Bytes of a key; the hub makes keys of 32 or 64. */
const LEAST = 16;
const MOST = 128;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export interface TokenOf {
  /** Name of the hub: `contoso.azure-devices.net`. */
  readonly hub: string;
  readonly device: string;
  /** Output of `keyOf`. */
  readonly key: Uint8Array;
  /** Seconds UTC. */
  readonly ends: number;
}

export function sasToken({ hub, device, key, ends }: TokenOf): string {
  const resource = encodeURIComponent(`${hub}/devices/${device}`);
  const signature = createHmac('sha256', key).update(`${resource}\n${ends}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${ends}`;
}

/**
 * The key of a device as the portal shows it, alone or in the connection string of the device.
 * @throws SluiceError config-invalid, in words that do not repeat the key
 */
export function keyOf(text: string, { hub, device }: Pick<TokenOf, 'hub' | 'device'>): Uint8Array {
  const wrong = (words: string): never => {
    throw new SluiceError('config-invalid', words);
  };
  let key = text.trim();
  if (key.includes(';')) {
    const parts = new Map(key.split(';').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
    if (!parts.has('DeviceId'))
      wrong('the connection string in `azure-iot-hub.key` is not the one of a device; copy the one of the device, or its key');
    if (parts.get('DeviceId') !== device)
      wrong(`the connection string in \`azure-iot-hub.key\` belongs to another device than ${device}; copy the right one`);
    if (parts.get('HostName')?.toLowerCase() !== hub)
      wrong(`the connection string in \`azure-iot-hub.key\` belongs to another hub than ${hub}; copy the right one`);
    key = parts.get('SharedAccessKey') ?? wrong('the connection string in `azure-iot-hub.key` has no SharedAccessKey');
  }
  const bytes = BASE64.test(key) ? Buffer.from(key, 'base64') : Buffer.alloc(0);
  if (bytes.length < LEAST || bytes.length > MOST)
    wrong('`azure-iot-hub.key` is no key of a device; copy its primary key (base64) or its connection string as it is');
  return bytes;
}
