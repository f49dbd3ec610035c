/** Who looks at the page, as the gateway says. */
import { CallError, call, type Session } from './calls.ts';

export type Standing =
  | { readonly at: 'loading' }
  /** Nobody owns the gateway yet. */
  | { readonly at: 'claim' }
  /** `ended`: there was a session. */
  | { readonly at: 'log-in'; readonly ended: boolean }
  | { readonly at: 'offline' }
  /** Without a session on a door that lets everybody look. */
  | { readonly at: 'in'; readonly session: Session | undefined };

export async function standing(before: Standing): Promise<Standing> {
  try {
    const session = await call<Partial<Session>>('/api/v1/session');
    if (typeof session.csrf !== 'string') return { at: 'in', session: undefined };
    return { at: 'in', session: session as Session };
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    if (thrown.status === 401) return { at: 'log-in', ended: before.at === 'in' };
    if (thrown.code === 'unclaimed') return { at: 'claim' };
    // It is out of reach, busy, or starts: that says nothing of who looks. Who is inside keeps the old values.
    if (before.at === 'in') return before;
    return before.at === 'loading' || thrown.status === 0 ? { at: 'offline' } : before;
  }
}
