/** `sluice claim`: the code with which the first administrator is made. */
import { request } from '../admin/client.ts';
import type { GatewayStatus } from '../admin/target.ts';
import type { AccessState } from '../core/access-ports.ts';
import { SluiceError } from '../core/errors.ts';
import { isConfirmed } from './password-prompt.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { secret } from './user.ts';
import { type WebAddress, webAddresses } from './web-address.ts';

export interface ClaimOptions extends RunningOptions {
  readonly again?: boolean;
  readonly yes?: boolean;
}

export async function claim(options: ClaimOptions): Promise<void> {
  const socket = socketOf(options);
  if (options.again === true) return claimAgain(socket, options);
  const answer = (await request(socket, 'GET', '/api/v1/claim')) as {
    readonly state: AccessState;
    readonly fault?: string;
    readonly code: string | null;
  };
  const { state, fault, code } = answer;
  const status = (await request(socket, 'GET', '/api/v1/status')) as GatewayStatus;
  const addresses = webAddresses(status);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...answer, addresses })}\n`);
  else if (code !== null) {
    secret(options, {}, code, 'The gateway has no administrator yet. Its claim code:');
    process.stderr.write(addresses.length > 0 ? browserWords(addresses) : certificateWords(status));
  } else if (state === 'locked') throw new SluiceError('access-locked', fault);
  else throw new SluiceError('exists', 'the gateway is claimed, so it has no claim code; sluice user list shows its users');
}

/** What a person compares before he types the code into a page. */
function browserWords(addresses: readonly WebAddress[]): string {
  const [first] = addresses;
  if (first === undefined) return '';
  return [
    `Enter it in a browser: ${addresses.map(({ url }) => url).join(' or ')}`,
    'The browser warns because it does not know the certificate. Compare the SHA-256 fingerprint that it shows:',
    `${first.fingerprint}`,
    '',
  ].join('\n');
}

/** Without a page, clients of the embedded broker compare it. */
function certificateWords({ certificate }: GatewayStatus): string {
  return certificate === undefined ? '' : `The SHA-256 fingerprint of its certificate: ${certificate.fingerprint}\n`;
}

async function claimAgain(socket: string, options: ClaimOptions): Promise<void> {
  const question = 'This removes every user, device and token of the gateway. Type yes to continue: ';
  if (options.yes !== true && !(await isConfirmed(question)))
    throw new SluiceError('usage', 'nothing was removed: type yes on a terminal, or add --yes');
  const { code } = (await request(socket, 'POST', '/api/v1/claim/again', {})) as { code: string };
  secret(options, { state: 'unclaimed', code }, code, 'Every account was removed. The new claim code:');
}
