/**
 * Storms of HTTPS requests: ADDRESSES addresses with CONNECTIONS connections each write requests one behind the other, without
 * waiting for answers, as fast as the gateway takes them.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const ADDRESSES = 30;
const CONNECTIONS = 2;
/** Bytes of one write. */
const BATCH = 16 * 1024;
/** A connection that was ended is made again after this, ms. */
const AGAIN = 50;

export interface Asking {
  readonly port: number;
  /** Path of the request. */
  readonly path: string;
  readonly token?: string | undefined;
  /** JSON of a POST; absent: a GET. */
  readonly body?: string;
  readonly count: (what: string, by?: number) => void;
}

export function requests({ port, path, token, body, count }: Asking): void {
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  const sent = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  const head = `${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1\r\nHost: localhost\r\n`;
  const one = `${head}${authorization}${sent}\r\n${body ?? ''}`;
  const batch = Buffer.from(one.repeat(Math.max(1, Math.floor(BATCH / one.length))), 'latin1');
  const run = (address: string): void => {
    const raw = connect({ port, host: '127.0.0.1', localAddress: address });
    raw.on('error', () => {});
    const socket = connectTls({ socket: raw, servername: 'localhost', rejectUnauthorized: false }, () => {
      count('connections');
      more();
    });
    const more = (): void => {
      while (!socket.destroyed && socket.write(batch)) count('written', batch.length / one.length);
    };
    socket.on('error', () => {});
    socket.on('drain', more);
    socket.on('data', (bytes: Buffer) => {
      for (const [, status] of bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)) count(`status ${status}`);
    });
    raw.once('close', () => {
      socket.destroy();
      setTimeout(() => run(address), AGAIN);
    });
  };
  for (let i = 0; i < ADDRESSES * CONNECTIONS; i++) run(`127.0.40.${1 + (i % ADDRESSES)}`);
}
