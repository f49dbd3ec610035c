/** Server-sent events out of the text of an answer. Pure. Bound: an event of more than MAX_EVENT characters is refused. */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id?: string | undefined;
}

const MAX_EVENT = 4 * 1024 * 1024;

export class EventParser {
  #rest = '';

  /** @throws RangeError for an event without an end */
  push(text: string): ServerEvent[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    if (this.#rest.length > MAX_EVENT) throw new RangeError('event-too-long');
    return blocks.flatMap((block) => parse(block) ?? []);
  }
}

function parse(block: string): ServerEvent | undefined {
  let event = 'message';
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, '');
    const field = line.slice(0, colon);
    if (field === 'event') event = value;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n'), id };
}
