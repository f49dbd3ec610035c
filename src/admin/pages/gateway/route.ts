/** Which view the address names, `#/point/fridge.temperature`. Pure. */

export type Route =
  | { readonly view: 'overview' | 'devices' | 'alarms' | 'delivery' | 'system' | 'flows' | 'you' }
  | { readonly view: 'device'; readonly device: string }
  | { readonly view: 'point'; readonly device: string; readonly point: string };

const PLAIN = ['overview', 'devices', 'alarms', 'delivery', 'system', 'flows', 'you'] as const;

export function routeOf(hash: string): Route {
  const [, view = '', name = ''] = hash.replace(/^#/, '').split('/');
  const plain = PLAIN.find((word) => word === view);
  if (plain !== undefined) return { view: plain };
  const whole = decoded(name);
  if (view === 'device' && whole !== '') return { view, device: whole };
  const dot = whole.indexOf('.');
  if (view === 'point' && dot > 0) return { view, device: whole.slice(0, dot), point: whole.slice(dot + 1) };
  return { view: 'overview' };
}

export const hrefOfDevice = (device: string): string => `#/device/${encodeURIComponent(device)}`;
export const hrefOfPoint = (device: string, point: string): string => `#/point/${encodeURIComponent(`${device}.${point}`)}`;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
