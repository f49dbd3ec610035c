/**
 * The consumer that docs and contract promise to suffice: one high-water mark per source, gateway, log and topic, stored
 * with the records. Beside it an auditor that knows more than a consumer can, and tells what breaks the contract.
 */
export interface AcceptedRecord {
  readonly gateway: string;
  readonly log: string;
  readonly seq: number;
  readonly boot: string;
  /** The topic of the batch that brought it. */
  readonly topic: string;
  /** `data`, `history`, `alarm`, `event`. */
  readonly kind: string;
  readonly device: string;
  /** Milliseconds UTC. */
  readonly time: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly bad: Readonly<Record<string, string>>;
  readonly uncertain: Readonly<Record<string, string>>;
}

export type Violation =
  /** One number with two contents. */
  | 'two-contents'
  /** One number on two topics. */
  | 'two-topics'
  /** A number came although an earlier batch of its topic had covered it without it: a consumer by marks loses it. */
  | 'covered-before'
  /** A batch covers a number of another topic's. */
  | 'covers-other-lane'
  /** Numbers do not ascend inside a batch, or lie outside its range. */
  | 'order'
  /** Not the documented payload. */
  | 'malformed';

interface Batch {
  v: number;
  gateway: string;
  log: string;
  boot: string;
  first: number;
  last: number;
  records: {
    seq: number;
    device: string;
    time: number;
    values: Record<string, unknown>;
    bad?: Record<string, string>;
    uncertain?: Record<string, string>;
  }[];
}

/** Told violations; a broken build would otherwise print one for each record. */
const MAX_VIOLATIONS = 1000;

export class Consumer {
  /** By `gateway/log/seq`. Alarms and events as well as records. */
  readonly accepted = new Map<string, AcceptedRecord>();
  readonly violations: { kind: Violation; message: string }[] = [];
  /** Records dropped as repeats. */
  duplicates = 0;
  batches = 0;
  readonly #marks = new Map<string, number>();
  readonly #contents = new Map<string, string>();
  /** Per gateway/log and topic, what its batches covered. */
  readonly #covered = new Map<string, Map<string, [number, number][]>>();

  /** In order of arrival. Topics that are no part of the delivery (status, value, …) are passed over. */
  feed(topic: string, payload: string, source = 'upstream'): void {
    const kind = /^sluice\/[^/]+\/(data|history|alarm|event)(\/|$)/.exec(topic)?.[1];
    if (kind === undefined || payload === '') return;
    let message: unknown;
    try {
      message = JSON.parse(payload);
    } catch {
      this.#violation('malformed', `${topic}: not JSON: ${payload.slice(0, 200)}`);
      return;
    }
    if (kind === 'alarm' || kind === 'event') this.#notice(source, topic, kind, message);
    else if (isBatch(message) && topic === `sluice/${message.gateway}/${kind}`) this.#batch(source, topic, kind, message);
    else this.#violation('malformed', `${topic}: not a batch of it: ${payload.slice(0, 200)}`);
  }

  /** All messages of a subscriber. */
  feedAll(messages: Iterable<{ topic: string; payload: string; retained?: boolean }>, source = 'upstream'): this {
    // A retained message is a copy for latecomers and no delivery.
    for (const { topic, payload, retained } of messages) if (!retained) this.feed(topic, payload, source);
    return this;
  }

  /** Accepted records in order of gateway, log and number; without alarms and events. */
  records(): AcceptedRecord[] {
    return [...this.accepted.values()]
      .filter((r) => r.kind === 'data' || r.kind === 'history')
      .sort((a, b) => (a.gateway + a.log < b.gateway + b.log ? -1 : a.gateway + a.log > b.gateway + b.log ? 1 : a.seq - b.seq));
  }

  /** What can only be judged at the end, and everything before it. Empty when the contract was kept. */
  judge(): readonly { kind: Violation; message: string }[] {
    for (const record of this.accepted.values()) {
      if (record.kind === 'alarm' || record.kind === 'event') continue;
      for (const [topic, ranges] of this.#covered.get(`${record.gateway}/${record.log}`) ?? []) {
        if (topic === record.topic) continue;
        const range = ranges.find(([first, last]) => first <= record.seq && record.seq <= last);
        if (range !== undefined)
          this.#violation('covers-other-lane', `${topic} covers ${range.join('..')}, but ${record.seq} came on ${record.topic}`);
      }
    }
    return this.violations;
  }

  #batch(source: string, topic: string, kind: string, batch: Batch): void {
    this.batches++;
    const { gateway, log, boot, first, last } = batch;
    const lane = `${source}/${gateway}/${log}/${topic}`;
    const mark = this.#marks.get(lane) ?? -1;
    let before = first - 1;
    for (const { seq, device, time, values, bad = {}, uncertain = {} } of batch.records) {
      if (seq <= before || seq > last) this.#violation('order', `${topic}: ${seq} after ${before} in ${log} ${first}..${last}`);
      before = seq;
      this.#take(seq <= mark, { gateway, log, seq, boot, topic, kind, device, time, values, bad, uncertain });
    }
    this.#marks.set(lane, Math.max(mark, last));
    this.#cover(`${gateway}/${log}`, topic, first, last);
  }

  #notice(source: string, topic: string, kind: string, message: unknown): void {
    const { log, seq, time } = message as { log?: unknown; seq?: unknown; time?: unknown };
    if (typeof log !== 'string' || typeof seq !== 'number') {
      this.#violation('malformed', `${topic}: no log and seq: ${JSON.stringify(message).slice(0, 200)}`);
      return;
    }
    const gateway = topic.split('/')[1] ?? '';
    const lane = `${source}/${gateway}/${log}/${topic}`;
    const mark = this.#marks.get(lane) ?? -1;
    const values = message as Record<string, unknown>;
    this.#take(seq <= mark, {
      ...{ gateway, log, seq, boot: '', topic, kind, device: '', values, bad: {}, uncertain: {} },
      time: typeof time === 'number' ? time : 0,
    });
    this.#marks.set(lane, Math.max(mark, seq));
  }

  #take(repeat: boolean, record: AcceptedRecord): void {
    const key = `${record.gateway}/${record.log}/${record.seq}`;
    const { boot, device, time, values, bad, uncertain } = record;
    const content = canonical({ boot, device, time, values, bad, uncertain });
    const known = this.#contents.get(key);
    if (known === undefined) this.#contents.set(key, content);
    else if (known !== content) this.#violation('two-contents', `${key}: ${known} and ${content}`);
    const accepted = this.accepted.get(key);
    if (accepted !== undefined && accepted.topic !== record.topic)
      this.#violation('two-topics', `${key} on ${accepted.topic} and on ${record.topic}`);
    if (repeat) {
      this.duplicates++;
      if (accepted === undefined)
        this.#violation('covered-before', `${key} came on ${record.topic} after its mark had passed it`);
    } else if (accepted === undefined) this.accepted.set(key, record);
  }

  #cover(log: string, topic: string, first: number, last: number): void {
    const topics = this.#covered.get(log) ?? new Map<string, [number, number][]>();
    this.#covered.set(log, topics);
    const ranges = topics.get(topic) ?? [];
    topics.set(topic, ranges);
    const end = ranges.at(-1);
    // Neighbours become one range, so that a long run stays short.
    if (end !== undefined && first >= end[0] && first <= end[1] + 1) end[1] = Math.max(end[1], last);
    else if (!ranges.some(([a, b]) => a <= first && last <= b)) ranges.push([first, last]);
  }

  #violation(kind: Violation, message: string): void {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push({ kind, message });
  }
}

function isBatch(value: unknown): value is Batch {
  if (typeof value !== 'object' || value === null) return false;
  const b = value as Partial<Batch>;
  return (
    b.v === 1 &&
    typeof b.gateway === 'string' &&
    typeof b.log === 'string' &&
    typeof b.boot === 'string' &&
    Number.isSafeInteger(b.first) &&
    Number.isSafeInteger(b.last) &&
    Number(b.first) <= Number(b.last) &&
    Array.isArray(b.records) &&
    b.records.every(
      (r) =>
        Number.isSafeInteger(r?.seq) && typeof r.device === 'string' && Number.isFinite(r.time) && typeof r.values === 'object',
    )
  );
}

/** JSON with sorted keys: the same content in another order is the same content. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}
