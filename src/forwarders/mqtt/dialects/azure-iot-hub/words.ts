/** Faults of a connection to Azure IoT Hub, in words. The hub gives no reasons in MQTT 3.1.1: it refuses, or hangs up. */
import type { SluiceError } from '../../../../core/errors.ts';
import { ConnectError } from '../../retry-plan.ts';

export interface Attempted {
  readonly hub: string;
  readonly device: string;
  /** UTC ms at which the token ends; undefined: a certificate. */
  readonly ends: number | undefined;
  /** Whether the clock was known when the token was made. */
  readonly clockKnown: boolean;
}

export function azureWords(error: SluiceError, { hub, device, ends, clockKnown }: Attempted): string | undefined {
  if (error instanceof ConnectError) {
    if (error.failure === 'login')
      return `${hub} refuses the device ${device} (not authorised). ${loginRemedy(ends, clockKnown)}`;
    if (error.failure === 'hung-up' || error.failure === 'busy')
      return `${error.message}. Azure IoT Hub hangs up without a reason when it is throttled or out of order; the gateway tries again`;
    return undefined;
  }
  if (error.data.subscription === true)
    return `${hub} takes no commands for ${device}. Hubs of the basic tier have none; take a hub of the standard tier, or remove \`commands\` from the forwarder`;
  if (error.data.hungUp === true)
    return (
      `${hub} closed the connection of ${device}. Azure IoT Hub gives no reason. It does so when another connection uses the same ` +
      'device, when the device is disabled, when the messages of the day are used up, or when the hub is throttled. The metrics of the hub say which'
    );
  if (error.code === 'upstream-timeout')
    return `${error.message}. Azure IoT Hub holds messages back when it is throttled: raise \`batch.maxAge\`, or the tier of the hub`;
  return undefined;
}

function loginRemedy(ends: number | undefined, clockKnown: boolean): string {
  if (ends === undefined)
    return 'Check that the hub has this device, that it is enabled, and that it has the certificate in `tls.cert`';
  const until = new Date(ends).toISOString().replace(/\.\d+/, '');
  const key = 'Check that the hub has this device, that it is enabled, and that `azure-iot-hub.key` is one of its keys';
  if (clockKnown) return key;
  return `The clock of this gateway is not confirmed, and its token ends at ${until}. If that is past, set the clock or connect a time service. ${key}`;
}
