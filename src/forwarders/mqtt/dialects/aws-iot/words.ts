/** Faults of a connection to AWS IoT Core, in words. With MQTT 3.1.1 it gives no reasons: it closes the connection. */
import type { SluiceError } from '../../../../core/errors.ts';
import { foreignText } from '../../../../core/foreign-text.ts';
import { ConnectError } from '../../retry-plan.ts';

/** Letters of a client id that are shown. */
const LONGEST = 128;

export function awsWords(error: SluiceError, clientId: string): string | undefined {
  const client = `the client id ${foreignText(clientId, LONGEST)}`;
  if (error instanceof ConnectError) {
    if (error.failure !== 'login' && error.failure !== 'hung-up') return undefined;
    return (
      `AWS IoT Core does not take this gateway. Check in AWS that the certificate in \`tls.cert\` is active, and that a policy is ` +
      `attached to it that allows iot:Connect for ${client} (${error.message})`
    );
  }
  if (error.data.subscription === true)
    return `${error.message}. Allow iot:Subscribe and iot:Receive for the topic of commands in the policy of the certificate, or remove \`commands\` from the forwarder`;
  if (error.data.hungUp === true)
    return typeof error.data.topic === 'string'
      ? `AWS IoT Core closed the connection before it took a message on ${error.data.topic}. Allow iot:Publish on it in the policy of the certificate, and iot:RetainPublish where it is retained, or write \`retain: false\` under aws-iot`
      : `AWS IoT Core closed the connection. If it does so again and again, another client uses ${client} as well, or the policy of the certificate lacks iot:Subscribe or iot:Receive`;
  if (error.code === 'upstream-timeout')
    return `${error.message}. AWS IoT Core drops messages in silence when a quota of the account is used up; its metrics (PublishIn.Throttle) say so`;
  return undefined;
}
