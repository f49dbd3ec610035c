/** Calls of the gateway from its own page: cookies come with them, and what changes something carries the token of the session. */

export interface Session {
  readonly name: string;
  readonly role: string;
  readonly csrf: string;
}

/** `status` 0: the gateway did not answer. */
export class CallError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Milliseconds that an answer may take. */
const ANSWER_WITHIN = 60_000;

/** @param within milliseconds that the answer may take */
export async function call<T>(path: string, body?: object, csrf?: string, within = ANSWER_WITHIN): Promise<T> {
  const gone = new AbortController();
  const timer = setTimeout(() => gone.abort(), within);
  try {
    const answer = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      credentials: 'same-origin',
      cache: 'no-store',
      signal: gone.signal,
      headers: {
        Accept: 'application/json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(csrf === undefined ? {} : { 'X-Sluice-CSRF': csrf }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw refusal(answer.status, text);
    return (text === '' ? {} : JSON.parse(text)) as T;
  } catch (thrown) {
    if (thrown instanceof CallError) throw thrown;
    throw new CallError(0, 'offline', String(thrown));
  } finally {
    clearTimeout(timer);
  }
}

export function refusal(status: number, text: string): CallError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    return new CallError(status, error.code, error.message);
  } catch {
    return new CallError(status, `http-${status}`, String(status));
  }
}
