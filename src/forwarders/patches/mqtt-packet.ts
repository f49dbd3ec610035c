/** What is set in `mqtt-packet`, the packet writer that mqtt and aedes share. The canary: test/unit/forwarders/patches.test.ts. */
import { writeToStream } from 'mqtt-packet';

/** The version that this was looked at in. */
export const KNOWN = { package: 'mqtt-packet', version: '9.0.2' } as const;

/**
 * Numbers of packets are encoded when they are needed. By default the first packet of the process makes a buffer for each
 * of the 65,536 that there can be: 8 MB for ever, and part of every start, to save two bytes' work a packet.
 */
export function encodeNumbersOnDemand(): void {
  writeToStream.cacheNumbers = false;
}
