/** How a network endpoint is written, for every driver that connects to one. */
import { isIP } from 'node:net';
import * as z from 'zod';

export const networkHost = () => {
  const host = z.string().min(1);
  return host.superRefine((text, ctx) => {
    const message = hostFault(text);
    if (message !== undefined) ctx.addIssue({ code: 'custom', message });
  });
};

/** What hardly can be a host: an address of the web, a host with its port, four numbers that are no IP address. */
function hostFault(text: string): string | undefined {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\/([^/:@]*)/i.exec(text);
  if (scheme !== null) return `write the name or the address alone${scheme[1] ? `: ${scheme[1]}` : ''}`;
  const withPort = /^([^:\s]+):(\d{1,5})$/.exec(text);
  if (withPort !== null) return `the port has a key of its own; write host: ${withPort[1]} and port: ${Number(withPort[2])}`;
  if (/^\/dev\//.test(text))
    return 'this is a serial port, and the bus is on a network; write the address of the device, or protocol: modbus-rtu';
  if (/[\s/]/.test(text)) return 'a name or an address has no space and no /; write for example 192.168.1.50';
  if (!/^\d+(\.\d+){3}$/.test(text) || isIP(text) === 4) return undefined;
  const numbers = text.split('.').map(Number);
  if (numbers.some((number) => number > 255)) return 'an IP address is four numbers from 0 to 255';
  return `write the numbers of an IP address without leading zeros: ${numbers.join('.')}`;
}

export function networkPortFault(input: unknown): string | undefined {
  if (typeof input !== 'string' || /^\s*\d+\s*$/.test(input)) return undefined;
  return input.startsWith('/dev/')
    ? 'this bus is on a network, and its port is a number such as 502; for a serial port write protocol: modbus-rtu'
    : undefined;
}
