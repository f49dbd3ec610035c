/** What the broker decides of each message: whether one of a client goes on, and how one goes to a client. */
import type { AedesPublishPacket, Client, PublishPacket } from 'aedes';
import { AtOnce } from './at-once.ts';
import type { Audience } from './audience.ts';
import type { CommandSink } from './broker-types.ts';
import { type Clients, guardOf } from './clients.ts';
import type { DeviceDoor } from './device-door.ts';
import { BEHIND, type Kept } from './kept.ts';
import type { Sent } from './persistence.ts';
import type { SlowClients } from './slow-clients.ts';
import { SYSTEM } from './system-topics.ts';
import { publishRight } from './topic-rules.ts';

export interface TrafficOptions {
  /** `sluice/<gateway>` */
  readonly root: string;
  readonly clients: Clients;
  readonly audience: Audience;
  readonly kept: Kept;
  readonly slow: SlowClients;
  /** Takes commands. */
  readonly command: CommandSink | undefined;
  readonly devices: DeviceDoor | undefined;
  /** A message of the gateway itself. Resolves when it is with its readers. */
  readonly publish: (topic: string, json: string) => Promise<void>;
}

export class Traffic {
  /** PUBLISH of clients, and to clients. */
  received = 0;
  sentMessages = 0;
  readonly #o: TrafficOptions;
  readonly #alarms: string;
  readonly #atOnce = new AtOnce();

  constructor(options: TrafficOptions) {
    this.#o = options;
    this.#alarms = `${options.root}/alarm/`;
  }

  /** Whether a message of a client goes on. */
  arrived(client: Client | null, packet: PublishPacket, next: (error?: Error | null) => void): void {
    this.received++;
    const credential = client === null ? undefined : this.#o.clients.credentials.of(client);
    const right = credential === undefined ? 'none' : publishRight(credential, packet.topic, this.#o.root);
    if (credential === undefined || right === 'none') {
      next(this.#o.clients.published(client, packet));
      return;
    }
    if (right === 'message') {
      const payload = packet.payload as Buffer;
      const goOn = (stopped?: Error): void => {
        if (stopped !== undefined) next(stopped);
        else
          this.#o.kept.admit(
            { ...packet, payload },
            credential.owner,
            (error) => {
              if (error === BEHIND && client !== null) this.#o.clients.behind(client);
              next(error ?? null);
            },
            // Nobody waits for the answer to a will: it has no identifier.
            client === null || packet.messageId === undefined ? undefined : client,
          );
      };
      if (this.#o.devices === undefined) goOn();
      else this.#o.devices.arrived(packet.topic, payload, packet.dup === true, goOn);
      return;
    }
    const retained = packet.retain;
    this.#o.command?.(new Uint8Array(packet.payload as Buffer), credential, retained, (kind, id, json) =>
      this.#answer(kind, id, json),
    );
    // Nobody else gets it: no filter that is granted matches such a topic.
    packet.topic = '$command';
    packet.retain = false;
    next(null);
  }

  async #answer(kind: 'result' | 'resend', id: string, json: string): Promise<void> {
    const topic = `${this.#o.root}/${kind}/${id}`;
    await this.#o.publish(topic, json);
    // As fast as its readers: the next part would pass by those that are behind, or end their connections.
    if (kind === 'resend') await this.#o.clients.ready(topic);
  }

  /** Whether a message goes to this client, and how. */
  forward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    // aedes tells of clients and their filters below `$SYS`; that is not for anybody.
    if (packet.topic.startsWith('$') && !packet.topic.startsWith(SYSTEM)) return null;
    const forwarded = this.#forward(client, packet);
    if (forwarded === null) return null;
    this.sentMessages++;
    if (packet.topic.startsWith(this.#alarms)) {
      // One that answers a subscription comes in the order of its stream.
      if (!packet.retain && this.#atOnce.send(client, forwarded)) return null;
      guardOf(client).hurry();
    }
    this.#atOnce.given(client);
    return forwarded;
  }

  #forward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    // One that the queue hands out is not delivered, and stays; aedes would take it out of the queue if it were not forwarded.
    if (client.closed) return packet.messageId === undefined ? null : packet;
    if (!packet.retain && !this.#o.slow.passes(client, packet)) return null;
    // One of the queue has the QoS that was granted when it came.
    const asked = packet.qos === 0 || packet.messageId !== undefined;
    const qos = (asked ? packet.qos : Math.min(packet.qos, this.#o.audience.qos(client, packet.topic))) as 0 | 1 | 2;
    if (qos === 0) return qos === packet.qos ? packet : { ...packet, qos };
    const { requests, flights } = guardOf(client);
    requests.owe(qos);
    // `sent` of the persistence follows, or the queue handed it out.
    if (!client.clean && !packet.retain) return qos === packet.qos ? packet : { ...packet, qos };
    // The queue of a session has numbers of its own.
    const session = client.clean ? undefined : this.#o.kept.sessions.get(client.id);
    const messageId = session?.queue.otherNumber() ?? flights.next();
    flights.sent(messageId, qos);
    return { ...packet, qos, messageId };
  }

  /** A PUBLISH of a queue, or a PUBREL, is about to be written. */
  sent(client: Client, { cmd, qos = 0, messageId }: Sent): void {
    if (messageId === undefined) return;
    const { requests, flights } = guardOf(client);
    if (cmd === 'pubrel') {
      // One of the queue: its message went to an earlier connection.
      if (!flights.has(messageId)) requests.owe(1);
      flights.released(messageId);
    } else if (qos > 0) flights.sent(messageId, qos);
  }
}
