/**
 * The part of npm's registry that `npm audit` asks: advisories in bulk, for names and versions, in the shape that the public registry
 * answers. Its fields are those that npm 11 reads (`@npmcli/metavuln-calculator`). It knows no package.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';

/** By the name of a package. */
export type Advisories = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

export interface AdvisoryRegistry {
  readonly url: string;
  /** The versions that each request named, by package. */
  readonly asked: Record<string, string[]>[];
}

/** @param advisories undefined: it refuses the question, as a mirror without this part does */
export async function advisoryRegistry(t: TestContext, advisories: Advisories | undefined): Promise<AdvisoryRegistry> {
  const asked: Record<string, string[]>[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      if (request.url !== '/-/npm/v1/security/advisories/bulk') response.writeHead(404).end('{}');
      else if (advisories === undefined) response.writeHead(405).end();
      else {
        const body = Buffer.concat(chunks);
        const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
        const names = JSON.parse(text.toString('utf8')) as Record<string, string[]>;
        asked.push(names);
        response.end(JSON.stringify(Object.fromEntries(Object.entries(advisories).filter(([name]) => name in names))));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked };
}
