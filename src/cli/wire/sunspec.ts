/** SunSpec devices as commands meet them: the chain of models is asked for on the wire, and who the device says it is. */
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { payloadOf } from '../../codecs/modbus-pdu.ts';
import { HEAD, readChain, type SunspecChain } from '../../codecs/sunspec.ts';
import { SluiceError } from '../../core/errors.ts';
import { isRefusal } from '../../drivers/modbus/model-search.ts';
import type { Look } from './wire.ts';

export type AskUnit = (request: Look['request']) => Promise<ExchangeReply>;

export interface SunspecFound {
  /** Holding register in which "SunS" stands. */
  readonly base: number;
  /** In the order of the device. */
  readonly models: readonly { readonly model: number; readonly register: number; readonly registers: number }[];
  /** What is wrong with the chain of models, in words. */
  readonly fault: string | null;
  /** Texts of the common model; null where it has none. */
  readonly manufacturer: string | null;
  readonly product: string | null;
  readonly version: string | null;
  readonly serial: string | null;
}

/** @throws SluiceError what became of a request that was not answered, with `data.exception` */
export function chainOf(ask: AskUnit): Promise<SunspecChain | undefined> {
  return readChain(async (wish) => {
    const { pdu, error } = await ask({ kind: 'read', table: 'holding', ...wish });
    if (pdu !== null) return wordsOf(pdu);
    const failed = new SluiceError('exception', error?.message, { data: { exception: error?.exception } });
    if (error?.code === 'exception' && isRefusal(failed)) return undefined;
    throw new SluiceError(error?.code === 'timeout' ? 'timeout' : 'bad-reply', error?.message, { data: { ...failed.data } });
  });
}

/** The common model (number 1): texts of so many registers, counted from its number (SunSpec model_1.json). */
const COMMON = 1;
const TEXTS = { manufacturer: [2, 16], product: [18, 16], version: [42, 8], serial: [50, 16] } as const;
const COMMON_END = 66;

/** Who it says it is. */
export async function lookAtSunspec(chain: SunspecChain, ask: AskUnit): Promise<SunspecFound> {
  const models = chain.models.map(({ id, start, length }) => ({ model: id, register: start, registers: length }));
  const common = chain.models.find(({ id, length }) => id === COMMON && HEAD + length >= COMMON_END);
  const reply = common && (await ask({ kind: 'read', table: 'holding', start: common.start + HEAD, count: COMMON_END - HEAD }));
  const bytes = reply?.pdu ? payloadOf(Buffer.from(reply.pdu, 'hex')) : undefined;
  const text = ([at, registers]: readonly [number, number]) => {
    const own = bytes?.subarray(2 * (at - HEAD), 2 * (at - HEAD + registers));
    // A text ends with 0; what it does not fill may be anything.
    const shown = Buffer.from(own ?? [])
      .toString('latin1')
      .replace(/\0.*/s, '')
      .replace(/[^\x20-\x7e\xa0-\xff]/g, ' ')
      .trim();
    return shown === '' ? null : shown;
  };
  return {
    ...{ base: chain.base, models, fault: chain.fault ?? null },
    ...{ manufacturer: text(TEXTS.manufacturer), product: text(TEXTS.product) },
    ...{ version: text(TEXTS.version), serial: text(TEXTS.serial) },
  };
}

/** `SunSpec device: Acme, PV-10, version 1.2, serial number 7; models 1, 103 from register 40000 on` */
export function sunspecWords({ base, models, fault, manufacturer, product, version, serial }: SunspecFound): string {
  const who = [
    manufacturer,
    product,
    version === null ? null : `version ${version}`,
    serial === null ? null : `serial number ${serial}`,
  ].filter((part) => part !== null);
  const list = models.map(({ model }) => model).join(', ');
  const has = models.length === 0 ? 'no model' : `${models.length === 1 ? 'model' : 'models'} ${list}`;
  return `SunSpec device${who.length === 0 ? '' : `: ${who.join(', ')}`}; ${has} from register ${base} on${fault === null ? '' : `; its chain of models breaks off: ${fault}`}`;
}

function wordsOf(pdu: string): number[] {
  const payload = payloadOf(Buffer.from(pdu, 'hex'));
  return Array.from({ length: payload.length >> 1 }, (_, i) => ((payload[2 * i] ?? 0) << 8) | (payload[2 * i + 1] ?? 0));
}
