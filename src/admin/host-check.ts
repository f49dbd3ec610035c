/**
 * Against DNS rebinding: a web page whose name was made to point at this machine sends that name as Host. Addresses,
 * `localhost` and names of the local network are what people here type.
 */
import { isIP } from 'node:net';

export function isLocalHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(host);
  if (match === null) return false;
  if (match[1] !== undefined) return isIP(match[1]) === 6;
  const name = (match[2] as string).toLowerCase().replace(/\.$/, '');
  return (
    isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost') || /^[a-z0-9-]+(\.[a-z0-9-]+)*\.local$/.test(name)
  );
}
