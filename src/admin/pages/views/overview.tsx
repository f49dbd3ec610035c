/** The first view: what needs attention, and the latest values. */
import type { JSX } from 'preact';
import { inOrder, needsAttention, verdictOf } from '../gateway/verdict.ts';
import { useShell } from '../parts/shell.ts';
import { Badge, Row } from '../parts/small.tsx';
import { dateTime } from '../words/times.ts';
import { bytesText } from '../words/values.ts';
import { AlarmList } from './alarms.tsx';
import { DeviceCard } from './device.tsx';

const ALARMS = 3;
const DEVICES = 6;
const POINTS = 4;

export function Overview(): JSX.Element | null {
  const { words, model, now } = useShell();
  const { state } = model;
  if (state === undefined) return null;
  const alarms = inOrder(state.alarms.filter(needsAttention));
  const devices = state.buses.flatMap((bus) => bus.devices);
  // A device that does not answer comes first: the others can wait.
  const shown = [...devices].sort((a, b) => Number(b.state === 'silent') - Number(a.state === 'silent')).slice(0, DEVICES);
  const { disk, memory } = state.machine;
  return (
    <>
      <h1 tabIndex={-1}>{words.t('overview.title')}</h1>
      <Attention />
      {alarms.length > 0 && <AlarmList alarms={alarms} most={ALARMS} />}
      <h2>{words.t('overview.newest')}</h2>
      {devices.length === 0 && <p>{words.t('overview.noDevices')}</p>}
      <div class="cards">
        {shown.map((device) => (
          <DeviceCard key={device.name} device={device} most={POINTS} />
        ))}
      </div>
      {devices.length > DEVICES && (
        <p>
          <a href="#/devices">{words.t('overview.allDevices')}</a>
        </p>
      )}
      <section class="card">
        <h2>{words.t('system.title')}</h2>
        <dl>
          <Row name={words.t('system.time')}>{dateTime(words, now)}</Row>
          <Row name={words.t('system.disk')}>{disk === null ? words.t('system.unknown') : bytesText(words, disk.free)}</Row>
          <Row name={words.t('system.memory')}>{bytesText(words, memory.available)}</Row>
          <Row name={words.t('system.logSize')}>{bytesText(words, state.log.bytes)}</Row>
        </dl>
      </section>
    </>
  );
}

function Attention(): JSX.Element | null {
  const { words, model, now } = useShell();
  if (model.state === undefined) return null;
  const { alarms, actions, silent, buses, forwarders, log, clock, rolledBack, upstream } = verdictOf(model.state, now);
  const lines = [
    ...(alarms > 0 ? [{ href: '#/alarms', text: words.count('overview.alarms', alarms) }] : []),
    ...(actions > 0 ? [{ href: '#/alarms', text: words.count('overview.actions', actions) }] : []),
    ...(buses > 0 ? [{ href: '#/devices', text: words.count('overview.buses', buses) }] : []),
    ...(silent > 0 ? [{ href: '#/devices', text: words.count('overview.silent', silent) }] : []),
    ...(forwarders > 0 ? [{ href: '#/delivery', text: words.count('overview.forwarders', forwarders) }] : []),
    ...(log ? [{ href: '#/system', text: words.t('overview.log') }] : []),
    ...(rolledBack !== undefined ? [{ href: '#/system', text: words.t('overview.rolledBack', { version: rolledBack }) }] : []),
    ...(upstream ? [{ href: '#/system', text: words.t('overview.upstream') }] : []),
    ...(clock ? [{ href: '#/system', text: words.t('overview.clock') }] : []),
  ];
  if (lines.length === 0) return <Badge mood="good">{words.t('overview.fine')}</Badge>;
  return (
    <ul class="attention">
      {lines.map(({ href, text }) => (
        <li key={text}>
          <a href={href}>{text}</a>
        </li>
      ))}
    </ul>
  );
}
