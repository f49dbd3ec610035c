/** Routes of users, devices, tokens and the claim. Answers to changes have nothing in them but new secrets, once. */
import * as z from 'zod';
import { PEOPLE_ROLES } from '../../access/roles.ts';
import type { Principal } from '../../core/commands.ts';
import type { AdminTarget } from '../target.ts';
import { keys, text } from './fields.ts';
import { jsonRoute, type Route } from './route.ts';

/** Characters of a password that are looked at; src/access/names.ts says how long one may be. */
const LONGEST_PASSWORD = 1024;
/** Topics in one request; more are refused by src/access/names.ts as well. */
const MOST_TOPICS = 100;

const ROLE_WORDS = `one of ${PEOPLE_ROLES.join(', ')}`;
const LASTS_WORDS = 'milliseconds';
const PASSWORD_WORDS = `a text of up to ${LONGEST_PASSWORD} characters`;
const TOPICS_WORDS = `a list of at most ${MOST_TOPICS} topics`;

const name = () => text('the name of a user or a device');
const role = () => z.enum(PEOPLE_ROLES, { error: ROLE_WORDS }).describe(ROLE_WORDS);
export const passwordText = () =>
  z.string({ error: PASSWORD_WORDS }).max(LONGEST_PASSWORD, { error: PASSWORD_WORDS }).describe(PASSWORD_WORDS);
const topics = () =>
  z
    .array(z.string({ error: 'a topic' }), { error: TOPICS_WORDS })
    .max(MOST_TOPICS, { error: TOPICS_WORDS })
    .default([])
    .describe(TOPICS_WORDS);

const person = keys({ name: name(), device: z.literal(false).optional(), role: role(), password: passwordText() });
const device = keys({
  name: name(),
  device: z.literal(true),
  publish: topics(),
  subscribe: topics(),
  certificate: text('the SHA-256 of a certificate').optional(),
});

/** The answer to a change says nothing more. */
const done = async (change: Promise<void>): Promise<Record<string, never>> => {
  await change;
  return {};
};

async function add(asked: z.output<typeof person> | z.output<typeof device>, { accounts }: AdminTarget, by: Principal) {
  if (asked.device !== true) return done(accounts.addUser({ name: asked.name, role: asked.role, password: asked.password }, by));
  const { device: _, ...named } = asked;
  const made = await accounts.addDevice(named, by);
  return made === undefined ? {} : { password: made };
}

export const ACCOUNTS: readonly Route[] = [
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/users', needs: 'accounts', answer: 'Users' },
    says: 'The people and the devices that have an account.',
    run: (_, { target }) => target.accounts.users(),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/users/add', needs: 'accounts', answer: 'NewPassword' },
    says: 'Adds a person, or with `device: true` a device that speaks MQTT. A device without a certificate gets a password, which is shown once.',
    example: { name: 'anna', role: 'operator', password: 'correct horse battery' },
    body: z.discriminatedUnion('device', [person, device], { error: 'true for a device; leave it out for a person' }),
    run: (asked, { target, by }) => add(asked, target, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/users/password', needs: 'accounts', answer: 'NewPassword' },
    says: 'Sets the password of a person. Without `password`, a device gets a new one, which is shown once.',
    example: { name: 'plug-1' },
    body: keys({ name: name(), password: passwordText().optional() }),
    run: async ({ name, password }, { target: { accounts }, by }) =>
      password === undefined
        ? { password: await accounts.renewSecret(name, by) }
        : done(accounts.setPassword(name, password, by)),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/users/role', needs: 'accounts', answer: 'Empty' },
    says: 'Gives a person another role.',
    example: { name: 'anna', role: 'viewer' },
    body: keys({ name: name(), role: role() }),
    run: ({ name, role }, { target, by }) => done(target.accounts.setRole(name, role, by)),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/users/remove', needs: 'accounts', answer: 'Empty' },
    says: 'Removes a person or a device. Its sessions and connections end.',
    example: { name: 'anna' },
    body: keys({ name: name() }),
    run: ({ name }, { target, by }) => done(target.accounts.removeUser(name, by)),
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/tokens', needs: 'accounts', answer: 'Tokens' },
    says: 'The tokens of programs, without their secrets.',
    run: (_, { target }) => ({ tokens: target.accounts.tokens() }),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/tokens/add', needs: 'accounts', answer: 'NewToken' },
    says: 'Makes a token for a program. It is shown once.',
    example: { name: 'grafana', role: 'viewer', lasts: 7_776_000_000 },
    body: keys({
      name: text('the name of the token'),
      role: role(),
      lasts: z.number({ error: LASTS_WORDS }).describe(LASTS_WORDS),
    }),
    run: (token, { target, by }) => target.accounts.addToken(token, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/tokens/remove', needs: 'accounts', answer: 'Empty' },
    says: 'Removes a token. Its connections end.',
    example: { name: 'grafana' },
    body: keys({ name: text('the name or the id of a token') }),
    run: ({ name }, { target, by }) => done(target.accounts.removeToken(name, by)),
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/claim', needs: 'claim-code', answer: 'ClaimState' },
    says: 'Whether the gateway is claimed, and the claim code while it is not.',
    run: (_, { target: { accounts } }) => {
      const { state, fault } = accounts.status();
      return { state, fault, code: accounts.claimCode() ?? null };
    },
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/claim', needs: 'claim', answer: 'Claimed' },
    says: 'Makes the first administrator, with the claim code.',
    example: { code: 'AAAA-AAAA-AAAA', name: 'anna', password: 'correct horse battery' },
    body: keys({ code: text('the claim code'), name: text('the name of the first administrator'), password: passwordText() }),
    run: async (asked, { target, caller }) => {
      const { who, role } = await target.claim({ ...asked, caller });
      return { name: who, role };
    },
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/claim/again', needs: 'claim-code', answer: 'ClaimCode' },
    says: 'Removes every account and makes a new claim code.',
    example: {},
    body: keys({}),
    run: async (_, { target, by }) => ({ code: await target.accounts.claimAgain(by) }),
  }),
];
