/** Faults of a connection to ThingsBoard, in words. It gives few reasons: it refuses, is silent, or hangs up. */
import type { SluiceError } from '../../../../core/errors.ts';
import { ConnectError } from '../../retry-plan.ts';

export function thingsboardWords(error: SluiceError): string | undefined {
  if (error instanceof ConnectError)
    return error.failure === 'login'
      ? `${error.message}. In ThingsBoard the user name is the access token of the device; copy it again into \`username\``
      : undefined;
  if (error.code === 'upstream-timeout')
    return `${error.message}. ThingsBoard is silent when the device is no gateway; switch on "Is gateway" in the details of the device`;
  if (error.data.hungUp === true)
    return (
      'ThingsBoard closed the connection. It does so when the device sends more than the rate limits of its tenant profile allow: write ' +
      '`thingsboard: {perSecond: …}` or raise `batch.maxAge`. A device that was deleted or has a new token ends the connection too'
    );
  return undefined;
}
