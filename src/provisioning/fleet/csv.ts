/** Tables as spreadsheets save them (RFC 4180): commas, semicolons or tabs, quotes, any line ends. Each row knows its line. */

export interface Row {
  /** 1-based, of its first letter. */
  readonly line: number;
  readonly cells: readonly string[];
}
export type Table = { readonly rows: readonly Row[] } | { readonly line: number; readonly fault: string };

/** Characters of a cell. */
const MOST_CELL = 2000;

/** @param mostRows with the row of names */
export function parseCsv(text: string, mostRows: number): Table {
  const mark = separatorOf(text);
  const rows: Row[] = [];
  let line = 1;
  let first = 1;
  let cells: string[] = [];
  let cell = '';
  let quoted: number | undefined;
  let wasQuoted = false;
  const endRow = (): void => {
    cells.push(cell);
    if (cells.some((one) => one.trim() !== '')) rows.push({ line: first, cells: cells.map((one) => one.trim()) });
    cells = [];
    cell = '';
    wasQuoted = false;
    first = line + 1;
  };
  for (let i = 0; i <= text.length; i++) {
    const letter = text[i];
    if (cell.length > MOST_CELL)
      return { line: first, fault: `a cell has more than ${MOST_CELL} characters; is a quote missing?` };
    if (rows.length > mostRows) return { line: first, fault: `there are more than ${mostRows} rows; use several tables` };
    if (quoted !== undefined) {
      if (letter === undefined) return { line: quoted, fault: 'a quote is opened here and never closed' };
      if (letter === '\n') line++;
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = undefined;
      continue;
    }
    if (letter === undefined) {
      if (cell !== '' || cells.length > 0) endRow();
    } else if (letter === '"' && cell.trim() === '' && !wasQuoted) {
      cell = '';
      quoted = line;
      wasQuoted = true;
    } else if (letter === mark) {
      cells.push(cell);
      cell = '';
      wasQuoted = false;
    } else if (letter === '\n') {
      endRow();
      line++;
      first = line;
    } else if (letter !== '\r') cell += letter;
  }
  return { rows };
}

/** The sign that stands most often in the first line. */
function separatorOf(text: string): string {
  const [head = ''] = text.split('\n', 1);
  const count = (sign: string): number => head.split(sign).length;
  return [',', ';', '\t'].reduce((best, sign) => (count(sign) > count(best) ? sign : best), ',');
}

/** A cell for a spreadsheet, which must not take it for a formula. */
export function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",;\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
