/** Replies on a network that are none: how they differ from the right one, and what that means for the person who asks. */
import type { ExchangeReply } from '../../admin/wire-target.ts';

/** The bridge says that nobody is there (MODBUS Application Protocol, section 7). */
export const NOBODY: readonly (number | undefined)[] = [10, 11];
const EXCEPTION = 0x80;

/** `units 2 to 6: something answers …`: completes the sentence "something answers", and says what to do. */
export function oddityOf({ frames, error }: ExchangeReply): string {
  const { out, came } = headsOf(frames);
  if (out === undefined || came === undefined || came.length < 8) return `with something else: ${error?.message ?? 'no reply'}`;
  if (came.readUInt16BE(2) !== 0)
    return 'with something that is not Modbus TCP: check the port; a converter to a serial line may need protocol: modbus-rtu-over-tcp';
  const transaction = came.readUInt16BE(0);
  if (transaction !== out.readUInt16BE(0))
    return `with transaction ${transaction === 0 ? 0 : 'ids'} that nobody asked with, so that replies cannot be told apart: look for newer firmware, or try protocol: modbus-rtu-over-tcp`;
  if (came.readUInt16BE(4) !== came.length - 6) return 'with a wrong length: look for newer firmware';
  const [unitId, code] = [came.readUInt8(6), came.readUInt8(7)];
  if (unitId !== out.readUInt8(6)) return `as unit ${unitId}: ask that one`;
  const asked = out.readUInt8(7);
  if ((code & ~EXCEPTION) !== asked)
    return `to function ${code & ~EXCEPTION} instead of ${asked}, as some servers do for units that they do not have: use those that answer soundly`;
  return `with something else: ${error?.message ?? 'no reply'}`;
}

/** An exception without its function, of a server that means "nobody is there" (pymodbus). */
export function meansNobody({ frames }: ExchangeReply): boolean {
  const { out, came } = headsOf(frames);
  if (out === undefined || came === undefined || came.length !== 9 || came.readUInt32BE(2) !== 3) return false;
  const same = came.readUInt16BE(0) === out.readUInt16BE(0) && came.readUInt8(6) === out.readUInt8(6);
  return same && came.readUInt8(7) === EXCEPTION && NOBODY.includes(came.readUInt8(8));
}

/** The request and the first bytes that came for it, where the request has the header of Modbus on networks. */
function headsOf(frames: ExchangeReply['frames']): { out?: Buffer; came?: Buffer } {
  const bytes = (way: 'out' | 'noise') => {
    const frame = frames.find((f) => f.way === way);
    return frame === undefined ? undefined : Buffer.from(frame.bytes, 'hex');
  };
  const out = bytes('out');
  // An RTU request of functions 3 and 4 has 8 bytes; there the transaction would be.
  if (out === undefined || out.length < 11 || out.readUInt16BE(2) !== 0 || out.readUInt16BE(4) !== out.length - 6) return {};
  const came = bytes('noise');
  return came === undefined ? { out } : { out, came };
}
