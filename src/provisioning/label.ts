/** The label of a gateway: who it is, for eyes and for a camera. It carries no secret, but for a claim code that was asked for. */
import { modulesOf, pathOf, pngOf, terminalText } from './qr.ts';

export interface LabelFacts {
  readonly id: string;
  readonly name?: string | undefined;
  /** Fingerprint of the key of the gateway, 32 hexadecimal digits, with or without spaces; undefined: there is no key yet. */
  readonly key?: string | undefined;
  /** SHA-256 of the authority that signs the certificates of the gateway, `AB:CD:…`; undefined: it is not made yet. */
  readonly tls?: string | undefined;
  readonly claimCode?: string | undefined;
}

/** `sluice:ghat-1?key=9fa4…&tls=b45d…&claim=7K3M-Q2XV-9TRD` */
export function labelText({ id, key, tls, claimCode }: LabelFacts): string {
  const facts = [
    ...(key === undefined ? [] : [`key=${key.replaceAll(' ', '')}`]),
    ...(tls === undefined ? [] : [`tls=${tls.replaceAll(':', '').toLowerCase()}`]),
    ...(claimCode === undefined ? [] : [`claim=${claimCode}`]),
  ];
  return `sluice:${id}${facts.length === 0 ? '' : `?${facts.join('&')}`}`;
}

/** Millimetres. */
const WIDTH = 62;
const HEIGHT = 29;

export function labelSvg(facts: LabelFacts): string {
  const modules = modulesOf(labelText(facts));
  const scale = (HEIGHT - 2) / modules.length;
  const lines = [
    { text: facts.name ?? 'Sluice gateway', size: 3.2 },
    { text: facts.id, size: 3.8 },
    ...keyLines(facts.key).map((text) => ({ text, size: 2 })),
    ...(facts.claimCode === undefined ? [] : [{ text: `Claim ${facts.claimCode}`, size: 2.5 }]),
    ...tlsLines(facts.tls).map((text) => ({ text, size: 1.8 })),
  ];
  let y = 3;
  const texts = lines.map(({ text, size }) => {
    y += size * 1.25;
    const most = Math.floor((WIDTH - HEIGHT - 1) / (size * 0.6));
    return `<text x="${HEIGHT}" y="${y.toFixed(2)}" font-size="${size}">${escaped(shortened(text, most))}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}mm" height="${HEIGHT}mm" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="monospace"><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/><path transform="translate(1 1) scale(${scale.toFixed(4)})" d="${pathOf(modules)}" shape-rendering="crispEdges"/>${texts.join('')}</svg>\n`;
}

/** The code alone: letters need a font. */
export function labelPng(facts: LabelFacts): Buffer {
  return pngOf(modulesOf(labelText(facts)));
}

export function labelForTerminal(facts: LabelFacts): string {
  const { name, id, key, tls, claimCode } = facts;
  const lines = [
    ...(name === undefined ? [] : [name]),
    `id   ${id}`,
    ...(key === undefined ? [] : [`key  ${key}`]),
    `TLS  ${tls === undefined ? 'no fingerprint yet: the gateway makes its authority when it first starts with "tls: true"' : `SHA-256 ${tls}`}`,
    ...(claimCode === undefined ? [] : [`claim code  ${claimCode}`]),
  ];
  return `${terminalText(labelText(facts))}\n${lines.join('\n')}\n`;
}

function keyLines(key: string | undefined): string[] {
  if (key === undefined) return [];
  const groups = key.replaceAll(' ', '').match(/.{4}/g) ?? [];
  return [`key ${groups.slice(0, 4).join(' ')}`, `    ${groups.slice(4).join(' ')}`];
}

/** Four lines, in the form in which browsers and `sluice status -v` show it. */
function tlsLines(tls: string | undefined): string[] {
  if (tls === undefined)
    return [
      'TLS fingerprint: none yet.',
      'The gateway makes it at its',
      'first start. It is then shown',
      'by: sudo sluice label',
    ];
  const lines = tls.match(/[^:].{22}/g) ?? [];
  return lines.map((line, i) => `${i === 0 ? 'TLS' : '   '} ${line}`);
}

const shortened = (text: string, most: number): string =>
  [...text].length <= most ? text : `${[...text].slice(0, most - 1).join('')}…`;

export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(' ', '\u00a0');
}
