/**
 * A hook as a service of systemd, under a user of its own (systemd/sluice-hook*). Each connection to the socket starts one instance of
 * the service, which runs one program (hook-runner.ts) and answers with one line. Where the instance ends, systemd ends everything
 * in it.
 */
import net from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { HookRequest } from './hook-process.ts';

export const HOOK_SOCKET = '/run/sluice-hook/run.sock';
export const ENABLE_HOOKS = 'systemctl enable --now sluice-hook.socket';
/** The service starts a Node of its own; a small board needs some seconds for it, ms. */
const START = 20_000;
/** Bytes of an answer. */
const LONGEST_ANSWER = 16 * 1024;

/** Resolves with the first of its output. Rejects with a SluiceError in words. */
export function runInUnit(request: HookRequest, clock: Clock, socketPath = HOOK_SOCKET): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = net.connect(socketPath);
  let answer = '';
  const cancel = clock.after(request.timeout + START, () => {
    socket.destroy(
      new SluiceError('hook-failed', 'the service sluice-hook did not answer in time (journalctl -u "sluice-hook@*")'),
    );
  });
  socket.setEncoding('utf8');
  socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
  socket.on('data', (chunk: string) => {
    answer += chunk;
    if (answer.length > LONGEST_ANSWER)
      socket.destroy(new SluiceError('hook-failed', 'the answer of the service sluice-hook is too long'));
  });
  socket.on('end', () => socket.end());
  socket.on('error', (thrown: Error & { code?: string }) => {
    if (thrown instanceof SluiceError) reject(thrown);
    else if (thrown.code === 'ENOENT' || thrown.code === 'ECONNREFUSED' || thrown.code === 'EACCES')
      reject(new SluiceError('unsupported', hookUnitFault(socketPath, thrown.code)));
    else reject(new SluiceError('hook-failed', `the service sluice-hook: ${toError(thrown).message}`));
  });
  socket.on('close', () => {
    cancel();
    settle(answer, resolve, reject);
  });
  return promise;
}

function settle(answer: string, resolve: (output: string) => void, reject: (error: SluiceError) => void): void {
  try {
    const said = JSON.parse(answer) as { ok?: unknown; output?: unknown; retry?: unknown; message?: unknown };
    if (said.ok === true) resolve(String(said.output ?? '').slice(0, LONGEST_ANSWER));
    else
      reject(new SluiceError(said.retry === 'never' ? 'unsupported' : 'hook-failed', String(said.message ?? '').slice(0, 600)));
  } catch {
    reject(new SluiceError('hook-failed', 'the service sluice-hook ended without an answer (journalctl -u "sluice-hook@*")'));
  }
}

/** Why there is no such service, in words. */
export function hookUnitFault(socketPath: string, code: string): string {
  if (code === 'EACCES') return `${socketPath} may not be opened: it belongs to the user of the gateway service`;
  return `the service sluice-hook is not there (${socketPath}): run ${ENABLE_HOOKS}, or write unsafeSameUser: true for a trial`;
}
