/** Storms of HTTPS clients beside those that ask for pages: log-ins, whole handshakes, requests that never end. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { requests } from '../../test/harness/request-flood.ts';

type Count = (what: string, by?: number) => void;

const ADDRESSES = 30;
const PARALLEL = 60;
/** A connection that was ended is made again after this, ms. */
const AGAIN = 50;
/** Time between two bytes of a request that never ends, ms. */
const DRIBBLE = 250;
/** A handshake that is not done by then is given up, ms. */
const HANDSHAKE_WITHIN = 20_000;

/** Wrong passwords for a name that exists, one behind the other. */
export function logIns(port: number, count: Count): void {
  requests({ port, path: '/api/v1/session', body: JSON.stringify({ name: 'admin', password: 'not the secret of it' }), count });
}

/** Each connection does one whole handshake and goes. */
export function handshakes(port: number, count: Count): void {
  again(port, count, async (socket) => {
    socket.destroy();
  });
}

/** Each connection sends a byte of a header now and then, until it is ended. */
export function slowRequests(port: number, count: Count): void {
  again(port, count, async (socket) => {
    for (const byte of `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(4096)}`) {
      if (socket.destroyed) break;
      socket.write(byte);
      await sleep(DRIBBLE);
    }
    socket.destroy();
  });
}

function again(port: number, count: Count, run: (socket: TLSSocket) => Promise<void>): void {
  const one = (address: string): void => {
    const raw = connect({ port, host: '127.0.0.1', localAddress: address });
    raw.on('error', () => {});
    const socket = connectTls({ socket: raw, servername: 'localhost', rejectUnauthorized: false }, () => {
      count('connections');
      void run(socket);
    });
    raw.setTimeout(HANDSHAKE_WITHIN, () => raw.destroy());
    socket.on('error', () => {});
    socket.resume();
    raw.once('close', () => {
      count('closed');
      socket.destroy();
      setTimeout(() => one(address), AGAIN);
    });
  };
  for (let i = 0; i < PARALLEL; i++) one(`127.0.40.${1 + (i % ADDRESSES)}`);
}
