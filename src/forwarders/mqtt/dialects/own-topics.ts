/** The gateway's own topics under `sluice/<gateway>`, as docs/reference/topics.md has them, for the dialects that share them. */
import type { FormatOptions } from '../../../codecs/format.ts';
import { noticeJson } from '../../../codecs/notice-json.ts';
import type { DialectContext, LogSpeaker, OutMessage } from '../dialect.ts';

/** Topics of rules that are gone and wait to be cleared. */
const MAX_GONE = 1000;

/** Sizes of one message that an event names. */
const MOST_SAID = 20;

/** Two forwarders that share it and the broker would mix their batches. */
export const OWN_ROOT = 'sluice';

/**
 * The speaker of a dialect with the gateway's own topics. A batch goes to `…/data` or `…/history` as its format made it; all
 * else is JSON.
 */
export function ownTopics(
  { gateway, forwarder, status, inventory, goneRules, hasRule, command, event }: DialectContext,
  formatOptions: FormatOptions = {},
): LogSpeaker {
  const root = `sluice/${gateway}`;
  const offline: OutMessage = { topic: `${root}/status`, payload: '{"v":1,"online":false}', qos: 1, retain: true };
  // A platform tells a gateway that was stopped from one that was lost.
  const stopped: OutMessage = { ...offline, payload: '{"v":1,"online":false,"reason":"stopped"}' };
  const gone = new Set(goneRules.slice(0, MAX_GONE));
  const lacking = tooLarge(
    `The inventory is too large for the broker of ${forwarder}, which does not have it.`,
    forwarder,
    event,
  );
  const channel = ({ kind, key }: { kind: 'alarm' | 'event'; key: string }): string =>
    kind === 'alarm' ? `${root}/alarm/${key}` : `${root}/event`;
  return {
    formatOptions,
    will: () => offline,
    ...(command === undefined ? {} : { subscriptions: [`${root}/command`] }),
    received(_, payload, retained) {
      command?.(payload, retained, (kind, id) => `${root}/${kind}/${id}`);
      return undefined;
    },
    *greet() {
      yield { topic: `${root}/status`, payload: status(), qos: 1, retain: true };
      yield { topic: `${root}/inventory`, payload: inventory(), qos: 1, retain: true, ...lacking };
      for (const rule of [...gone]) {
        if (hasRule(rule)) gone.delete(rule);
        else yield { ...cleared(`${root}/alarm/${rule}`), taken: () => gone.delete(rule) };
      }
    },
    changed(rules) {
      for (const rule of rules) if (gone.size < MAX_GONE) gone.add(rule);
    },
    farewell: () => [stopped],
    *batch({ lane, messages }) {
      for (const { payload } of messages) yield { topic: `${root}/${lane}`, payload, qos: 1, retain: false };
    },
    channel,
    // The last transitions of a rule that is gone are delivered, and its topic stays cleared.
    notice: (notice) => [
      {
        topic: channel(notice),
        payload: noticeJson(notice.kind, notice.json),
        qos: 1,
        retain: notice.kind === 'alarm' && hasRule(notice.key),
      },
    ],
  };
}

/** For a message without which readings leave all the same. The event comes once for each size. */
export function tooLarge(
  message: string,
  forwarder: string,
  event: DialectContext['event'],
): Pick<OutMessage, 'mayLack' | 'kept'> {
  const said = new Set<unknown>();
  return {
    mayLack: true,
    kept: ({ code, data: { bytes, limit } }) => {
      if (code !== 'upstream-too-large' || said.has(bytes) || said.size >= MOST_SAID) return;
      said.add(bytes);
      const sizes = typeof bytes === 'number' && typeof limit === 'number' ? { bytes, limit } : {};
      event('overload', message, { forwarder, ...sizes });
    },
  };
}

function cleared(topic: string): OutMessage {
  return { topic, payload: '', qos: 1, retain: true };
}
