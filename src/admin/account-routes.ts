/** Users, devices, tokens and the claim over the local API. Answers to changes have nothing in them but new secrets, once. */
import type { Role } from '../core/commands.ts';
import { word } from './read-request.ts';
import { HttpError, sendJson } from './respond.ts';
import type { Call, Entry, Route } from './routes.ts';
import type { AdminTarget } from './target.ts';

/** Characters of a password that are looked at; src/access/names.ts says how long one may be. */
const LONGEST_PASSWORD = 1024;
/** Topics in one request; more are refused by src/access/names.ts as well. */
const MOST_TOPICS = 100;

type Body = Call['body'];

export function accountRoutes(target: AdminTarget): Readonly<Record<string, Route>> {
  const manage = (run: (call: Call) => Promise<unknown>): Entry => ({
    needs: 'accounts',
    run: async (call) => sendJson(call.res, 200, (await run(call)) ?? {}),
  });
  return {
    '/api/v1/users': { GET: manage(async () => target.accounts.users()) },
    '/api/v1/users/add': { POST: manage(({ body, by }) => add(target, body, by)) },
    '/api/v1/users/password': {
      POST: manage(async ({ body, by }) => {
        const name = word(body, 'name');
        if (body.password === undefined) return { password: await target.accounts.renewSecret(name, by) };
        return target.accounts.setPassword(name, passwordOf(body), by);
      }),
    },
    '/api/v1/users/role': {
      POST: manage(({ body, by }) => target.accounts.setRole(word(body, 'name'), roleOf(body), by)),
    },
    '/api/v1/users/remove': { POST: manage(({ body, by }) => target.accounts.removeUser(word(body, 'name'), by)) },
    '/api/v1/tokens': { GET: manage(async () => ({ tokens: target.accounts.tokens() })) },
    '/api/v1/tokens/add': {
      POST: manage(({ body, by }) =>
        target.accounts.addToken({ name: word(body, 'name'), role: roleOf(body), lasts: lengthOf(body) }, by),
      ),
    },
    '/api/v1/tokens/remove': { POST: manage(({ body, by }) => target.accounts.removeToken(word(body, 'name'), by)) },
    '/api/v1/claim': {
      GET: {
        needs: 'claim-code',
        run: ({ res }) => {
          const { state, fault } = target.accounts.status();
          sendJson(res, 200, { state, fault, code: target.accounts.claimCode() ?? null });
        },
      },
      POST: {
        needs: 'claim',
        run: async ({ res, body }) => {
          const caller = { address: undefined, door: 'socket' } as const;
          const request = { code: word(body, 'code'), name: word(body, 'name'), password: passwordOf(body), caller };
          const { who, role } = await target.claim(request);
          sendJson(res, 200, { name: who, role });
        },
      },
    },
    '/api/v1/claim/again': {
      POST: {
        needs: 'claim-code',
        run: async ({ res, by }) => sendJson(res, 200, { code: await target.accounts.claimAgain(by) }),
      },
    },
  };
}

async function add({ accounts }: AdminTarget, body: Body, by: Call['by']): Promise<object> {
  const name = word(body, 'name');
  if (body.device !== true) {
    await accounts.addUser({ name, role: roleOf(body), password: passwordOf(body) }, by);
    return {};
  }
  const certificate = body.certificate === undefined ? undefined : word(body, 'certificate');
  const topics = { publish: topicsOf(body, 'publish'), subscribe: topicsOf(body, 'subscribe') };
  const password = await accounts.addDevice({ name, ...topics, certificate }, by);
  return password === undefined ? {} : { password };
}

function passwordOf({ password }: Body): string {
  if (typeof password === 'string' && password.length <= LONGEST_PASSWORD) return password;
  throw new HttpError(400, 'request-invalid', `the body needs "password", a text of up to ${LONGEST_PASSWORD} characters`);
}

/** Which roles there are is checked by src/access. */
const roleOf = (body: Body): Role => word(body, 'role') as Role;

function lengthOf({ lasts }: Body): number {
  if (typeof lasts === 'number') return lasts;
  throw new HttpError(400, 'request-invalid', 'the body needs "lasts": milliseconds');
}

function topicsOf(body: Body, key: 'publish' | 'subscribe'): string[] {
  const topics = body[key] ?? [];
  if (Array.isArray(topics) && topics.length <= MOST_TOPICS && topics.every((topic) => typeof topic === 'string')) return topics;
  throw new HttpError(400, 'request-invalid', `"${key}" is a list of at most ${MOST_TOPICS} topics`);
}
