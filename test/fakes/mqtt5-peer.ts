/** A broker of MQTT 5 that answers as a test says, through the foreign packet reader and writer `mqtt-packet`. It hands nothing on. */
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';

type Properties = Record<string, unknown>;

export interface Message {
  /** Whole, also where the wire had an alias. */
  readonly topic: string;
  /** The topic itself was on the wire. */
  readonly spelled: boolean;
  readonly payload: Buffer;
  readonly retain: boolean;
  readonly qos: number;
  readonly properties: Properties;
}

export class Mqtt5Peer {
  readonly connects: IConnectPacket[] = [];
  readonly messages: Message[] = [];
  /** Most that were not answered at once on one connection. */
  most = 0;
  /** The reason code of the CONNACK. */
  reasonCode = 0;
  /** The QoS or the reason code of a SUBACK. */
  granted = 1;
  properties: Properties = {};
  /** @returns the reason code of the PUBACK and its properties; undefined: none comes; `disconnect`: the connection ends with this code */
  answer: (message: Message) => number | { disconnect: number; said?: string } | { code: number; said: string } | undefined =
    () => 0;
  /** PUBACKs leave one turn of the loop later, so that more could come before. */
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(t: TestContext): Promise<Mqtt5Peer> {
    const peer = new Mqtt5Peer();
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of peer.#sockets) socket.destroy();
      peer.#server.close();
    });
    return peer;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const send = (packet: object): void => {
      if (!socket.destroyed) socket.write(generate(packet as Packet, { protocolVersion: 5 }));
    };
    const aliases = new Map<number, string>();
    let open = 0;
    const reader = parser({ protocolVersion: 5 });
    reader.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        this.connects.push(packet);
        send({ cmd: 'connack', sessionPresent: false, reasonCode: this.reasonCode, properties: this.properties });
      } else if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' });
      else if (packet.cmd === 'subscribe')
        send({ cmd: 'suback', messageId: packet.messageId, granted: [this.granted], properties: {} });
      else if (packet.cmd === 'publish') {
        const message = this.#message(packet, aliases);
        if (packet.qos === 0) return;
        this.most = Math.max(this.most, ++open);
        const answer = this.answer(message);
        if (answer === undefined) return;
        setTimeout(() => {
          open--;
          if (typeof answer === 'object' && 'disconnect' in answer) {
            send({
              cmd: 'disconnect',
              reasonCode: answer.disconnect,
              properties: answer.said === undefined ? {} : { reasonString: answer.said },
            });
            socket.end();
            return;
          }
          const [reasonCode, properties] =
            typeof answer === 'number' ? [answer, {}] : [answer.code, { reasonString: answer.said }];
          send({ cmd: 'puback', messageId: packet.messageId, reasonCode, properties });
        }, 2);
      }
    });
    reader.on('error', () => socket.destroy());
    socket.on('data', (bytes) => reader.parse(bytes));
  }

  #message(packet: IPublishPacket, aliases: Map<number, string>): Message {
    const properties = { ...packet.properties } as Properties;
    const alias = properties.topicAlias as number | undefined;
    const spelled = packet.topic !== '';
    if (alias !== undefined && spelled) aliases.set(alias, packet.topic);
    const topic = spelled ? packet.topic : (aliases.get(alias ?? 0) ?? '?');
    const message = { topic, spelled, payload: Buffer.from(packet.payload), retain: packet.retain, qos: packet.qos, properties };
    this.messages.push(message);
    return message;
  }
}
