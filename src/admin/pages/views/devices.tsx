/** Buses with their devices, and a search in the names. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { LiveBus, LiveInventory } from '../../live/live-types.ts';
import { useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Badge, type Mood, Name, Told } from '../parts/small.tsx';
import { DeviceCard } from './device.tsx';

const DEVICES = 12;
const POINTS = 12;
const MOODS: Readonly<Record<LiveBus['state'], Mood>> = { open: 'good', opening: 'warn', closed: 'bad' };

export function Devices(): JSX.Element {
  const { words, model } = useShell();
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const buses = model.state?.buses ?? [];
  const found = buses
    .map((bus) => ({ bus, devices: bus.devices.filter(({ name }) => fits(wanted, name, model.inventory)) }))
    .filter(({ devices }) => wanted === '' || devices.length > 0);
  const total = found.reduce((sum, { devices }) => sum + devices.length, 0);
  return (
    <>
      <h1 tabIndex={-1}>{words.t('devices.title')}</h1>
      {buses.length === 0 ? (
        <p>{words.t('overview.noDevices')}</p>
      ) : (
        <div class="search">
          <label for="search">{words.t('devices.search')}</label>
          <input
            id="search"
            type="search"
            autocomplete="off"
            spellcheck={false}
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
          <p role="status" class="quiet">
            {wanted === '' ? '' : total === 0 ? words.t('devices.none') : words.count('devices.found', total)}
          </p>
        </div>
      )}
      {found.map(({ bus, devices }) => (
        <Bus key={bus.name} bus={bus} devices={devices} wanted={wanted} />
      ))}
    </>
  );
}

function fits(wanted: string, device: string, inventory: LiveInventory): boolean {
  if (wanted === '' || device.includes(wanted)) return true;
  return Object.keys(inventory[device]?.points ?? {}).some((point) => point.includes(wanted));
}

function Bus({ bus, devices, wanted }: { bus: LiveBus; devices: LiveBus['devices']; wanted: string }): JSX.Element {
  const { words } = useShell();
  const slice = useSlice(devices, DEVICES);
  return (
    <section class="bus">
      <h2>
        {words.t('bus.label', { name: '' })}
        <Name>{bus.name}</Name> <small>{bus.protocol}</small>
      </h2>
      <div class="state">
        <Badge mood={bus.missed === undefined ? MOODS[bus.state] : 'warn'}>{words.t(`bus.${bus.state}`)}</Badge>
        {bus.missed !== undefined && <p>{words.t('bus.missed', { n: bus.missed })}</p>}
        {bus.fault !== undefined && (
          <p>
            <Told>{bus.fault}</Told>
          </p>
        )}
      </div>
      <div class="cards">
        {slice.shown.map((device) => (
          <DeviceCard
            key={device.name}
            device={device}
            most={POINTS}
            match={wanted === '' || device.name.includes(wanted) ? '' : wanted}
          />
        ))}
      </div>
      <More slice={slice} size={DEVICES} words="devices.more" />
    </section>
  );
}
