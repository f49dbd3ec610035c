/** A Modbus TCP server of the test's own that takes requests of any length; a script decides what becomes of each, and of its connection. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface OddRequest {
  readonly transaction: number;
  readonly unit: number;
  /** Function and data. */
  readonly pdu: Buffer;
  /** The number of the connection, from 1. */
  readonly connection: number;
  /** A whole reply; every part of it may be another than is right. */
  reply(pdu: readonly number[], wrong?: { transaction?: number; unit?: number; length?: number }): void;
  send(bytes: Uint8Array): void;
  /** Ends the connection after what was sent. */
  end(): void;
}

export interface OddServer {
  readonly port: number;
  readonly requests: OddRequest[];
  /** So far. */
  readonly connections: number;
  script: (request: OddRequest) => void;
  /** Takes no connection any more, and ends those that are open. */
  close(): void;
}

/** @param accept decides by the number of connections that are open, itself included, whether one stays */
export async function oddServer(
  t: TestContext,
  script: (request: OddRequest) => void,
  accept: (open: number) => boolean = () => true,
): Promise<OddServer> {
  const sockets = new Set<Socket>();
  const requests: OddRequest[] = [];
  const server = createServer((socket) => {
    made.connections++;
    const connection = made.connections;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (!accept(sockets.size)) {
      socket.destroy();
      return;
    }
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 8 && rest.length >= 6 + rest.readUInt16BE(4)) {
        const [transaction, length, unit] = [rest.readUInt16BE(0), rest.readUInt16BE(4), rest.readUInt8(6)];
        const request: OddRequest = {
          ...{ transaction, unit, pdu: Buffer.from(rest.subarray(7, 6 + length)), connection },
          reply: (pdu, wrong = {}) => {
            const head = Buffer.alloc(7);
            head.writeUInt16BE(wrong.transaction ?? transaction, 0);
            head.writeUInt16BE(wrong.length ?? pdu.length + 1, 4);
            head[6] = wrong.unit ?? unit;
            request.send(Buffer.concat([head, Buffer.from(pdu)]));
          },
          send: (bytes) => void (socket.destroyed || socket.write(bytes)),
          end: () => void socket.end(),
        };
        rest = rest.subarray(6 + length);
        requests.push(request);
        made.script(request);
      }
    });
  });
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  const made = { port: 0, requests, connections: 0, script, close };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(close);
  made.port = (server.address() as AddressInfo).port;
  return made;
}

/** An XY-MD02: input 1 and 2 are 24.3 °C and 45.1 %; everything else is refused as a device does. */
export function climate({ pdu, reply }: OddRequest): void {
  const [code = 0] = pdu;
  const [start, count] = code === 3 || code === 4 ? [pdu.readUInt16BE(1), pdu.readUInt16BE(3)] : [];
  if (start === undefined || count === undefined) reply([code | 0x80, 1]);
  else if (code !== 4 || start < 1 || start + count > 3) reply([code | 0x80, 2]);
  else {
    const words = [0, 243, 451].slice(start, start + count).flatMap((word) => [word >> 8, word & 255]);
    reply([4, words.length, ...words]);
  }
}
