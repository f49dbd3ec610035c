/** Calls of the API, one after the other, as any program makes them. Another user of the machine runs this file too. */
import { request as httpRequest, type RequestOptions } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly body?: string | undefined;
  /** The answer has no end: `head` waits for its head, `line` for its first line. */
  readonly until?: 'head' | 'line' | undefined;
}
export interface ApiAnswer {
  readonly status: number;
  readonly type: string;
  readonly cookies: readonly string[];
  readonly text: string;
}

const TRIES = 60;

/** @param where `socketPath`, or `port` and `ca` of HTTPS. A call that is refused for the rate of calls is made again. */
export async function callAll(where: RequestOptions & { ca?: string }, calls: readonly ApiCall[]): Promise<ApiAnswer[]> {
  const agent = where.ca === undefined ? undefined : new Agent({ keepAlive: true, maxSockets: 1, ca: where.ca });
  const answers: ApiAnswer[] = [];
  for (const call of calls)
    for (let i = 0; ; i++) {
      const answer = await callOne({ ...where, agent: agent ?? false }, call, agent !== undefined);
      if (answer.status === 429 && answer.text.includes('too-many-requests') && i < TRIES) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        continue;
      }
      answers.push(answer);
      break;
    }
  agent?.destroy();
  return answers;
}

function callOne(where: RequestOptions, { method, path, headers, body, until }: ApiCall, tls: boolean): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const req = (tls ? httpsRequest : httpRequest)({ ...where, method, path, headers: { ...length, ...headers } }, (res) => {
      let text = '';
      const done = (): void => {
        const type = res.headers['content-type'] ?? '';
        resolve({ status: res.statusCode ?? 0, type, cookies: res.headers['set-cookie'] ?? [], text });
      };
      const good = (res.statusCode ?? 0) < 400;
      if (good && until === 'head') {
        done();
        res.destroy();
        return;
      }
      res.setEncoding('utf8');
      res.on('data', (more: string) => {
        text += more;
        if (!good || until !== 'line' || !text.includes('\n')) return;
        done();
        res.destroy();
      });
      res.on('end', done);
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end(body);
  });
}
