/** One device with its points. */
import type { JSX } from 'preact';
import type { LiveDevice } from '../../live/live-types.ts';
import { hrefOfDevice, hrefOfPoint } from '../gateway/route.ts';
import { useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Age, Badge, type Mood, Name, Told, Value } from '../parts/small.tsx';

const SLICE = 50;
const MOODS: Readonly<Record<LiveDevice['state'], Mood>> = { answering: 'good', silent: 'bad', unknown: 'quiet' };

export function DeviceState({ device }: { device: LiveDevice }): JSX.Element {
  const { words } = useShell();
  return (
    <div class="state">
      <Badge mood={device.state === 'answering' && device.fault !== undefined ? 'warn' : MOODS[device.state]}>
        {words.t(`device.${device.state}`)}
      </Badge>
      {device.rests === true && <p>{words.t('device.rests')}</p>}
      {device.lastReply !== undefined && (
        <p>
          {words.t('device.lastReply', { age: '' })}
          <Age time={device.lastReply} />
        </p>
      )}
      {device.share !== undefined && <p>{words.t('device.share', { bad: device.share.bad, of: device.share.of })}</p>}
      {device.fault !== undefined && (
        <p>
          <Told>{device.fault}</Told>
        </p>
      )}
    </div>
  );
}

/** @param match text that the names of the points shown have in them */
export function Points({ device, most = SLICE, match = '' }: { device: string; most?: number; match?: string }): JSX.Element {
  const { words, model } = useShell();
  const points = model.inventory[device]?.points ?? {};
  const names = Object.keys(points).filter((name) => name.includes(match));
  const slice = useSlice(names, most);
  if (names.length === 0) return <p class="quiet">{words.t('devices.noPoints')}</p>;
  const readings = model.readings.get(device);
  return (
    <>
      <table class="points">
        <caption class="unseen">{device}</caption>
        <thead>
          <tr>
            <th scope="col">{words.t('table.point')}</th>
            <th scope="col">{words.t('table.value')}</th>
            <th scope="col">{words.t('table.age')}</th>
          </tr>
        </thead>
        <tbody>
          {slice.shown.map((name) => {
            const reading = readings?.get(name);
            return (
              <tr key={name}>
                <th scope="row">
                  <a href={hrefOfPoint(device, name)}>
                    <Name>{name}</Name>
                  </a>
                </th>
                <td>
                  <Value reading={reading} unit={points[name]?.unit} type={points[name]?.type} />
                </td>
                <td>{reading !== undefined && <Age time={reading[0]} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <More slice={slice} size={most} words="devices.more" />
    </>
  );
}

export function DeviceCard({ device, most, match }: { device: LiveDevice; most: number; match?: string }): JSX.Element {
  return (
    <section class="card">
      <h3>
        <a href={hrefOfDevice(device.name)}>
          <Name>{device.name}</Name>
        </a>
      </h3>
      <DeviceState device={device} />
      <Points device={device.name} most={most} {...(match === undefined ? {} : { match })} />
    </section>
  );
}

export function DeviceView({ name }: { name: string }): JSX.Element {
  const { words, model } = useShell();
  const device = model.state?.buses.flatMap((bus) => bus.devices).find((one) => one.name === name);
  return (
    <>
      <h1 tabIndex={-1}>
        <Name>{name}</Name>
      </h1>
      {device === undefined ? (
        <p>{words.t('device.gone')}</p>
      ) : (
        <section class="card">
          <DeviceState device={device} />
          <Points device={name} />
        </section>
      )}
    </>
  );
}
