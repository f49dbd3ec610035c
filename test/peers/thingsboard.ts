/**
 * What ThingsBoard does with the messages of a gateway, as its documentation of the MQTT gateway API says: devices that are
 * connected, a table of values by device, key and time, attributes, remote calls. What the API does not have is a fault.
 */
import assert from 'node:assert/strict';

type Json = Readonly<Record<string, unknown>>;
interface Message {
  readonly topic: string;
  readonly bytes: Buffer;
}

export class ThingsBoard {
  readonly connected = new Set<string>();
  readonly types = new Map<string, unknown>();
  /** `device key ts`, and the value as its column has it. */
  readonly values = new Map<string, unknown>();
  readonly attributes = new Map<string, Json>();
  readonly own: Json[] = [];
  /** Replies to remote calls by `device id`. */
  readonly replies = new Map<string, unknown>();
  /** What was said of devices, in order. */
  readonly said: string[] = [];
  readonly #columns = new Map<string, string>();
  #taken = 0;

  /** Takes what has come since. */
  take(messages: readonly Message[]): this {
    for (const { topic, bytes } of messages.slice(this.#taken)) this.#message(topic, bytes.toString('utf8'));
    this.#taken = messages.length;
    return this;
  }

  #message(topic: string, text: string): void {
    const body = JSON.parse(text) as Json;
    switch (topic) {
      case 'v1/gateway/connect':
        this.#name(body.device);
        this.connected.add(String(body.device));
        if (body.type !== undefined) this.types.set(String(body.device), body.type);
        this.said.push(`connect ${body.device}`);
        return;
      case 'v1/gateway/disconnect':
        this.#name(body.device);
        this.connected.delete(String(body.device));
        this.said.push(`disconnect ${body.device}`);
        return;
      case 'v1/gateway/attributes':
        for (const [device, values] of Object.entries(body)) {
          this.#name(device);
          this.connected.add(device);
          this.attributes.set(device, values as Json);
        }
        return;
      case 'v1/gateway/telemetry':
        for (const [device, entries] of Object.entries(body)) this.#telemetry(device, entries, text);
        return;
      case 'v1/gateway/rpc':
        this.#name(body.device);
        assert.ok(Number.isSafeInteger(body.id), text);
        this.replies.set(`${body.device} ${body.id}`, body.data);
        return;
      case 'v1/devices/me/telemetry':
        this.#entry('gateway', body, text);
        this.own.push(body);
        return;
      default:
        assert.fail(`no topic of the gateway API: ${topic}`);
    }
  }

  #telemetry(device: string, entries: unknown, text: string): void {
    this.#name(device);
    // The platform connects a device of which it gets telemetry.
    if (!this.connected.has(device)) this.said.push(`unconnected ${device}`);
    this.connected.add(device);
    assert.ok(Array.isArray(entries) && entries.length > 0, text);
    for (const entry of entries as Json[]) this.#entry(device, entry, text);
  }
  /** @param text as it came: whether a number has a point decides its column */
  #entry(device: string, { ts, values }: Json, text: string): void {
    assert.ok(Number.isSafeInteger(ts), text);
    assert.ok(typeof values === 'object' && values !== null, text);
    for (const [key, value] of Object.entries(values as Json)) {
      const written = new RegExp(`"${key.replaceAll('.', '\\.')}":(-?[0-9][^,}]*)`).exec(text)?.[1];
      const column = typeof value !== 'number' ? typeof value : /[.e]/.test(written ?? '') ? 'double' : 'long';
      const before = this.#columns.get(`${device} ${key}`);
      assert.ok(
        before === undefined || before === column || device === 'gateway',
        `${key} of ${device} was ${before}, is ${column}`,
      );
      this.#columns.set(`${device} ${key}`, column);
      this.values.set(`${device} ${key} ${ts}`, value);
    }
  }
  #name(device: unknown): void {
    assert.ok(typeof device === 'string' && device !== '', 'a device has a name');
  }
}
