/** Routes of a person in front of a browser: the log-in, who is logged in, the own password, the end. The socket has no sessions. */
import { SluiceError } from '../../core/errors.ts';
import { passwordText } from './accounts.ts';
import { keys, text } from './fields.ts';
import { type Call, jsonRoute, type Route } from './route.ts';

const name = () => text('the name of a user');

export const SESSION: readonly Route[] = [
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/session', needs: 'log-in', answer: 'Session' },
    says: 'Logs a person in, and sets the cookie of the session. The socket has no sessions.',
    example: { name: 'anna', password: 'correct horse battery' },
    body: keys({ name: name(), password: passwordText() }),
    run: async ({ name, password }, call) => {
      const { by, csrf } = await sessionOf(call).logIn(name, password);
      return { name: by.who, role: by.role, csrf };
    },
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/session', needs: 'session', answer: 'Session' },
    says: 'The name and the role of the caller.',
    run: (_, call) => ({ name: call.by.who, role: call.by.role, csrf: sessionOf(call).csrf }),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/session/end', needs: 'session', answer: 'Empty', body: keys({}) },
    says: 'Ends the session.',
    example: {},
    run: (_, call) => {
      sessionOf(call).logOut();
      return {};
    },
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/session/password', needs: 'session', answer: 'Empty' },
    says: 'Sets the own password, and ends all sessions of this person.',
    example: { password: 'correct horse battery', next: 'staple correct horse' },
    body: keys({ password: passwordText(), next: passwordText() }),
    run: async ({ password, next }, call) => {
      const session = sessionOf(call);
      if (session.csrf === undefined) throw noSession();
      await session.changePassword(call.by.who, password, next);
      return {};
    },
  }),
];

function sessionOf({ session }: Call) {
  if (session === undefined) throw noSession();
  return session;
}

function noSession(): SluiceError {
  return new SluiceError('request-invalid', 'sessions are for people in front of a browser; the socket and a token need none');
}
