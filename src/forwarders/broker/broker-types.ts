/** The options and the status of the embedded broker. */
import type { ListenAddress } from '../../access/doors/listener.ts';
import type { MqttAccess, MqttCredential } from '../../core/access-ports.ts';
import type { BrokerStore, BrokerStoreStatus } from '../../core/broker-store.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { GatewayEvent, LatestValues } from '../../core/ports.ts';
import type { Dropped, Reached, Refused } from './broker-counts.ts';
import type { DeviceDoor } from './device-door.ts';
import type { EncodeBatch } from './live-feed.ts';
import type { OwnBacklog } from './own-backlog.ts';

export interface EmbeddedBrokerOptions {
  /** One to MAX_LISTENERS addresses. */
  readonly listen: readonly ListenAddress[];
  /** Largest packet of a client (Remaining Length, bytes); absent: MAX_PACKET. */
  readonly maxPacket?: number | undefined;
  /** `sluice/<gateway>`, without a slash at the end. */
  readonly root: string;
  /** What `…/status` says. */
  readonly identity: { readonly boot: string; readonly version: string };
  readonly logger: Logger;
  readonly clock: Clock;
  /** UTC ms as the gateway knows it. */
  readonly now: () => number;
  readonly latest: LatestValues;
  /** Builds the payload of one `data` message; called only when somebody listens. */
  readonly encodeBatch: EncodeBatch;
  /** Takes what an operator should know (`overload`). It may end in `notice` of this broker. */
  readonly onEvent: (event: GatewayEvent) => void;
  /** It cannot have an address, with the words for it; undefined: it has got it. Once each. */
  readonly onListen?: (listen: ListenAddress, fault: string | undefined) => void;
  /** Keeps sessions and retained messages of clients across restarts; absent: they end with the broker. */
  readonly store?: BrokerStore | undefined;
  /** Has what sessions missed of the gateway's own messages while there was no broker. */
  readonly backlog?: OwnBacklog | undefined;
  /** Who clients are. Absent: there are no accounts, and everybody is anonymous. */
  readonly access?: MqttAccess | undefined;
  /** Takes a command of a client. Returns at once. */
  readonly command?: CommandSink | undefined;
  /** Gets what clients publish, for those inside the gateway who listen to it. */
  readonly devices?: DeviceDoor | undefined;
}

export type CommandSink = (
  payload: Uint8Array,
  by: MqttCredential,
  retained: boolean,
  answer: (kind: 'result' | 'resend', id: string, json: string) => Promise<void>,
) => void;

export interface EmbeddedBrokerStatus {
  readonly state: 'stopped' | 'waiting' | 'listening';
  /** Why it waits. */
  readonly fault?: string | undefined;
  /** The first one on which it listens. */
  readonly address?: { readonly host: string; readonly port: number } | undefined;
  /** All of them, in the order of the configuration; `port` as the system gave it. */
  readonly listeners: readonly {
    readonly host: string;
    readonly port: number;
    readonly tls: boolean;
    readonly fault?: string | undefined;
  }[];
  readonly clients: number;
  readonly sessions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Retained messages of clients. */
  readonly retained: number;
  /** What keeps sessions across restarts. */
  readonly store: BrokerStoreStatus;
  /** Messages of clients that the disk has to take before they are acknowledged, and does not now; bytes of topics and payloads. */
  readonly withheldMessages: number;
  readonly withheldBytes: number;
  /** Bytes that wait for connected clients, outside the queues of sessions. */
  readonly unsentBytes: number;
  /** Bytes of packets of clients that are not whole yet. */
  readonly partialBytes: number;
  /** Messages handed to the broker since the start. */
  readonly published: number;
  /** Bytes of topics and payloads of retained messages of clients. */
  readonly retainedBytes: number;
  /** Since the start: messages that somebody did not get; clients that were turned away; what else a limit ended (broker-counts.ts). */
  readonly dropped: Readonly<Record<Dropped, number>>;
  readonly refused: Readonly<Record<Refused, number>>;
  readonly reached: Readonly<Record<Reached, number>>;
}
