/** A setting of the packet writer that mqtt and aedes have in common. */
import { writeToStream } from 'mqtt-packet';

/**
 * Numbers of packets are encoded when they are needed. By default the first packet of the process makes a buffer for each
 * of the 65,536 that there can be: 8 MB for ever, and part of every start, to save two bytes' work a packet.
 */
export function encodeNumbersOnDemand(): void {
  writeToStream.cacheNumbers = false;
}
