/**
 * Which topics a credential may read and write on the embedded broker. Pure.
 *
 * - Nobody publishes under `sluice/`, except a command of this gateway to `sluice/<gateway>/command`. Other topics belong to the
 *   devices and programs on this network.
 * - `$` topics name other clients: administrators may read them, and nobody writes them.
 * - People and programs read everything else. They publish from the role `flow-editor` on. A device has its own filters only.
 */
import type { MqttCredential } from '../../core/access-ports.ts';
import { ROLES } from '../../core/commands.ts';
import { matches } from '../../core/topic-filter.ts';

const OWN = 'sluice';
/** The owner of clients without an account, which publish nothing. */
export const ANONYMOUS = 'anonymous';

export type PublishRight = 'message' | 'command' | 'none';

/** @param root `sluice/<gateway>` */
export function publishRight({ principal, publish, owner }: MqttCredential, topic: string, root: string): PublishRight {
  if (topic === `${root}/command`) return owner === ANONYMOUS ? 'none' : 'command';
  if (topic.startsWith('$') || topic === OWN || topic.startsWith(`${OWN}/`)) return 'none';
  const byRole = principal.role !== 'device' && ROLES.indexOf(principal.role) >= ROLES.indexOf('flow-editor');
  return byRole || publish.some((filter) => matches(filter, topic)) ? 'message' : 'none';
}

/** Whether every topic of the filter may be read. */
export function mayRead({ principal, subscribe }: MqttCredential, filter: string): boolean {
  if (filter.startsWith('$')) return principal.role === 'administrator';
  return principal.role !== 'device' || subscribe.some((own) => covers(own, filter));
}

/** Whether `wide` matches every topic that `narrow` matches (MQTT 3.1.1, section 4.7). */
export function covers(wide: string, narrow: string): boolean {
  if (narrow.startsWith('$') !== wide.startsWith('$')) return false;
  const [has, wanted] = [wide.split('/'), narrow.split('/')];
  for (let i = 0; i < has.length; i++) {
    if (has[i] === '#') return true;
    // `a/#` has the topic `a` as well, which `a/+` has not.
    if (i >= wanted.length || wanted[i] === '#') return false;
    if (has[i] !== '+' && has[i] !== wanted[i]) return false;
  }
  return has.length === wanted.length;
}
