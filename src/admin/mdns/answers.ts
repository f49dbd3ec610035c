/** What the gateway says about itself by DNS-SD (RFC 6763) over multicast DNS (RFC 6762). Pure. */
import type { Answer, Packet, Question } from 'dns-packet';

export interface Announced {
  /** The id of the gateway, the name of the service. */
  readonly instance: string;
  /** Without `.local`. */
  readonly host: string;
  readonly port: number;
}

export const SERVICE = '_sluice._tcp.local';
const SERVICES = '_services._dns-sd._udp.local';
/** Seconds, as RFC 6762 section 10 advises: names of hosts may change, the rest lasts. */
const HOST_TTL = 120;
const OTHER_TTL = 4500;
/** Section 6.7: an answer to a resolver that knows no multicast is not kept for long. */
const LEGACY_TTL = 10;
/** A question on paper has one or two. */
const MOST_QUESTIONS = 16;
const MOST_RECORDS = 64;

/** Whether a packet is a question of a size that is worth reading. Looks at its head alone. */
export function isQuestion(bytes: Uint8Array): boolean {
  if (bytes.length < 12) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12);
  const records = view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
  // A response, and operations other than a query, have bits here.
  return (
    (view.getUint16(2) & 0xf800) === 0 && view.getUint16(4) >= 1 && view.getUint16(4) <= MOST_QUESTIONS && records <= MOST_RECORDS
  );
}

/** Whether a packet is an answer of a size that is worth reading, and may be about this gateway. Looks at bytes alone. */
export function mayClaim(bytes: Uint8Array, { instance, host }: Announced): boolean {
  if (bytes.length < 12) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12);
  const records = view.getUint16(4) + view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
  if ((view.getUint16(2) & 0xf800) !== 0x8000 || records > MOST_RECORDS) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1').toLowerCase();
  return text.includes(instance.toLowerCase()) || text.includes(host.toLowerCase());
}

/**
 * The name of this gateway that a packet gives to somebody else; undefined: none.
 * @param addresses of all its interfaces: a reflector carries its words from one network into another
 */
export function claimOf(packet: Packet, { instance, host, port }: Announced, addresses: readonly string[]): string | undefined {
  const [service, name] = [`${instance}.${SERVICE}`, `${host}.local`];
  for (const record of [...(packet.answers ?? []), ...(packet.additionals ?? [])]) {
    // A good-bye gives a name to nobody.
    if (!('ttl' in record) || record.ttl === 0) continue;
    if (record.type === 'SRV' && same(record.name, service) && !(record.data.port === port && same(record.data.target, name)))
      return service;
    if ((record.type === 'A' || record.type === 'AAAA') && same(record.name, name) && !addresses.includes(record.data))
      return name;
  }
  return undefined;
}

/** Every record of a gateway. @param addresses of the interface on which they leave @param ttl 0: the gateway says good-bye */
export function recordsOf({ instance, host, port }: Announced, addresses: readonly string[], ttl?: number): Answer[] {
  const service = `${instance}.${SERVICE}`;
  const name = `${host}.local`;
  return [
    { type: 'PTR', name: SERVICE, ttl: ttl ?? OTHER_TTL, data: service },
    { type: 'SRV', name: service, ttl: ttl ?? HOST_TTL, flush: true, data: { port, target: name, priority: 0, weight: 0 } },
    { type: 'TXT', name: service, ttl: ttl ?? OTHER_TTL, flush: true, data: [`id=${instance}`, 'tls=1', 'path=/'] },
    ...addresses.map(
      (data): Answer => ({ type: data.includes(':') ? 'AAAA' : 'A', name, ttl: ttl ?? HOST_TTL, flush: true, data }),
    ),
  ];
}

/**
 * The answer to a question; undefined: it is not about this gateway, or who asks knows it already.
 * @param legacy the question came from a resolver that knows no multicast
 */
export function answerTo(query: Packet, announced: Announced, addresses: readonly string[], legacy: boolean): Packet | undefined {
  const all = recordsOf(announced, addresses);
  const asked = query.questions ?? [];
  const isKnown = (answer: Answer) =>
    (query.answers ?? []).some(
      (known) =>
        known.type === 'PTR' &&
        answer.type === 'PTR' &&
        same(known.name, answer.name) &&
        same(String(known.data), String(answer.data)) &&
        (known.ttl ?? 0) >= OTHER_TTL / 2,
    );
  const meta: Answer = { type: 'PTR', name: SERVICES, ttl: OTHER_TTL, data: SERVICE };
  const answers = [...all, meta].filter((record) => asked.some((question) => fits(question, record)) && !isKnown(record));
  if (answers.length === 0) return undefined;
  const additionals = answers.some(({ name }) => same(name, SERVICE)) ? all.filter((record) => !answers.includes(record)) : [];
  if (!legacy) return { type: 'response', flags: 0x0400, answers, additionals };
  const short = (records: Answer[]) => records.map((record) => ({ ...record, ttl: LEGACY_TTL, flush: false }) as Answer);
  return {
    type: 'response',
    flags: 0x0400,
    ...(query.id === undefined ? {} : { id: query.id }),
    questions: asked,
    answers: short(answers),
    additionals: short(additionals),
  };
}

function fits(question: Question, record: Answer): boolean {
  return same(question.name, record.name) && (question.type === record.type || (question.type as string) === 'ANY');
}
const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
