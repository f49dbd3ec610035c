/**
 * What MQTT 3.1 allows and the packet parser of the broker refuses, rewritten to what it takes: flags that have no meaning, and
 * a user name or password that is announced and not there. The packet passed the check.
 */
import { CONNECT_FLAG, DUP, levelOf, PACKET } from './packet-check.ts';

/** Changes the packet in place. @param body where its variable header begins @param end behind its last byte */
export function rewrite31(bytes: Uint8Array, at: number, body: number, end: number): void {
  const first = bytes[at] as number;
  if (first >> 4 === PACKET.connect) {
    bytes[at] = PACKET.connect << 4;
    rewriteConnect(bytes, body, end);
  } else if (first >> 4 !== PACKET.publish) bytes[at] = first & ~DUP;
}

function rewriteConnect(bytes: Uint8Array, body: number, end: number): void {
  const protocol = levelOf(bytes, body, end);
  if (protocol === undefined) return;
  const at = protocol.at + 1;
  let flags = (bytes[at] as number) & ~CONNECT_FLAG.reserved;
  const texts = textsBehind(bytes, at + 3, end);
  const will = (flags & CONNECT_FLAG.will) !== 0;
  if (!will) flags &= ~(CONNECT_FLAG.willQos | CONNECT_FLAG.willRetain);
  // The client id and a will come before them.
  const left = texts - (will ? 3 : 1);
  if (left < 1) flags &= ~CONNECT_FLAG.user;
  if (left < 2) flags &= ~CONNECT_FLAG.password;
  bytes[at] = flags;
}

function textsBehind(bytes: Uint8Array, from: number, end: number): number {
  let texts = 0;
  for (let at = from; at < end; texts++) at += 2 + (bytes[at] as number) * 256 + (bytes[at + 1] as number);
  return texts;
}
