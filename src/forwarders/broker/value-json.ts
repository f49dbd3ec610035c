import { valueText } from '../../codecs/format-json.ts';
import type { LatestValue } from '../../core/ports.ts';
import { GOOD, qualityOf, reasonName } from '../../core/reasons.ts';

/**
 * The payload of `…/value/<device>/<point>`: `{"time","value","unit","quality","reason"?}`. Times are UTC milliseconds; a
 * bad reading has the value null, a point without a unit the unit null; int64 and uint64 are texts.
 */
export function encodeValue(latest: LatestValue): string {
  const quality = qualityOf(latest.reason);
  const value =
    latest.value === null || quality === 'bad' ? 'null' : valueText(latest.value, latest.type as Parameters<typeof valueText>[1]);
  const unit = latest.unit === undefined ? 'null' : JSON.stringify(latest.unit);
  const reason = latest.reason === GOOD ? '' : `,"reason":${JSON.stringify(reasonName(latest.reason))}`;
  return `{"time":${Math.round(latest.time)},"value":${value},"unit":${unit},"quality":"${quality}"${reason}}`;
}
