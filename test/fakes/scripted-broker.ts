/**
 * A broker over TLS whose platform decides each answer: CONNACK, SUBACK, PUBACK, silence, a DISCONNECT with a code, or the end of the
 * connection. Packets of MQTT 3.1.1 and 5 are read and written by the foreign `mqtt-packet`. It hands on what a test sends.
 */
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { waitFor } from '../harness/wait-for.ts';

export interface Client {
  readonly connect: IConnectPacket;
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly version: 4 | 5;
  /** `CN` of the certificate of the client; undefined: it has none. */
  readonly subject: string | undefined;
  readonly serverName: string;
  /** What ALPN agreed on. */
  readonly alpn: string;
  /** Monotonic ms. */
  readonly since: number;
  open: boolean;
  /** Publications that it has not been answered. */
  unanswered: number;
  end(): void;
}

export interface Message {
  readonly client: Client;
  /** Whole, also where the wire had an alias. */
  readonly topic: string;
  readonly alias: number | undefined;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

/** A code goes into the PUBACK, where the version has one. */
export type Verdict =
  | number
  | 'silence'
  | 'close'
  | { readonly code?: number; readonly disconnect?: number; readonly said: string };

export interface Platform {
  /** @returns the code of the CONNACK; `close` ends the connection instead */
  connect(client: Client): number | 'close';
  /** Properties of the CONNACK of MQTT 5. */
  readonly properties?: Readonly<Record<string, unknown>>;
  publish(message: Message): Verdict;
  /** @returns granted QoS or code */
  subscribe?(client: Client, filter: string): number;
}

export class ScriptedBroker {
  /** What was acknowledged, or came with QoS 0. */
  readonly taken: Message[] = [];
  /** Wills of those that went without a goodbye. */
  readonly wills: { readonly topic: string; readonly payload: string }[] = [];
  readonly clients = new Set<Client>();
  connects = 0;
  port = 0;
  readonly #platform: Platform;
  readonly #sockets = new Set<Socket>();
  readonly #senders = new Map<Client, (packet: object) => void>();
  #number = 0;

  private constructor(platform: Platform) {
    this.#platform = platform;
  }

  static async start(t: TestContext, platform: Platform, tls: TlsOptions): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(platform);
    const server = createServer(tls, (socket) => broker.#serve(socket));
    server.on('tlsClientError', () => {});
    server.on('connection', (socket: Socket) => {
      broker.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => broker.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    broker.port = (server.address() as { port: number }).port;
    t.after(() => {
      for (const socket of broker.#sockets) socket.destroy();
      server.close();
    });
    return broker;
  }

  /** To everybody who is connected; QoS 1. */
  send(topic: string, payload: string | Buffer, retain = false): void {
    for (const send of this.#senders.values())
      send({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain, messageId: (this.#number++ % 65_535) + 1 });
  }

  /** The first message, newest first, on such a topic. */
  message(what: string, topic: RegExp): Promise<Message> {
    return waitFor(what, () => this.taken.findLast((message) => topic.test(message.topic)));
  }

  #serve(socket: TLSSocket): void {
    let client: Client | undefined;
    let polite = false;
    const aliases = new Map<number, string>();
    const send = (packet: object): void => {
      if (!socket.destroyed) socket.write(generate(packet as Packet, { protocolVersion: client?.version ?? 4 }));
    };
    socket.on('error', () => {});
    socket.on('close', () => {
      if (client === undefined) return;
      client.open = false;
      this.clients.delete(client);
      this.#senders.delete(client);
      const { will } = client.connect;
      if (!polite && will) this.wills.push({ topic: will.topic, payload: will.payload.toString() });
    });
    const packet = (packet: Packet): void => {
      switch (packet.cmd) {
        case 'connect': {
          client = clientOf(packet, socket);
          this.connects++;
          const code = this.#platform.connect(client);
          if (code === 'close') return void socket.destroy();
          const { properties = {} } = this.#platform;
          send({
            cmd: 'connack',
            sessionPresent: false,
            returnCode: code,
            reasonCode: code,
            properties: code === 0 ? properties : {},
          });
          if (code !== 0) return void socket.end();
          this.clients.add(client);
          this.#senders.set(client, send);
          return;
        }
        case 'subscribe': {
          const granted = packet.subscriptions.map(({ topic }) => this.#platform.subscribe?.(client as Client, topic) ?? 1);
          send({ cmd: 'suback', messageId: packet.messageId, granted });
          return;
        }
        case 'publish':
          this.#published(client as Client, packet, aliases, socket, send);
          return;
        case 'pingreq':
          send({ cmd: 'pingresp' });
          return;
        case 'disconnect':
          polite = true;
          socket.end();
          return;
        default:
      }
    };
    let reader: ReturnType<typeof parser> | undefined;
    socket.on('data', (bytes) => {
      if (reader === undefined) {
        // The level of the protocol decides how the rest is read; a CONNECT comes in one piece from a client.
        reader = parser({ protocolVersion: bytes[bytes.indexOf('MQTT') + 4] === 5 ? 5 : 4 });
        reader.on('packet', packet);
        reader.on('error', () => socket.destroy());
      }
      reader.parse(bytes);
    });
  }

  #published(
    client: Client,
    packet: IPublishPacket,
    aliases: Map<number, string>,
    socket: Socket,
    send: (packet: object) => void,
  ): void {
    const alias = packet.properties?.topicAlias;
    if (alias !== undefined && packet.topic !== '') aliases.set(alias, packet.topic);
    const topic = packet.topic === '' ? (aliases.get(alias ?? 0) ?? '') : packet.topic;
    const { qos, retain, messageId } = packet;
    client.unanswered++;
    const message = { client, topic, alias, payload: Buffer.from(packet.payload), qos, retain };
    const verdict = this.#platform.publish(message);
    if (verdict === 0) this.taken.push(message);
    // One turn later, so that more could come before.
    setTimeout(() => {
      if (verdict === 'silence') return;
      client.unanswered--;
      if (verdict === 'close') return void socket.destroy();
      const { code, disconnect, said } =
        typeof verdict === 'number' ? { code: verdict, disconnect: undefined, said: '' } : verdict;
      const properties = said === '' ? {} : { reasonString: said };
      if (disconnect !== undefined) {
        send({ cmd: 'disconnect', reasonCode: disconnect, properties });
        socket.end();
      } else if (qos > 0) send({ cmd: 'puback', messageId, reasonCode: code, properties });
    }, 2);
  }
}

function clientOf(connect: IConnectPacket, socket: TLSSocket): Client {
  const { subject } = socket.getPeerCertificate();
  return {
    ...{ connect, id: connect.clientId, username: connect.username ?? '', password: String(connect.password ?? '') },
    version: connect.protocolVersion === 5 ? 5 : 4,
    subject: subject?.CN === undefined ? undefined : String(subject.CN),
    serverName: String((socket as unknown as { servername?: string | false }).servername || ''),
    alpn: socket.alpnProtocol || '',
    ...{ since: performance.now(), open: true, unanswered: 0 },
    end: () => void socket.destroy(),
  };
}
