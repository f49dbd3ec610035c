/** Each bound of the embedded broker has one counter, and each counter is shown: status, metrics, API, documentation. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { LISTENER_METRICS } from '../../src/admin/listener-metrics.ts';
import { brokerLines } from '../../src/cli/status-broker.ts';
import { DROPPED, REACHED, REFUSED } from '../../src/forwarders/broker/broker-counts.ts';
import { BOUNDS, COUNTED_LIMITS, PACES } from '../../src/forwarders/broker/limit-table.ts';
import * as limits from '../../src/forwarders/broker/limits.ts';
import { FakeTarget } from '../fakes/admin-target.ts';
import { BrokerBench } from '../harness/embedded-broker.ts';

const GROUPS = { refused: REFUSED, dropped: DROPPED, reached: REACHED } as const;
type Group = keyof typeof GROUPS;
const ALL = Object.entries(GROUPS).flatMap(([group, words]) => Object.keys(words).map((name) => [group as Group, name] as const));
const page = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'reference', 'topics.md'), 'utf8');

test('every bound of limits.ts has a counter, or is a pace at which nothing is lost', () => {
  const counted = Object.values(COUNTED_LIMITS).flat() as string[];
  const named = new Set<string>([...counted, ...PACES]);
  const missing = Object.keys(limits).filter((name) => !named.has(name));
  assert.deepEqual(missing, [], 'add them to limit-table.ts');
  assert.deepEqual(
    PACES.filter((name) => counted.includes(name)),
    [],
  );
  const twice = counted.filter((name, i) => counted.indexOf(name) !== i);
  // Two things happen at this one: somebody is refused, or loses a session.
  assert.deepEqual(twice, ['MAX_SESSIONS']);
});

test('a broker reports every counter', (t) => {
  const status = new BrokerBench(t).broker.status();
  for (const group of Object.keys(GROUPS) as Group[])
    assert.deepEqual(
      new Set(Object.keys(status[group])),
      new Set(Object.keys(GROUPS[group])),
      `${group} of EmbeddedBroker.status`,
    );
  for (const counter of Object.keys(COUNTED_LIMITS)) {
    const [group, name] = counter.split(' ') as [Group, string];
    assert.ok(Object.hasOwn(GROUPS[group], name), counter);
  }
});

test('the status page for the curious has a line for every counter, and none for a counter of 0', () => {
  const { broker } = new FakeTarget().status();
  assert.ok(broker !== undefined);
  const zeros = (words: object) => Object.fromEntries(Object.keys(words).map((name) => [name, 0]));
  const none = { ...broker, refused: zeros(REFUSED), dropped: zeros(DROPPED), reached: zeros(REACHED) } as typeof broker;
  const text = brokerLines(none).join('\n');
  for (const [group, name] of ALL) {
    const lines = brokerLines({ ...none, [group]: { ...none[group], [name]: 7341 } }).filter((line) => line.includes('7341'));
    assert.equal(lines.length, 1, `${group} ${name}`);
    assert.ok(lines[0]?.includes(`7341 ${name}: `), lines[0]);
    assert.ok(!text.includes('7341'));
  }
});

test('the metrics have a sample for every counter', () => {
  const report = new FakeTarget().status();
  const names = {
    refused: 'sluice_broker_refused',
    dropped: 'sluice_broker_dropped_messages',
    reached: 'sluice_broker_limit_reached',
  };
  for (const [group, metric] of Object.entries(names)) {
    const found = LISTENER_METRICS.find(({ name }) => name === metric);
    assert.ok(found !== undefined, metric);
    const labels = Array.from(found.read(report as never), ([label]) => Object.values(label)[0]);
    assert.deepEqual(labels.sort(), Object.keys(GROUPS[group as Group]).sort(), metric);
  }
});

test('the page of the limits names every counter, and no other one', () => {
  const [, section = ''] = page.split('## Limits of the embedded broker');
  for (const [group, name] of ALL) {
    const isLimit = Object.hasOwn(COUNTED_LIMITS, `${group} ${name}`);
    assert.ok(section.includes(isLimit ? `${group} \`${name}\`` : `\`${name}\``), `${group} ${name}`);
  }
  for (const [, group, name] of section.matchAll(/\b(refused|dropped|reached) `([\w-]+)`/g))
    assert.ok(Object.hasOwn(GROUPS[group as Group], name as string), `${group} ${name}`);
});

test('each who and what has a limit with a counter, or a reason, and the page has both', () => {
  const counted = new Set<string>(Object.values(COUNTED_LIMITS).flat());
  const used = new Set<string>();
  for (const [what, whom] of Object.entries(BOUNDS)) {
    for (const [who, one] of Object.entries(whom)) {
      if ('reason' in one) continue;
      assert.ok(
        one.limits.some((name) => counted.has(name)),
        `${what} of ${who}`,
      );
      for (const name of one.limits) {
        assert.ok(counted.has(name) || PACES.includes(name), name);
        used.add(name);
      }
    }
    const cells = (['client', 'account', 'address', 'all'] as const).map((who) => {
      const one = whom[who];
      return 'reason' in one ? one.reason : one.words;
    });
    const row = `| ${[what, ...cells].join(' | ')} |`;
    assert.ok(page.includes(`${row}\n`), `docs/reference/topics.md needs this row:\n${row}`);
  }
  // A limit of an account or of all that the table does not have would be one that nobody finds.
  const shared = Object.keys(limits).filter((name) => /^(MAX_(PER|ACCOUNT|ALL)_|(ACCOUNT|ADDRESS|ALL)_)/.test(name));
  assert.deepEqual(
    shared.filter((name) => !used.has(name)),
    [],
  );
});

test('the page has the numbers of bounds that follow from others', () => {
  const {
    MAX_CONNECTIONS: clients,
    MAX_PER_ACCOUNT: ofAccount,
    MAX_SUBSCRIPTIONS: filters,
    MAX_SESSIONS: sessions,
    MAX_ACCOUNT_SESSIONS: ofSessions,
  } = limits;
  const n = (value: number): string => value.toLocaleString('en');
  const rows: Readonly<Record<string, readonly string[]>> = {
    'subscriptions of its clients': [`${n(ofAccount * filters)}: ${filters} of`, `${n(clients * filters)}: ${filters} of`],
    'subscriptions of its sessions whose clients are away': [`${n(ofSessions * filters)}: `, `${n(sessions * filters)}: `],
    'requests of its clients (packets, topic filters in them, and wills)': [
      `${n(limits.ACCOUNT_REQUESTS_AT_ONCE)} at once, ${n(limits.ACCOUNT_REQUESTS_PER_SECOND)} a second`,
      `${n(limits.ALL_REQUESTS_AT_ONCE)} at once, ${n(limits.ALL_REQUESTS_PER_SECOND)} a second`,
    ],
  };
  for (const [what, [account = '', all = '']] of Object.entries(rows)) {
    const row = page.split('\n').find((line) => line.startsWith(`| ${what} |`));
    const [, , one = '', total = ''] = row?.split('|') ?? [];
    assert.ok(one.includes(account) && total.includes(all), `${what}: ${row}`);
  }
});
