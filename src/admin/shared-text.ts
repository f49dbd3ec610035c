/** A text that several readers get. It is compressed when the first of them accepts that, and for all of them. */
export class SharedText {
  readonly bytes: Buffer;
  #packed: Promise<Buffer> | undefined;

  constructor(text: string) {
    this.bytes = Buffer.from(text);
  }

  /** @returns the compressed bytes @throws when there is no memory; then the next reader tries again */
  packed(pack: (bytes: Buffer) => Promise<Buffer>): Promise<Buffer> {
    this.#packed ??= pack(this.bytes).catch((error: unknown) => {
      this.#packed = undefined;
      throw error;
    });
    return this.#packed;
  }
}
