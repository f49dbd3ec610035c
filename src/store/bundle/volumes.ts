/**
 * The bytes of the bundles that content needs, one behind the other. Each is whole by itself: it has its own id, key, inventory,
 * counts and ranges, and the receipt of one says nothing of the others.
 */
import type { BundleWriter } from '../../codecs/bundle/container.ts';
import { type Content, type ContentPiece, NEXT_VOLUME } from './content.ts';

export interface VolumeOptions {
  readonly content: Content;
  /** The pieces of this content. */
  readonly pieces: AsyncIterable<ContentPiece>;
  /** A new one for each bundle. */
  readonly writer: () => BundleWriter;
  /** Absent: a gateway that does not run knows none. */
  readonly inventory?: Uint8Array | undefined;
  readonly forwarder: string | undefined;
  /** UTC ms. */
  readonly now: () => number;
  /** Before the last bytes of each. @param last there is no other behind it @throws SluiceError they do not leave */
  readonly settle: (last: boolean) => Promise<void>;
}

/** @throws SluiceError request-invalid: the size of a bundle is too small */
export async function* volumes(options: VolumeOptions): AsyncGenerator<Uint8Array> {
  const { content, pieces, inventory, forwarder, now, settle } = options;
  let writer = options.writer();
  const begin = function* (): Generator<Uint8Array> {
    content.begin(inventory);
    yield writer.begin();
    if (inventory !== undefined) yield writer.section('inventory', inventory);
  };
  const end = async (last: boolean): Promise<Uint8Array> => {
    await settle(last);
    const { records, readings, notices, ranges } = content;
    return writer.end({ forwarder, made: now(), records, readings, notices, ranges });
  };
  yield* begin();
  for await (const piece of pieces) {
    if (piece === NEXT_VOLUME) {
      yield await end(false);
      writer = options.writer();
      yield* begin();
      continue;
    }
    const bytes = writer.section(piece.kind, piece.body);
    if (bytes.length > 0) yield bytes;
  }
  yield await end(true);
}
