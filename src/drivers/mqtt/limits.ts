/** Every bound of what devices may send over MQTT. Sizes in bytes, times in milliseconds. */

/** Length of a topic filter in characters, and its levels: what the embedded broker takes. */
export const MAX_FILTER = 256;
export const MAX_LEVELS = 16;
/** Larger messages are refused. Those of instruments have some hundreds. */
export const MAX_PAYLOAD = 16 * 1024;
/** Messages of one device: so many at once, and so many more a second. */
export const MESSAGES_AT_ONCE = 200;
export const MESSAGES_PER_SECOND = 50;
/** The same of all devices together. */
export const ALL_AT_ONCE = 1000;
export const ALL_PER_SECOND = 500;
/** Topics of one device of which the newest message waits for its turn. */
export const WAITING_TOPICS = 64;
/** Bytes of topics and payloads that wait, of all devices together. When there are more, the device with most of them loses its oldest. */
export const WAITING_BYTES = 1024 * 1024;
/** Messages of one device that are remembered to recognise repeats, and for how long. */
export const REMEMBERED = 32;
export const REMEMBERED_FOR = 600_000;
/** Writes that wait on the bus, safe values not counted. */
export const WAITING_WRITES = 8;
