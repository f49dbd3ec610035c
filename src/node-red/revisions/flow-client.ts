/**
 * Asks the process of Node-RED for its flows, and gives it others. That process may run any code, so its answers are bounded in size
 * and in time, and what is used of them is checked.
 */
import type { IncomingMessage } from 'node:http';
import { SluiceError, toError } from '../../core/errors.ts';
import { MOST_FLOWS } from '../../core/flow-revisions.ts';
import { FLOW_KEY_HEADER, FLOW_PATH, LONGEST_HEAD, MOST_CREDENTIALS, MOST_FLOWS_BODY } from '../flow-lines.ts';
import type { FlowAddress } from '../flow-start.ts';
import { type FlowsContent, type FlowsSummary, record, summaryOf } from './revision-file.ts';

/** Milliseconds: a busy process on a small board packs its flows; a deploy stops nodes for up to 10 s and starts others. */
const FLOWS_WITHIN = 20_000;
const DEPLOY_WITHIN = 60_000;
/** Bytes of the answer to a deploy. */
const LONGEST_ANSWER = 64 * 1024;

export interface PresentFlows {
  /** What Node-RED calls this state of its flows. */
  readonly rev: string;
  readonly summary: FlowsSummary;
  readonly content: FlowsContent;
}

export interface DeployOrder {
  readonly mode: 'restore' | 'replace' | 'add';
  /** Only while the flows are of this state. */
  readonly rev: string;
  /** The ids of nodes that are added follow from it. */
  readonly seed: string;
}

export interface DeployAnswer {
  readonly flows: 'started' | 'stopped';
  readonly passwords: 'restored' | 'kept' | 'lost';
  readonly added: readonly string[];
}

/** Rejects with not-running where Node-RED does not answer, with request-invalid where its flows are too large. */
export async function presentFlows(at: FlowAddress): Promise<PresentFlows> {
  const { status, bytes } = await ask(at, 'GET', undefined, MOST_FLOWS_BODY, FLOWS_WITHIN);
  if (status !== 200) throw refusal(status, bytes);
  const first = bytes.subarray(0, LONGEST_HEAD).indexOf(10);
  const second = bytes.subarray(0, first + 2 + MOST_CREDENTIALS).indexOf(10, first + 1);
  const head = first < 0 ? undefined : record(bytes.toString('utf8', 0, first));
  const summary = head === undefined ? undefined : summaryOf(head);
  const noFlows = new SluiceError('not-running', 'Node-RED answered with something that is not its flows');
  if (second < 0 || summary === undefined || typeof head?.rev !== 'string') throw noFlows;
  const content = { credentials: bytes.toString('utf8', first + 1, second), flows: bytes.toString('utf8', second + 1) };
  if (bytes.length - second - 1 > MOST_FLOWS) throw tooLarge();
  // No revision is made of what nobody could restore. What is inside is checked when it is used.
  if (!content.flows.startsWith('[') || !content.flows.endsWith(']')) throw noFlows;
  return { rev: head.rev.slice(0, 200), summary, content };
}

/**
 * Rejects with `conflict`, with `request-invalid` where types of nodes are missing, with `not-running` where nothing was sent, and
 * with `outcome-unknown` where it is open whether Node-RED has the flows.
 */
export async function deploy(at: FlowAddress, order: DeployOrder, { credentials, flows }: FlowsContent): Promise<DeployAnswer> {
  const body = `${JSON.stringify(order)}\n${credentials}\n${flows}`;
  const { status, bytes } = await ask(at, 'POST', body, LONGEST_ANSWER, DEPLOY_WITHIN);
  if (status !== 200) throw refusal(status, bytes, 'outcome-unknown');
  const m = record(bytes.toString('utf8')) ?? {};
  const passwords = (['restored', 'kept', 'lost'] as const).find((one) => one === m.passwords) ?? 'kept';
  const added = Array.isArray(m.added) ? (m.added as unknown[]).slice(0, 100).map((label) => String(label).slice(0, 100)) : [];
  return { flows: m.flows === 'started' ? 'started' : 'stopped', passwords, added };
}

function ask(
  at: FlowAddress,
  method: string,
  body: string | undefined,
  most: number,
  within: number,
): Promise<{ status: number; bytes: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; bytes: Buffer }>();
  const failed = (thrown: unknown): void => {
    if (thrown instanceof SluiceError) reject(thrown);
    else if (body === undefined || isUnsent(thrown))
      reject(new SluiceError('not-running', `Node-RED did not answer about its flows: ${toError(thrown).message}; try again`));
    else reject(new SluiceError('outcome-unknown', `Node-RED gave no answer when it got the flows: ${toError(thrown).message}`));
  };
  const { request } = process.getBuiltinModule('node:http');
  const req = request({
    ...{ socketPath: at.socket, method, path: FLOW_PATH, agent: false },
    headers: { [FLOW_KEY_HEADER]: at.key, ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }) },
  });
  // From the first byte to the last: a process that drips does not hold this up.
  const timer = setTimeout(() => req.destroy(new Error(`no whole answer within ${within / 1000} s`)), within);
  timer.unref();
  promise.finally(() => clearTimeout(timer)).catch(() => {});
  req.once('error', failed);
  req.once('response', (res: IncomingMessage) => {
    const chunks: Buffer[] = [];
    let size = 0;
    res.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > most) {
        failed(tooLarge());
        req.destroy();
      } else chunks.push(chunk);
    });
    res.once('end', () => resolve({ status: res.statusCode ?? 0, bytes: Buffer.concat(chunks) }));
    res.once('error', failed);
    res.once('close', () => failed(new Error('the connection ended')));
  });
  req.end(body);
  return promise;
}

/** Nobody was there to take it. */
function isUnsent(thrown: unknown): boolean {
  const { code } = thrown as { code?: unknown };
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

function tooLarge(): SluiceError {
  return new SluiceError(
    'request-invalid',
    `the flows of Node-RED take more than ${MOST_FLOWS} bytes; no revision is kept of them`,
  );
}

/** @param otherwise the code where Node-RED itself failed */
function refusal(status: number, bytes: Buffer, otherwise: 'not-running' | 'outcome-unknown' = 'not-running'): SluiceError {
  const m = record(bytes.toString('utf8', 0, LONGEST_ANSWER)) ?? {};
  const message = typeof m.message === 'string' ? m.message.slice(0, 2000) : `status ${status}`;
  if (m.code === 'conflict') return new SluiceError('conflict', `${message}; look at sluice flows list and ask again`);
  if (m.code === 'missing') {
    const exec = message.split(', ').includes('exec');
    const other = exec ? 'allow the exec node with nodeRed.allow.exec' : 'install the palette that brings them';
    return new SluiceError(
      'request-invalid',
      `nothing was changed: Node-RED here has no nodes of these types: ${message}; ${other}, or take flows without them`,
    );
  }
  if (m.code === 'nested') return new SluiceError('request-invalid', `nothing was changed: ${message}`);
  return new SluiceError(otherwise, `Node-RED refused: ${message}`, { data: { answered: true } });
}
