/** A row that was found in a page, without the schema of its file. */
export type Cell = null | number | bigint | string | Uint8Array;
export interface FoundRow {
  /** undefined in a table without rowid. */
  readonly rowid: number | undefined;
  readonly columns: readonly Cell[];
}
