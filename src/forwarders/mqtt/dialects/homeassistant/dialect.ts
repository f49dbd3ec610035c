/**
 * Device discovery of Home Assistant over MQTT: docs/reference/formats/homeassistant.md.
 *
 * - Everything that Home Assistant needs after a restart of its own is retained; what went is cleared.
 * - A component that went is removed from all devices before any is announced: a rule may have moved to another device.
 */
import type { LatestValue, NoticeMessage } from '../../../../core/ports.ts';
import type { DialectContext, LiveDialect, LiveSpeaker, OutMessage } from '../../dialect.ts';
import { tooLarge } from '../own-topics.ts';
import { type Announced, type Announcement, announcement, ownConfig, rulesAmong } from './discovery.ts';
import { KnownDevices } from './known.ts';
import { BIRTH, places } from './places.ts';

/** Milliseconds between two births that are answered: everything is retained, so one more says nothing new. */
const BIRTH_PAUSE = 10_000;
/** Topics of rules that are gone and wait to be cleared. */
const MOST_GONE = 1000;
/** Bytes of a command. */
export const MOST_COMMAND = 1024;

export const homeassistantDialect: LiveDialect = {
  kind: 'live',
  name: 'homeassistant',
  doc: 'for Home Assistant',
  root: 'homeassistant',
  ruleMessages: 'Home Assistant reads what it discovered alone',
  create: speaker,
};

function speaker(context: DialectContext): LiveSpeaker {
  const { gateway, forwarder, memory, command, clock, latest, site, goneRules, hasRule, event } = context;
  const at = places(gateway);
  const known = new KnownDevices(memory.load());
  let life = lifeOf(memory.load());
  let commands = 0;
  let born = Number.NEGATIVE_INFINITY;
  let leftOut = 0;
  let now: Announcement = { devices: new Map(), rules: new Set(), leftOut: 0 };
  /** Whether a device was said to be available on this connection. */
  const said = new Map<string, boolean>();
  const gone = new Set(goneRules.slice(0, MOST_GONE));
  const save = (): void => memory.save({ life, ...known.state() });
  const lacking = tooLarge(
    `A device is too large for the broker of ${forwarder}; Home Assistant does not know it.`,
    forwarder,
    event,
  );

  const look = (): void => {
    now = announcement(context, at);
    for (const device of said.keys()) if (!now.devices.has(device)) said.delete(device);
    for (const [device, { platforms }] of now.devices) known.add(device, platforms);
    if (now.leftOut > 0 && now.leftOut !== leftOut)
      event('overload', `${now.leftOut} points and rules are not announced to Home Assistant: the site is too large for it.`, {
        leftOut: now.leftOut,
      });
    leftOut = now.leftOut;
  };
  const isUp = ({ device, points }: Announced): boolean =>
    points.keys().some((point) => (latest.get(device, point)?.value ?? null) !== null);
  const availability = (device: Announced): OutMessage => {
    const up = isUp(device);
    said.set(device.device, up);
    return kept(at.available(device.device), up ? 'online' : 'offline');
  };

  return {
    will() {
      life = (life + 1) % Number.MAX_SAFE_INTEGER;
      save();
      return kept(at.status, 'offline');
    },
    subscriptions: [BIRTH, ...(command === undefined ? [] : [at.sets])],
    received(topic, payload, retained) {
      if (topic === BIRTH) {
        if (retained || Buffer.from(payload).toString() !== 'online' || clock.monotonic() - born < BIRTH_PAUSE) return undefined;
        born = clock.monotonic();
        return 'greet';
      }
      const [device, point] = at.target(topic) ?? [];
      if (device === undefined || point === undefined) return undefined;
      const text = textOf(payload);
      const component = now.devices.get(device)?.points.get(point);
      const asked = { id: `ha-${life}.${++commands}`, do: 'write', target: `${device}.${point}` };
      const message = text === undefined ? '' : JSON.stringify({ ...asked, value: component?.asked(text) ?? text });
      // What is no text is no command either, and counted as such.
      command?.(Buffer.from(message), retained, (kind, id) => at.result(kind, id));
      return undefined;
    },
    *greet() {
      look();
      // The memory is saved before anything is sent: a cut leaves nothing behind that nobody removes.
      save();
      yield kept(at.status, 'online');
      yield kept(at.ownConfig, ownConfig(at));
      let cleared = 0;
      for (const device of [...known.devices()]) {
        const announced = now.devices.get(device);
        const without = known.gone(device, announced?.platforms ?? new Map());
        if (announced !== undefined && without.size === 0) continue;
        cleared++;
        // A filter may have left out a rule that still exists. Before its device: with that it would be forgotten.
        for (const rule of rulesAmong(without.keys())) if (!now.rules.has(rule)) yield kept(at.alarm(rule), '');
        if (announced !== undefined) yield { ...kept(at.config(device), announced.config(without)), ...lacking };
        else for (const topic of [at.config(device), at.state(device)]) yield kept(topic, '');
        if (announced === undefined) yield { ...kept(at.available(device), ''), taken: () => known.set(device, undefined) };
      }
      for (const announced of now.devices.values()) {
        const { device, platforms } = announced;
        yield { ...kept(at.config(device), announced.config()), ...lacking, taken: () => known.set(device, platforms) };
        yield availability(announced);
      }
      const newest = new Map([...site.alarms()].map((alarm) => [alarm.key, alarm]));
      for (const rule of now.rules) yield kept(at.alarm(rule), alarmState(newest.get(rule)));
      for (const rule of [...gone]) {
        if (hasRule(rule)) gone.delete(rule);
        else yield { ...kept(at.alarm(rule), ''), taken: () => gone.delete(rule) };
      }
      // The next start need not remove it again; when this one is lost, it does.
      if (cleared > 0) yield { ...kept(at.status, 'online'), taken: save };
    },
    changed(rules) {
      for (const rule of rules) if (gone.size < MOST_GONE) gone.add(rule);
    },
    farewell: () => [kept(at.status, 'offline')],
    *values(device) {
      const announced = now.devices.get(device);
      if (announced === undefined) return;
      if (said.get(device) !== isUp(announced)) yield availability(announced);
      yield kept(
        at.state(device),
        stateOf(announced, (point) => latest.get(device, point)),
      );
    },
    // A rule that is gone has a topic that stays cleared.
    alarm: (alarm) => (now.rules.has(alarm.key) && hasRule(alarm.key) ? [kept(at.alarm(alarm.key), alarmState(alarm))] : []),
  };
}

function kept(topic: string, payload: string): OutMessage {
  return { topic, payload, qos: 1, retain: true };
}

function stateOf({ points }: Announced, latest: (point: string) => LatestValue | undefined): string {
  const state: Record<string, string | number | null> = {};
  for (const [point, component] of points) {
    const value = latest(point);
    state[point] = value === undefined ? null : component.show(value);
  }
  return JSON.stringify(state);
}

/** The state has a name of its own: Home Assistant drops an attribute `state`, since an entity has one. */
function alarmState(alarm: NoticeMessage | undefined): string {
  if (alarm === undefined) return '{"on":"OFF","alarm_state":"normal"}';
  const { state, severity, message, value, time, occurrence, cause, firstOut } = JSON.parse(alarm.json) as Record<
    string,
    unknown
  >;
  const on = state === 'active-unacknowledged' || state === 'active-acknowledged';
  const about = { alarm_state: state, severity, message, value, time, occurrence, cause, firstOut };
  return JSON.stringify({ on: on ? 'ON' : 'OFF', ...about });
}

function textOf(payload: Uint8Array): string | undefined {
  if (payload.length > MOST_COMMAND) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } catch {
    return undefined;
  }
}

function lifeOf(state: unknown): number {
  const { life } = (typeof state === 'object' && state !== null ? state : {}) as { life?: unknown };
  return typeof life === 'number' && Number.isSafeInteger(life) && life >= 0 ? life : 0;
}
