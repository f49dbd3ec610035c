/** Words that the pages of `sluice status` share. */
import type { GatewayStatus } from '../admin/target.ts';

/** Older gateways report one address. */
export function whereOf({
  listeners,
  address,
}: Pick<Partial<NonNullable<GatewayStatus['broker']>>, 'listeners' | 'address'>): string {
  const all = listeners ?? (address === undefined ? [] : [{ ...address, tls: false }]);
  const words = all.map(({ host, port, tls }) => `${host}:${port}${tls ? ' (TLS)' : ''}`);
  return words.length === 0 ? '' : ` on ${words.join(', ')}`;
}

export function count(n: number, one: string, more = `${one}s`): string {
  return `${n} ${n === 1 ? one : more}`;
}
