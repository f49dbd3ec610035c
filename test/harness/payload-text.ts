import assert from 'node:assert/strict';
import type { Encoded } from '../../src/codecs/format.ts';

/** The payload of a batch of one message, in a format that writes text. */
export function payloadText({ messages }: { readonly messages: readonly Encoded[] }): string {
  assert.equal(messages.length, 1);
  const payload = messages[0]?.payload;
  assert.ok(typeof payload === 'string', 'a payload of text');
  return payload;
}
