/**
 * Bundles to a broker, as the gateways themselves would publish them with format `json`.
 *
 * - Each message waits for its acknowledgement, so the order stays, and marks of consumers hold.
 * - What was played is kept for each broker and gateway (played.ts). A record that was played with the same points is left out.
 * - A record below what was played of its lane goes to `resend/…`, where no mark counts. So does a time range.
 * - Nothing is retained.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Statement } from '../../codecs/bundle/statement.ts';
import type { Batch } from '../../codecs/format.ts';
import { jsonBatch } from '../../codecs/format-json.ts';
import { systemClock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { type LogRecord, readingCount } from '../../core/point.ts';
import { brokerAddress, hostAndPort, parseBrokerUrl } from '../../forwarders/mqtt/address.ts';
import { Connection } from '../../forwarders/mqtt/connection.ts';
import { readTls } from '../../forwarders/mqtt/wire/tls-material.ts';
import { firstLine } from './bundle-file.ts';
import { Played } from './played.ts';
import type { Added, Notice, Play, Target } from './target.ts';

/** Readings of one message, as a forwarder has by default. */
const READINGS = 1000;
const CONNECT_WITHIN = 15_000;
const ACK_WITHIN = 15_000;

export interface BrokerOptions {
  readonly url: string;
  readonly username?: string | undefined;
  /** A file with one line. */
  readonly passwordFile?: string | undefined;
  /** PEM. */
  readonly ca?: string | undefined;
  /** The folder of the platform, for what was played. */
  readonly keys: string;
}

/** @throws SluiceError usage, upstream-connect */
export async function brokerTarget(options: BrokerOptions): Promise<Target> {
  const parsed = parseBrokerUrl(options.url);
  if ('wrong' in parsed) throw new SluiceError('usage', `--to ${options.url}: ${parsed.wrong}`);
  const address = brokerAddress(options.url);
  const password = options.passwordFile === undefined ? undefined : firstLine(options.passwordFile, 4096);
  const connection = await Connection.open({
    ...address,
    ...{ tls: await readTls(options.ca === undefined ? undefined : { ca: options.ca }), username: options.username, password },
    ...{ clientId: `sluice-import-${process.pid}`, will: undefined, clock: systemClock, signal: new AbortController().signal },
    ...{ connectTimeout: CONNECT_WITHIN, ackTimeout: ACK_WITHIN },
  });
  const folder = path.join(options.keys, 'played');
  return {
    name: hostAndPort(address),
    begin(statement) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const place = `${hostAndPort(address)}${address.path}`.replace(/[^A-Za-z0-9.-]/g, '_');
      return new BrokerPlay(connection, statement, new Played(folder, `${place}-${statement.gateway}.json`));
    },
    close: () => connection.end(ACK_WITHIN),
  };
}

/** What a play needs of a connection. */
export type Publisher = Pick<Connection, 'publish'>;

export class BrokerPlay implements Play {
  readonly #connection: Publisher;
  readonly #statement: Statement;
  readonly #played: Played;
  readonly #added = { records: 0, notices: 0 };
  #part = 0;

  constructor(connection: Publisher, statement: Statement, played: Played) {
    this.#connection = connection;
    this.#statement = statement;
    this.#played = played;
  }

  async batch(batch: Batch, kind: 'data' | 'history' | 'range'): Promise<void> {
    const late = `resend/bundle-${this.#statement.bundle.slice(0, 8)}`;
    if (kind === 'range' || this.#ranged) {
      this.#added.records += batch.records.length;
      return this.#records(batch, late);
    }
    const fresh = this.#played.fresh(batch);
    this.#added.records += fresh.length;
    const mark = this.#played.mark(batch);
    const below = fresh.filter(({ seq }) => seq <= mark);
    const above = fresh.filter(({ seq }) => seq > mark);
    const { range } = batch;
    await this.#records({ ...batch, records: below, range: range && { ...range, last: Math.min(range.last, mark) } }, late);
    await this.#records(
      { ...batch, records: above, range: range && { ...range, first: Math.max(range.first, mark + 1) } },
      batch.lane,
    );
    this.#played.add(batch, above.length > 0);
  }

  /** In messages of a forwarder. Each has its share of the range. */
  async #records(batch: Batch, topic: string): Promise<void> {
    const { records, range } = batch;
    let first = range?.first ?? 0;
    for (let from = 0; from < records.length; ) {
      let to = from;
      for (let readings = 0; to < records.length; to++) {
        readings += readingCount((records[to] as LogRecord).sample);
        if (readings > READINGS && to > from) break;
      }
      const last = range === undefined || to < records.length ? (records[to - 1] as LogRecord).seq : range.last;
      const text = jsonBatch({ ...batch, records: records.slice(from, to), range: range && { first, last } });
      // A part, as the answers to `resend` are.
      const payload = topic.startsWith('resend/') ? text.replace('{"v":1,', `{"v":1,"part":${this.#part++},`) : text;
      await this.#publish(topic, payload);
      first = last + 1;
      from = to;
    }
  }

  async notice({ kind, log, seq, name, json }: Notice): Promise<void> {
    if (!this.#ranged && !this.#played.takes(kind, log, seq)) return;
    this.#added.notices++;
    await this.#publish(kind === 'alarm' ? `alarm/${name}` : 'event', json);
  }

  inventory(json: string): Promise<void> {
    return this.#publish('inventory', json);
  }

  /** What the gateway itself left retained may be newer, and nothing here can tell. So it stays. */
  #publish(topic: string, payload: string): Promise<void> {
    return this.#connection.publish({ topic: `sluice/${this.#statement.gateway}/${topic}`, payload, qos: 1, retain: false });
  }

  /** A bundle of a time range. */
  get #ranged(): boolean {
    return this.#statement.forwarder === undefined;
  }

  /** Every message is acknowledged. A kill before this plays it again, and consumers drop it. */
  commit(): Added {
    if (!this.#ranged) this.#played.save();
    return this.#added;
  }
  abandon(): void {}
}
