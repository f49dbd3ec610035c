/** A Modbus device of the test's own on every way to carry a frame, over real sockets and a line at its pace; a script decides what each request gets. */
import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { SerialPort } from 'serialport';
import { startChild } from '../harness/child.ts';
import { pythonPeer } from '../peers/peers.ts';
import { crc, type FakeRequest, rightPdu } from './modbus-device.ts';
import { FRAMES, type Transport } from './modbus-world.ts';

export interface ServedRequest extends FakeRequest {
  /** The right frame for an answer of these bytes (unit, function, data); default: the right answer to a read. */
  frame(pdu?: Uint8Array): Buffer;
  send(bytes: Uint8Array): void;
}

export interface ServedDevice {
  /** Keys of the bus of a configuration. */
  readonly bus: Readonly<Record<string, unknown>>;
  readonly requests: FakeRequest[];
}

/** Whole requests off the front of what came, and the rest. */
function requestsIn(transport: Transport, bytes: Buffer): { frames: Buffer[]; rest: Buffer } {
  const frames: Buffer[] = [];
  let rest = bytes;
  for (;;) {
    let length = 12;
    if (transport === 'ascii') {
      const start = rest.indexOf(0x3a);
      const end = rest.indexOf(0x0a, Math.max(start, 0));
      if (start < 0 || end < 0) return { frames, rest };
      rest = rest.subarray(start);
      length = end + 1 - start;
    } else if (transport === 'rtu' || transport === 'rtu-over-tcp') {
      length = 8;
      while (rest.length >= 8 && crc(rest.subarray(0, 6)) !== rest.readUInt16LE(6)) rest = rest.subarray(1);
    }
    if (rest.length < length) return { frames, rest };
    frames.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
}

/** Reads of the four tables are understood. Undefined after a skip. @param log of paced-pty.py, where the transport has a line */
export async function serveModbus(
  t: TestContext,
  transport: Transport,
  script: (request: ServedRequest) => void,
  line: { readonly baud: number; readonly log?: string } = { baud: 19_200 },
): Promise<ServedDevice | undefined> {
  const requests: FakeRequest[] = [];
  const stream = (send: (bytes: Uint8Array) => void) => {
    let rest: Buffer = Buffer.alloc(0);
    return (chunk: Buffer) => {
      const found = requestsIn(transport, Buffer.concat([rest, chunk]));
      rest = found.rest;
      for (const frame of found.frames) {
        const { body, transaction } = FRAMES[transport].parse(frame);
        const request: FakeRequest = {
          ...{ n: requests.length + 1, transaction, unit: body.readUInt8(0), code: body.readUInt8(1) },
          ...{ start: body.readUInt16BE(2), count: body.readUInt16BE(4) },
        };
        requests.push(request);
        script({ ...request, frame: (pdu = rightPdu(request)) => FRAMES[transport].frame(pdu, transaction), send });
      }
    };
  };
  if (transport === 'udp') {
    const socket = createSocket('udp4');
    let open = true;
    socket.on('message', (data, from) =>
      stream((bytes) => {
        if (open) socket.send(bytes, from.port, from.address, () => {});
      })(data),
    );
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    t.after(() => {
      open = false;
      socket.close();
    });
    return { bus: { protocol: 'modbus-udp', host: '127.0.0.1', port: socket.address().port }, requests };
  }
  if (transport === 'tcp' || transport === 'rtu-over-tcp') {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      socket.on(
        'data',
        stream((bytes) => void (socket.destroyed || socket.write(bytes))),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return {
      bus: { protocol: `modbus-${transport}`, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
      requests,
    };
  }
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const log = line.log === undefined ? [] : ['10', line.log];
  const pty = startChild(t, python, [path.join(import.meta.dirname, '..', 'peers', 'paced-pty.py'), String(line.baud), ...log], {
    stdin: true,
  });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const serial = new SerialPort({ path: far, baudRate: 9600, autoOpen: false });
  await new Promise<void>((resolve, reject) => serial.open((error) => (error ? reject(error) : resolve())));
  // The pty may end before this does.
  serial.on('error', () => {});
  t.after(() => new Promise<void>((resolve) => serial.close(() => resolve())));
  serial.on(
    'data',
    stream((bytes) => void serial.write(Buffer.from(bytes))),
  );
  return { bus: { protocol: `modbus-${transport}`, port: near, baudRate: line.baud, dataBits: 8, parity: 'none' }, requests };
}
