/**
 * MQTT inside a WebSocket (RFC 6455; MQTT 5, section 6): binary messages, the subprotocol `mqtt`, no extensions. The contents of
 * messages go on as they come: nothing is put together here, so the length of a message needs no memory.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import { SluiceError } from '../../../core/errors.ts';
import { foreignText } from '../../../core/foreign-text.ts';
import { type BrokerAddress, hostAndPort } from '../address.ts';
import type { Failure } from '../failure.ts';
import { ConnectError } from '../retry-plan.ts';
import { httpHead } from './answers.ts';
import { BINARY, CLOSE, FrameReader, frame, PING, PONG } from './web-socket-frames.ts';

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Frames in a minute that carry nothing for MQTT; brokers send a few pings. */
const MOST_IDLE = 600;
const MINUTE = 60_000;
/** Bytes that wait for a broker that does not read; it gets no pongs then. */
const MOST_WAITING = 256 * 1024;

/**
 * @param below open, and TLS already where the address asks for it
 * @param now monotonic milliseconds
 * @throws ConnectError, and the error of the stream
 */
export async function webSocket(below: Duplex, address: BrokerAddress, now: () => number): Promise<Duplex> {
  const { path } = address;
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${hostAndPort(address)}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: mqtt',
  ];
  below.write(`${lines.join('\r\n')}\r\n\r\n`);
  const fault = (failure: Failure, words: string) =>
    new ConnectError(failure, `the broker ${hostAndPort(address)} ${words}`, undefined);
  const answer = await httpHead(below);
  if (answer === undefined) throw fault('protocol', 'does not answer in HTTP; name the port where it takes MQTT over WebSocket');
  const { status, headers, line } = answer;
  if (status !== 101) {
    const [failure, words] = statusWords(status, path);
    throw fault(failure, `${words} ("${foreignText(line, 100)}")`);
  }
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  const upgraded =
    headers.get('upgrade')?.toLowerCase() === 'websocket' && /(^|,)\s*upgrade\s*(,|$)/i.test(headers.get('connection') ?? '');
  if (!upgraded || headers.get('sec-websocket-accept') !== accept)
    throw fault('protocol', `does not agree to a WebSocket on the path ${path}; something between may answer in its place`);
  if (headers.get('sec-websocket-protocol') !== 'mqtt' || headers.has('sec-websocket-extensions'))
    throw fault(
      'protocol',
      `has a WebSocket on the path ${path}, but not for MQTT; write the path of MQTT in the address, often /mqtt`,
    );
  return new WebSocketWire(below, now);
}

function statusWords(status: number, path: string): [Failure, string] {
  if (status === 401 || status === 403)
    return ['login', `refuses the WebSocket; ask its operator what it demands on the path ${path}`];
  if (status === 429 || status >= 500) return ['busy', 'takes no WebSocket now'];
  if (status >= 300 && status < 400) return ['protocol', 'refers to another address; write that one'];
  return ['protocol', `serves no WebSocket on the path ${path}; write the path of MQTT in the address, often /mqtt`];
}

/** A WebSocket as a stream of bytes. */
class WebSocketWire extends Duplex {
  readonly #below: Duplex;
  readonly #now: () => number;
  #idle = 0;
  #since: number;

  constructor(below: Duplex, now: () => number) {
    super();
    this.#below = below;
    this.#now = now;
    this.#since = now();
    const reader = new FrameReader({
      content: (bytes) => {
        if (!this.push(bytes)) below.pause();
      },
      control: (opcode, bytes) => this.#control(opcode, bytes),
      empty: () => this.#count(),
    });
    below.on('data', (chunk: Buffer) => {
      if (this.destroyed) return;
      const fault = reader.read(chunk);
      if (fault !== undefined) this.destroy(new SluiceError('upstream-protocol', `the broker ${fault}`));
    });
    below.on('end', () => this.push(null));
    below.on('error', (error) => this.destroy(error));
    below.on('close', () => this.destroy());
  }

  #control(opcode: number, bytes: Buffer): void {
    if (opcode === CLOSE) {
      this.push(null);
      this.#below.end(frame(CLOSE, bytes.subarray(0, 2)));
    } else if (this.#count() && opcode === PING && this.#below.writableLength < MOST_WAITING)
      this.#below.write(frame(PONG, bytes));
  }

  /** A frame that carries nothing. @returns whether it is one of those that may come */
  #count(): boolean {
    const now = this.#now();
    if (now - this.#since > MINUTE) {
      this.#since = now;
      this.#idle = 0;
    }
    if (++this.#idle <= MOST_IDLE) return true;
    this.destroy(
      new SluiceError('upstream-protocol', `the broker sends more than ${MOST_IDLE} pings or empty messages a minute`),
    );
    return false;
  }

  override _read(): void {
    this.#below.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#below.write(frame(BINARY, chunk), done);
  }

  // The pieces of a packet in one message: each message has a header of its own.
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#below.write(frame(BINARY, Buffer.concat(chunks.map(({ chunk }) => chunk))), done);
  }

  override _final(done: () => void): void {
    // 1000: a normal end.
    this.#below.end(frame(CLOSE, Uint8Array.of(3, 232)));
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#below.destroy();
    done(error);
  }
}
