/** What a benchmark gives back: a table to print, and the figures that the design sets a limit to. */
export interface Report {
  readonly title: string;
  /** The first row is the heading. */
  readonly table: readonly (readonly string[])[];
  readonly budgets: readonly Budget[];
}

export interface Budget {
  readonly kept: boolean;
  /** `at least 0.30`. */
  readonly limit: string;
}

/** As a cell of a table; without a limit it is empty. */
export function verdict(budget: Budget | undefined): string {
  return budget ? `${budget.limit} ${budget.kept ? 'kept' : 'MISSED'}` : '';
}

export function atLeast(value: number, limit: number): Budget {
  return { kept: value >= limit, limit: `>= ${limit.toFixed(2)}` };
}

export function below(value: number, limit: number, unit = ''): Budget {
  return { kept: value < limit, limit: `< ${limit}${unit && ' '}${unit}` };
}

/** A heading and the table: names to the left, figures to the right of their columns. */
export function formatReport({ title, table }: Report): string {
  const columns = table[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))),
  );
  return `${title}\n${lines.map((cells) => `  ${cells.join('  ')}`.trimEnd()).join('\n')}\n`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
