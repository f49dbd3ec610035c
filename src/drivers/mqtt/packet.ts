/** A message as it stands on the wire (MQTT 3.1.1, section 3.3, QoS 0), so that captures show what analysers know. */
const utf8 = new TextEncoder();

export function publishPacket(topic: string, payload: Uint8Array, retained: boolean): Uint8Array {
  const name = utf8.encode(topic);
  const length: number[] = [];
  let rest = 2 + name.length + payload.length;
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  const head = [0x30 | (retained ? 1 : 0), ...length, name.length >> 8, name.length & 255];
  return Buffer.concat([Uint8Array.from(head), name, payload]);
}
