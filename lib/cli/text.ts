import { grouped, mebibytes } from '../text/units.js';

/**
 * Rows as aligned text columns, two spaces apart.
 *
 * @param rows All of one length.
 * @param right Columns that are aligned to the right, as numbers are.
 */
export function alignColumns(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}

/** A name from outside for a terminal: control characters, which could move its cursor, become `?`. */
export function printable(name: string): string {
  return name.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '?');
}

/** Bytes as MiB (2^20) with the exact count, for example `5.96 MiB (6,243,977 bytes)`. */
export function formatBytes(bytes: number): string {
  return `${mebibytes(bytes)} (${grouped(bytes)} bytes)`;
}

/** Eighths of a character cell, from none to all. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/** A bar of `share` (0..1) of `cells` characters, to an eighth of one. */
export function bar(share: number, cells: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * cells * 8);
  return '█'.repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? '');
}
