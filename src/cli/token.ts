/** `sluice token`: programs that log in to a running gateway. */
import { request } from '../admin/client.ts';
import type { TokenInfo } from '../core/access-ports.ts';
import { SluiceError } from '../core/errors.ts';
import { parseDuration } from '../core/units.ts';
import { localDate } from './local-time.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { table } from './table.ts';
import { done, secret } from './user.ts';

export interface TokenAddOptions extends RunningOptions {
  readonly role: string;
  readonly expires: string;
}

export async function tokenAdd(name: string, options: TokenAddOptions): Promise<void> {
  const lasts = parseDuration(options.expires);
  if (lasts === undefined) throw new SluiceError('usage', '--expires needs a duration: write for example 90d');
  const body = { name, role: options.role, lasts };
  const made = (await request(socketOf(options), 'POST', '/api/v1/tokens/add', body)) as {
    readonly id: string;
    readonly token: string;
    readonly expires: number;
  };
  const until = localDate(made.expires);
  secret(
    options,
    { name, role: options.role, ...made },
    made.token,
    `The token ${name} lasts until ${until}. It is not shown again:`,
  );
}

export async function tokenList(options: RunningOptions): Promise<void> {
  const { tokens } = (await request(socketOf(options), 'GET', '/api/v1/tokens')) as { tokens: readonly TokenInfo[] };
  if (options.json) {
    process.stdout.write(`${JSON.stringify(tokens)}\n`);
    return;
  }
  const rows = tokens.map(({ id, name, role, expires, expired }) => [
    ...[name, id, role],
    `${expired ? 'expired' : 'lasts until'} ${localDate(expires)}`,
  ]);
  process.stdout.write(rows.length === 0 ? 'no tokens\n' : table(rows));
}

export async function tokenRemove(name: string, options: RunningOptions): Promise<void> {
  await request(socketOf(options), 'POST', '/api/v1/tokens/remove', { name });
  done(options, { name }, `The token ${name} was removed.`);
}
