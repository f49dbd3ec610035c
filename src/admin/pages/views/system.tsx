/** The gateway itself: clock, log, disk, memory, and who is logged in. */
import type { JSX } from 'preact';
import { mayDo, useShell } from '../parts/shell.ts';
import { Age, Badge, Name, Row, Told } from '../parts/small.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { dateTime } from '../words/times.ts';
import { bytesText } from '../words/values.ts';
import { Configuration } from './configuration.tsx';

interface Users {
  readonly users: readonly { readonly name: string; readonly role: string; readonly sessions: number }[];
}

const ASK_EVERY = 30_000;

export function System(): JSX.Element | null {
  const { words, model, now, session } = useShell();
  const { state } = model;
  if (state === undefined) return null;
  const { gateway, clock, log, machine } = state;
  return (
    <>
      <h1 tabIndex={-1}>{words.t('system.title')}</h1>
      <div class="cards">
        <section class="card">
          <h2>{words.t('system.gateway')}</h2>
          <dl>
            <Row name={words.t('system.id')}>
              <Name>{gateway.id}</Name>
            </Row>
            {gateway.name !== undefined && (
              <Row name={words.t('system.name')}>
                <Name>{gateway.name}</Name>
              </Row>
            )}
            <Row name={words.t('system.version')}>{gateway.version}</Row>
            <Row name={words.t('system.started')}>{dateTime(words, gateway.started)}</Row>
          </dl>
        </section>
        <Configuration />
        <section class="card">
          <h2>{words.t('system.clock')}</h2>
          <Badge mood={clock.known ? 'good' : 'warn'}>{words.t(clock.known ? 'system.clockKnown' : 'system.clockUnknown')}</Badge>
          <dl>
            <Row name={words.t('system.time')}>{dateTime(words, now)}</Row>
            <Row name={words.t('system.clockSource')}>
              <Told>{clock.source}</Told>
            </Row>
          </dl>
        </section>
        <section class="card">
          <h2>{words.t('system.machine')}</h2>
          <dl>
            <Row name={words.t('system.disk')}>
              {machine.disk === null ? words.t('system.unknown') : of(machine.disk.free, machine.disk.total)}
            </Row>
            <Row name={words.t('system.memory')}>{of(machine.memory.available, machine.memory.total)}</Row>
            <Row name={words.t('system.resident')}>{bytesText(words, machine.resident)}</Row>
          </dl>
        </section>
        <section class="card">
          <h2>{words.t('system.log')}</h2>
          {log.faults.map((fault) => (
            <p key={fault} class="fault">
              <Told>{fault}</Told>
            </p>
          ))}
          <dl>
            <Row name={words.t('system.records')}>{words.number(log.records)}</Row>
            <Row name={words.t('system.logSize')}>{of(log.bytes, log.maxBytes)}</Row>
            <Row name={words.t('system.lastCommit')}>
              {log.lastCommit === null ? words.t('system.unknown') : <Age time={log.lastCommit} />}
            </Row>
            <Row name={words.t('system.dropped')}>{words.number(log.dropped)}</Row>
            <Row name={words.t('system.thinned')}>{words.number(log.thinned)}</Row>
            <Row name={words.t('system.removed')}>{words.number(log.removed)}</Row>
          </dl>
        </section>
        {mayDo(session, 'flows') && (
          <section class="card">
            <h2>{words.t('flows.title')}</h2>
            <p>
              <a href="#/flows">{words.t('flows.link')}</a>
            </p>
          </section>
        )}
        {mayDo(session, 'accounts') && <People />}
      </div>
    </>
  );

  function of(used: number, most: number): string {
    return words.t('system.ofMost', { used: bytesText(words, used), most: bytesText(words, most) });
  }
}

function People(): JSX.Element {
  const { words } = useShell();
  const { answer } = useAsked<Users>('/api/v1/users', ASK_EVERY);
  const there = answer?.users.filter(({ sessions }) => sessions > 0) ?? [];
  return (
    <section class="card">
      <h2>{words.t('system.people')}</h2>
      {answer !== undefined && there.length === 0 && <p>{words.t('system.peopleNone')}</p>}
      <dl>
        {there.map(({ name, sessions }) => (
          <div key={name} class="row">
            <dt>
              <Name>{name}</Name>
            </dt>
            <dd>{words.count('system.sessions', sessions)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
