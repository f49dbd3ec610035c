/** Loopback HTTP, as the gateway room makes it of a configuration. */
import type { WebListen } from '../../src/admin/web-listener.ts';

export function localHttp(port = 0): WebListen {
  return { host: '127.0.0.1', port, door: 'http', key: `127.0.0.1:${port}` };
}
