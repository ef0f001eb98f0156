/** Columns are four blanks apart, an empty cell reads `n/a`, and no line ends in blanks: as Vault prints tables. */
const GAP = '    ';
const EMPTY = 'n/a';

export type Row = readonly string[];

/** Lines of a table without a head. */
export function alignRows(rows: readonly Row[]): string {
  const cells = rows.map((row) => row.map((cell) => (cell === '' ? EMPTY : cell)));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
  }
  return cells.map((row) => alignRow(row, widths)).join('\n');
}

/** A table whose head is underlined, each word as wide as it is. */
export function tableOf(head: Row, rows: readonly Row[]): string {
  return alignRows([head, head.map((title) => '-'.repeat(title.length)), ...rows]);
}

export function keyValueTable(rows: readonly Row[]): string {
  return tableOf(['Key', 'Value'], rows);
}

/** `== Title ==`, drawn about as wide as what stands below it. */
export function heading(title: string, width: number): string {
  const missing = width - title.length - 2;
  const side = '='.repeat(Math.max(2, Math.ceil(missing / 2)));
  return `${side} ${title} ${side}`;
}

/** How wide a key/value table is for `heading`: to the end of the word `Value`. */
export function keyValueWidth(rows: readonly Row[]): number {
  return Math.max(3, ...rows.map((row) => widthOf(row[0] ?? ''))) + GAP.length + 'Value'.length;
}

function alignRow(row: Row, widths: readonly number[]): string {
  const padded = row.map((cell, column) => {
    const isLast = column === row.length - 1;
    return isLast ? cell : cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell));
  });
  return padded.join(GAP).trimEnd();
}

/** Characters rather than UTF-16 units, so that `∞` and emoji count once. */
function widthOf(text: string): number {
  return [...text].length;
}
