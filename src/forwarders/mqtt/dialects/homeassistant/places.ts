/**
 * Topics and ids. Names of gateways, devices and points hold `_` and `-`, so what is put together of them stays apart by a sign
 * that no name has, or by doubling.
 */

/** The birth message of Home Assistant. */
export const BIRTH = 'homeassistant/status';
const DISCOVERY = 'homeassistant/device';

export interface Places {
  /** `online` while the gateway is connected; the will. */
  readonly status: string;
  readonly sets: string;
  readonly ownConfig: string;
  readonly ownId: string;
  config(device: string): string;
  state(device: string): string;
  available(device: string): string;
  set(device: string, point: string): string;
  alarm(rule: string): string;
  result(kind: string, id: string): string;
  deviceId(device: string): string;
  pointId(device: string, point: string): string;
  alarmId(rule: string): string;
  /** The point that a topic under `sets` stands for. */
  target(topic: string): readonly [device: string, point: string] | undefined;
}

export function places(gateway: string): Places {
  // No level of these is `config`: Home Assistant listens to homeassistant/+/+/config and homeassistant/+/+/+/config.
  const root = `homeassistant/sluice/${gateway}`;
  // a_b with c, and a with b_c, are two devices; no device begins with _.
  const node = gateway.replaceAll('_', '__');
  return {
    status: `${root}/status`,
    sets: `${root}/set/+/+`,
    ownConfig: `${DISCOVERY}/${node}/config`,
    ownId: gateway,
    config: (device) => `${DISCOVERY}/${node}_${device}/config`,
    state: (device) => `${root}/state/device/${device}`,
    available: (device) => `${root}/state/available/${device}`,
    set: (device, point) => `${root}/set/${device}/${point}`,
    alarm: (rule) => `${root}/state/alarm/${rule}`,
    result: (kind, id) => `${root}/answer/${kind}/${id}`,
    deviceId: (device) => `${gateway}.${device}`,
    pointId: (device, point) => `${gateway}.${device}.${point}`,
    alarmId: (rule) => `${gateway}.ALARM.${rule}`,
    target(topic) {
      const head = `${root}/set/`;
      if (!topic.startsWith(head)) return undefined;
      const [device, point, ...more] = topic.slice(head.length).split('/');
      return device === undefined || point === undefined || more.length > 0 ? undefined : [device, point];
    },
  };
}
