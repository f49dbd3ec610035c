import assert from 'node:assert/strict';
import type { Payload } from '../../src/codecs/format.ts';

/** The payload of a format that writes text. */
export function payloadText(payload: Payload): string {
  assert.ok(typeof payload === 'string', 'a payload of text');
  return payload;
}
