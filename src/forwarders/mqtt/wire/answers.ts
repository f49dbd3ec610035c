/** Reads the answers of proxies and web servers to the byte: what follows them belongs to whoever is behind. */
import type { Readable } from 'node:stream';

/** Bytes of the head of an answer in HTTP. */
export const MOST_HEAD = 8192;

/** @throws the error of the stream, or one with the code ECONNRESET when it ends before */
export function exactly(stream: Readable, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const bytes = stream.read(count) as Buffer | null;
      // At its end a stream gives what is left, though it is less.
      if (bytes !== null && bytes.length === count) settle(() => resolve(bytes));
    };
    const failed = (error: Error): void => settle(() => reject(error));
    const closed = (): void => failed(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }));
    const settle = (how: () => void): void => {
      stream.off('readable', look);
      stream.off('end', closed);
      stream.off('close', closed);
      stream.off('error', failed);
      how();
    };
    stream.on('readable', look);
    stream.once('end', closed);
    stream.once('close', closed);
    stream.once('error', failed);
    look();
  });
}

export interface HttpHead {
  readonly status: number;
  /** The first line. */
  readonly line: string;
  /** Names in small letters. A name that comes twice has both values, with a comma. */
  readonly headers: ReadonlyMap<string, string>;
}

/** @returns undefined when it is no head of HTTP/1.1, or longer than MOST_HEAD @throws as `exactly` */
export async function httpHead(stream: Readable): Promise<HttpHead | undefined> {
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    if (head.length >= MOST_HEAD || (head.length >= 5 && !head.startsWith('HTTP/'))) return undefined;
    head += (await exactly(stream, 1)).toString('latin1');
  }
  const [line = '', ...rest] = head.trimEnd().split('\r\n');
  const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(line) ?? [];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const text of rest) {
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(text) ?? [];
    if (name === undefined) return undefined;
    const key = name.toLowerCase();
    headers.set(key, headers.has(key) ? `${headers.get(key)}, ${value}` : value);
  }
  return { status: Number(status), line, headers };
}
